//! Pods that do not tolerate a NoExecute taint of their node are deleted, at once or when their toleration ends.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Pod, Taint, Toleration};
use kingpost_informers::{Error, EventType, Key};
use kube::Api;
use kube::api::{DeleteParams, Preconditions};

use super::Nodes;
use crate::pod::{is_active, node_name};
use crate::references::object_reference;

impl Nodes {
    /// Deletes the pods whose time on this node is over; the result is when the next one's will be.
    pub(super) async fn evict(&self, node: &Node) -> Result<Option<Duration>, Error> {
        let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
        let taints: Vec<_> = taints.iter().filter(|taint| taint.effect == "NoExecute").collect();
        if taints.is_empty() {
            return Ok(None);
        }
        let mut next: Option<Duration> = None;
        for pod in self.pods.list() {
            if node_name(&pod) != node.metadata.name.as_deref() || !is_active(&pod) {
                continue;
            }
            match time_left(&pod, &taints, Timestamp::now()) {
                Some(left) if left.is_zero() => self.evict_pod(&pod).await?,
                Some(left) => next = Some(next.map_or(left, |next| next.min(left))),
                None => {}
            }
        }
        Ok(next)
    }

    async fn evict_pod(&self, pod: &Pod) -> Result<(), Error> {
        let message = format!("Marking for deletion Pod {}", Key::of(pod));
        self.recorder.event(
            &object_reference(pod, "v1", "Pod"),
            EventType::Normal,
            "TaintManagerEviction",
            message,
        );
        let api = Api::<Pod>::namespaced(
            self.client.clone(),
            pod.metadata.namespace.as_deref().unwrap_or_default(),
        );
        let preconditions = Preconditions { uid: pod.metadata.uid.clone(), resource_version: None };
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        match api.delete(name, &DeleteParams::default().preconditions(preconditions)).await {
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
            result => result.map(drop).map_err(Error::from),
        }
    }
}

/// How long the pod may stay under these taints; `None` for ever.
fn time_left(pod: &Pod, taints: &[&Taint], now: Timestamp) -> Option<Duration> {
    let tolerations = pod.spec.as_ref().and_then(|spec| spec.tolerations.as_deref()).unwrap_or_default();
    let mut left: Option<Duration> = None;
    for taint in taints {
        let matching: Vec<_> = tolerations.iter().filter(|toleration| tolerates(toleration, taint)).collect();
        if matching.is_empty() {
            return Some(Duration::ZERO);
        }
        // The shortest of the tolerations that have an end counts.
        let seconds = matching.iter().filter_map(|toleration| toleration.toleration_seconds).min();
        let Some(seconds) = seconds else { continue };
        let allowed = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        let since = taint.time_added.as_ref().map_or(now, |time| time.0);
        let remaining = allowed.saturating_sub(now.duration_since(since).try_into().unwrap_or_default());
        left = Some(left.map_or(remaining, |left| left.min(remaining)));
    }
    left
}

/// Whether a toleration matches a taint (`Toleration.ToleratesTaint`).
fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let given = |field: &Option<String>| field.clone().filter(|text| !text.is_empty());
    if given(&toleration.effect).is_some_and(|effect| effect != taint.effect) {
        return false;
    }
    if given(&toleration.key).is_some_and(|key| key != taint.key) {
        return false;
    }
    match given(&toleration.operator).as_deref() {
        Some("Exists") => true,
        None | Some("Equal") => given(&toleration.value) == given(&taint.value),
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn left(tolerations: serde_json::Value, added: &str, now: &str) -> Option<u64> {
        let pod: Pod = serde_json::from_value(
            json!({"metadata": {}, "spec": {"containers": [], "tolerations": tolerations}}),
        )
        .unwrap();
        let taint: Taint =
            serde_json::from_value(json!({"key": "k", "effect": "NoExecute", "timeAdded": added})).unwrap();
        time_left(&pod, &[&taint], now.parse().unwrap()).map(|left| left.as_secs())
    }

    #[test]
    fn a_pod_stays_as_long_as_it_tolerates() {
        let (start, later) = ("2026-01-01T00:00:00Z", "2026-01-01T00:01:40Z");
        assert_eq!(left(json!([]), start, later), Some(0));
        assert_eq!(left(json!([{"key": "k", "operator": "Exists"}]), start, later), None);
        let bounded =
            json!([{"key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}]);
        assert_eq!(left(bounded, start, later), Some(200));
        let over = json!([{"key": "k", "operator": "Exists", "tolerationSeconds": 60}]);
        assert_eq!(left(over, start, later), Some(0));
        let other = json!([{"key": "k", "operator": "Exists", "effect": "NoSchedule"}]);
        assert_eq!(left(other, start, later), Some(0));
    }
}
