//! What is said of a node that has not been heard of for too long.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, NodeCondition, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kingpost_informers::{Error, EventType};
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::Nodes;
use crate::references::object_reference;

/// Conditions that nobody knows any more when a node is silent.
const CONDITIONS: [&str; 4] = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];

/// A node's condition of that type.
pub(super) fn condition<'a>(node: &'a Node, kind: &str) -> Option<&'a NodeCondition> {
    node.status.as_ref()?.conditions.as_ref()?.iter().find(|condition| condition.type_ == kind)
}

/// A node's Ready condition.
pub(super) fn ready(node: &Node) -> Option<&NodeCondition> {
    condition(node, "Ready")
}

impl Nodes {
    /// Sets the conditions of a silent node to Unknown.
    pub(super) async fn mark_silent(&self, node: &Node) -> Result<(), Error> {
        let now = Time(Timestamp::now());
        let mut changed = Vec::new();
        for kind in CONDITIONS {
            let known = condition(node, kind);
            if known.is_some_and(|known| known.status == "Unknown") {
                continue;
            }
            let (reason, message) = match known {
                Some(_) => ("NodeStatusUnknown", "Kubelet stopped posting node status."),
                None => ("NodeStatusNeverUpdated", "Kubelet never posted node status."),
            };
            changed.push(json!({
                "type": kind, "status": "Unknown", "reason": reason, "message": message,
                "lastHeartbeatTime": known.and_then(|known| known.last_heartbeat_time.clone()),
                "lastTransitionTime": now,
            }));
        }
        if changed.is_empty() {
            return Ok(());
        }
        let name = node.metadata.name.as_deref().unwrap_or_default();
        let patch = Patch::Strategic(json!({"status": {"conditions": changed}}));
        self.api().patch_status(name, &PatchParams::default(), &patch).await?;
        let message = format!("Node {name} status is now: NodeNotReady");
        self.recorder.event(
            &object_reference(node, "v1", "Node"),
            EventType::Normal,
            "NodeNotReady",
            message,
        );
        Ok(())
    }

    /// Pods of a node that is not ready are not ready: Services must not send anybody there.
    pub(super) async fn mark_pods(&self, node: &Node) -> Result<(), Error> {
        // A node that has never been ready has not started yet, and one that says so itself still reports its pods.
        if ready(node).is_none_or(|ready| ready.status != "Unknown") {
            return Ok(());
        }
        let name = node.metadata.name.as_deref();
        for pod in self.pods.list().iter().filter(|pod| crate::pod::node_name(pod) == name) {
            if crate::pod::is_ready(pod) {
                self.mark_pod(pod).await?;
            }
        }
        Ok(())
    }

    async fn mark_pod(&self, pod: &Pod) -> Result<(), Error> {
        let api = Api::<Pod>::namespaced(
            self.client.clone(),
            pod.metadata.namespace.as_deref().unwrap_or_default(),
        );
        let patch = json!({
            "metadata": {"uid": pod.metadata.uid},
            "status": {"conditions": [
                {"type": "Ready", "status": "False", "lastTransitionTime": Time(Timestamp::now())},
            ]},
        });
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        match api.patch_status(name, &PatchParams::default(), &Patch::Strategic(patch)).await {
            Ok(_) => {
                let about = object_reference(pod, "v1", "Pod");
                self.recorder.event(&about, EventType::Warning, "NodeNotReady", "Node is not ready");
                Ok(())
            }
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
