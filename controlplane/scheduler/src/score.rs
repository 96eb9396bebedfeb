//! Which of the nodes that can take a pod is best.

use k8s_openapi::api::core::v1::{Node, Pod};

use crate::cluster::NodeInfo;
use crate::filter::{matches_term, tolerates};
use crate::resources::weighed_requests;

/// The best mark of one criterion.
const MAX: i64 = 100;

/// The mark of a node, higher for better: room that is left (NodeResourcesFit, LeastAllocated), few pods of the same controller
/// (PodTopologySpread's defaults), preferred affinity, and no taint that prefers to be alone. Weights are upstream's.
pub(crate) fn score(pod: &Pod, node: &Node, info: &NodeInfo) -> i64 {
    least_allocated(pod, info) + 2 * spread(pod, info) + 2 * preferred_affinity(pod, node)
        - 3 * unwelcome(pod, node)
}

fn least_allocated(pod: &Pod, info: &NodeInfo) -> i64 {
    let wanted = weighed_requests(pod);
    let left = |name: &str| {
        let total = info.allocatable.get(name);
        let used = info.weighed.get(name).saturating_add(wanted.get(name));
        if total <= 0 || used >= total { 0 } else { (total - used).saturating_mul(MAX) / total }
    };
    i64::midpoint(left("cpu"), left("memory"))
}

fn spread(pod: &Pod, info: &NodeInfo) -> i64 {
    let Some(controller) = kingpost_informers::controller_of(pod) else { return 0 };
    let same =
        info.pods.values().filter(|placed| placed.controller.as_ref() == Some(&controller.uid)).count();
    MAX / (1 + i64::try_from(same).unwrap_or(MAX))
}

fn preferred_affinity(pod: &Pod, node: &Node) -> i64 {
    let affinity = pod.spec.as_ref().and_then(|spec| spec.affinity.as_ref()?.node_affinity.as_ref());
    let preferred = affinity
        .and_then(|affinity| affinity.preferred_during_scheduling_ignored_during_execution.as_deref());
    let matching = preferred.unwrap_or_default().iter().filter(|term| matches_term(&term.preference, node));
    matching.map(|term| i64::from(term.weight)).sum()
}

fn unwelcome(pod: &Pod, node: &Node) -> i64 {
    let tolerations = pod.spec.as_ref().and_then(|spec| spec.tolerations.as_deref()).unwrap_or_default();
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
    let mut preferring = taints.iter().filter(|taint| taint.effect == "PreferNoSchedule");
    if preferring.any(|taint| !tolerations.iter().any(|toleration| tolerates(toleration, taint))) {
        MAX
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::cluster::Cluster;

    fn pod(uid: &str) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"uid": uid, "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "r", "controller": true}]},
            "spec": {"containers": [{"name": "c"}]},
        }))
        .unwrap()
    }

    #[test]
    fn replicas_of_one_controller_are_spread_over_equal_nodes() {
        let mut cluster = Cluster::default();
        for name in ["a", "b", "c"] {
            let node: Node = serde_json::from_value(json!({
                "metadata": {"name": name}, "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"}},
            }))
            .unwrap();
            cluster.set_node(&Arc::new(node));
        }
        let mut used = Vec::new();
        for uid in ["1", "2", "3"] {
            let pod = pod(uid);
            let best = cluster.nodes().max_by_key(|(node, info)| score(&pod, node, info)).unwrap().0;
            let best = best.metadata.name.clone().unwrap();
            cluster.place(&pod, &best);
            used.push(best);
        }
        used.sort();
        assert_eq!(used, ["a", "b", "c"]);
    }
}
