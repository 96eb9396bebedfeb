//! Room for a pod (upstream's NodeResourcesFit).

use k8s_openapi::api::core::v1::Pod;

use crate::cluster::NodeInfo;
use crate::resources::pod_requests;

/// The resources of which the node has too little left.
pub(super) fn insufficient(pod: &Pod, info: &NodeInfo) -> Vec<String> {
    let mut lacking = Vec::new();
    let pods = i64::try_from(info.pods.len()).unwrap_or(i64::MAX);
    if pods.saturating_add(1) > info.allocatable.get("pods") {
        lacking.push("Too many pods".to_owned());
    }
    for (name, amount) in pod_requests(pod).iter() {
        let free = info.allocatable.get(name) - info.requested.get(name);
        if amount > 0 && amount > free {
            lacking.push(format!("Insufficient {name}"));
        }
    }
    lacking
}
