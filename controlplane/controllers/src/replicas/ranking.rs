//! Which pods to delete first (upstream's `ActivePodsWithRanks`): those whose end costs least.

use std::cmp::{Ordering, Reverse};
use std::collections::HashMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;

use crate::pod::{is_ready, most_restarts, node_name, phase, ready_since};

/// The annotation by which users say what a pod's deletion costs.
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// The `count` pods that go first. `related` are the pods that share nodes with them (of all ReplicaSets of one Deployment): a
/// node with many of them loses one before a node with few.
pub(super) fn pods_to_delete(mut pods: Vec<Arc<Pod>>, related: &[Arc<Pod>], count: usize) -> Vec<Arc<Pod>> {
    let mut on_node: HashMap<&str, usize> = HashMap::new();
    for pod in related {
        if let Some(node) = node_name(pod) {
            *on_node.entry(node).or_default() += 1;
        }
    }
    if count < pods.len() {
        pods.sort_by(|a, b| first_to_go(a, b, &on_node));
        pods.truncate(count);
    }
    pods
}

fn first_to_go(a: &Pod, b: &Pod, on_node: &HashMap<&str, usize>) -> Ordering {
    let by = |rank: fn(&Pod) -> i64| rank(a).cmp(&rank(b));
    let crowd = |pod: &Pod| Reverse(node_name(pod).and_then(|node| on_node.get(node)).copied().unwrap_or(0));
    by(|pod| i64::from(node_name(pod).is_some()))
        .then_with(|| by(phase_rank))
        .then_with(|| by(|pod| i64::from(is_ready(pod))))
        .then_with(|| by(deletion_cost))
        .then_with(|| crowd(a).cmp(&crowd(b)))
        // The one that has been ready for a shorter time goes first.
        .then_with(|| ready_since(b).cmp(&ready_since(a)))
        .then_with(|| Reverse(most_restarts(a)).cmp(&Reverse(most_restarts(b))))
        .then_with(|| creation(b).cmp(&creation(a)))
}

fn phase_rank(pod: &Pod) -> i64 {
    match phase(pod) {
        "Pending" => 0,
        "Running" => 2,
        _ => 1,
    }
}

fn deletion_cost(pod: &Pod) -> i64 {
    let annotations = pod.metadata.annotations.as_ref();
    annotations
        .and_then(|all| all.get(DELETION_COST))
        .and_then(|cost| cost.parse::<i32>().ok())
        .unwrap_or(0)
        .into()
}

fn creation(pod: &Pod) -> Option<jiff::Timestamp> {
    pod.metadata.creation_timestamp.as_ref().map(|time| time.0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(name: &str, node: Option<&str>, phase: &str, ready_since: Option<&str>, cost: &str) -> Arc<Pod> {
        let conditions: Vec<_> = ready_since
            .iter()
            .map(|since| json!({"type": "Ready", "status": "True", "lastTransitionTime": since}))
            .collect();
        let value = json!({
            "metadata": {"name": name, "annotations": {DELETION_COST: cost}},
            "spec": {"nodeName": node, "containers": []},
            "status": {"phase": phase, "conditions": conditions},
        });
        Arc::new(serde_json::from_value(value).unwrap())
    }

    fn order(pods: Vec<Arc<Pod>>) -> Vec<String> {
        let related = pods.clone();
        let count = pods.len() - 1;
        let gone = pods_to_delete(pods, &related, count);
        gone.iter().map(|pod| pod.metadata.name.clone().unwrap()).collect()
    }

    #[test]
    fn pods_that_serve_go_last() {
        let early = "2026-01-01T00:00:00Z";
        let late = "2026-01-02T00:00:00Z";
        assert_eq!(
            order(vec![
                pod("old-and-ready", Some("n1"), "Running", Some(early), "0"),
                pod("young-and-ready", Some("n1"), "Running", Some(late), "0"),
                pod("not-ready", Some("n1"), "Running", None, "0"),
                pod("pending", Some("n1"), "Pending", None, "0"),
                pod("unassigned", None, "Pending", None, "0"),
            ]),
            ["unassigned", "pending", "not-ready", "young-and-ready"]
        );
    }

    #[test]
    fn a_low_deletion_cost_goes_before_the_crowd() {
        let time = "2026-01-01T00:00:00Z";
        assert_eq!(
            order(vec![
                pod("dear", Some("n1"), "Running", Some(time), "10"),
                pod("alone", Some("n2"), "Running", Some(time), "0"),
                pod("crowded-1", Some("n1"), "Running", Some(time), "0"),
                pod("cheap", Some("n3"), "Running", Some(time), "-5"),
            ]),
            ["cheap", "crowded-1", "alone"]
        );
    }
}
