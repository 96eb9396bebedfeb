//! A node's conditions as taints, which the scheduler and the eviction of pods act on (KEP-382).

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Taint};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kingpost_informers::Error;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::{Nodes, health};

const NOT_READY: &str = "node.kubernetes.io/not-ready";
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";
/// Conditions that keep new pods away while they are true.
const PRESSURES: [(&str, &str); 4] = [
    ("MemoryPressure", "node.kubernetes.io/memory-pressure"),
    ("DiskPressure", "node.kubernetes.io/disk-pressure"),
    ("PIDPressure", "node.kubernetes.io/pid-pressure"),
    ("NetworkUnavailable", "node.kubernetes.io/network-unavailable"),
];

/// The taints that a node's state calls for, as key and effect.
fn wanted(node: &Node) -> Vec<(&'static str, &'static str)> {
    let mut taints = Vec::new();
    match health::ready(node).map(|ready| ready.status.as_str()) {
        Some("False") => taints.extend([(NOT_READY, "NoSchedule"), (NOT_READY, "NoExecute")]),
        Some("Unknown") => taints.extend([(UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute")]),
        Some(_) => {}
        // It has not reported yet; its own registration may have set this.
        None => taints.push((NOT_READY, "NoSchedule")),
    }
    for (condition, taint) in PRESSURES {
        if health::condition(node, condition).is_some_and(|condition| condition.status == "True") {
            taints.push((taint, "NoSchedule"));
        }
    }
    if node.spec.as_ref().and_then(|spec| spec.unschedulable) == Some(true) {
        taints.push((UNSCHEDULABLE, "NoSchedule"));
    }
    taints
}

/// Whether a taint is this controller's to set and take away.
fn is_ours(taint: &Taint) -> bool {
    let keys = PRESSURES.iter().map(|(_, key)| *key).chain([NOT_READY, UNREACHABLE, UNSCHEDULABLE]);
    keys.into_iter().any(|key| key == taint.key) && taint.effect != "PreferNoSchedule"
}

/// The node's taints as they should be, if they are not so already.
fn correct(node: &Node, now: Timestamp) -> Option<Vec<Taint>> {
    let present = node.spec.as_ref().and_then(|spec| spec.taints.clone()).unwrap_or_default();
    let wanted = wanted(node);
    let is_wanted =
        |taint: &Taint| wanted.iter().any(|(key, effect)| taint.key == *key && taint.effect == *effect);
    let mut taints: Vec<_> =
        present.iter().filter(|taint| !is_ours(taint) || is_wanted(taint)).cloned().collect();
    for (key, effect) in &wanted {
        if !taints.iter().any(|taint| taint.key == *key && taint.effect == *effect) {
            // Eviction counts from here.
            let time_added = Some(Time(now));
            taints.push(Taint {
                key: (*key).to_owned(),
                effect: (*effect).to_owned(),
                value: None,
                time_added,
            });
        }
    }
    (taints != present).then_some(taints)
}

impl Nodes {
    /// Brings the node's taints in line with its conditions.
    pub(super) async fn sync_taints(&self, node: &Node) -> Result<(), Error> {
        let Some(taints) = correct(node, Timestamp::now()) else { return Ok(()) };
        let name = node.metadata.name.as_deref().unwrap_or_default();
        // The version is a precondition: somebody's taint of this moment is not to be lost.
        let patch = json!({
            "metadata": {"resourceVersion": node.metadata.resource_version},
            "spec": {"taints": taints},
        });
        self.api().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(ready: &str, unschedulable: bool, taints: serde_json::Value) -> Node {
        serde_json::from_value(json!({
            "metadata": {"name": "n"},
            "spec": {"unschedulable": unschedulable, "taints": taints},
            "status": {"conditions": [{"type": "Ready", "status": ready}]},
        }))
        .unwrap()
    }

    fn keys(node: &Node) -> Option<Vec<String>> {
        let taints = correct(node, Timestamp::UNIX_EPOCH)?;
        Some(taints.iter().map(|taint| format!("{}:{}", taint.key, taint.effect)).collect())
    }

    #[test]
    fn a_ready_node_loses_our_taints_and_keeps_all_others() {
        let taints = json!([
            {"key": NOT_READY, "effect": "NoSchedule"},
            {"key": "dedicated", "value": "gpu", "effect": "NoSchedule"},
        ]);
        assert_eq!(keys(&node("True", false, taints)).unwrap(), ["dedicated:NoSchedule"]);
        assert!(keys(&node("True", false, json!([]))).is_none());
    }

    #[test]
    fn a_silent_node_lets_no_pod_in_and_drives_pods_out() {
        let expected = [format!("{UNREACHABLE}:NoSchedule"), format!("{UNREACHABLE}:NoExecute")];
        assert_eq!(keys(&node("Unknown", false, json!([]))).unwrap(), expected);
    }

    #[test]
    fn a_cordoned_node_is_tainted_too() {
        assert_eq!(keys(&node("True", true, json!([]))).unwrap(), [format!("{UNSCHEDULABLE}:NoSchedule")]);
    }
}
