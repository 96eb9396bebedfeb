use serde_json::{Value, json};

use super::*;

fn node(name: &str, spec: Value, labels: Value) -> Arc<Node> {
    Arc::new(
        serde_json::from_value(json!({
            "metadata": {"name": name, "labels": labels},
            "spec": spec,
            "status": {"allocatable": {"cpu": "1", "memory": "1Gi", "pods": "2"}},
        }))
        .unwrap(),
    )
}

fn pod(uid: &str, spec: Value) -> Pod {
    let mut spec = spec;
    spec.as_object_mut().unwrap().entry("containers").or_insert(json!([{"name": "c"}]));
    serde_json::from_value(json!({"metadata": {"name": uid, "uid": uid}, "spec": spec})).unwrap()
}

fn asking(uid: &str, cpu: &str) -> Pod {
    pod(uid, json!({"containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]}))
}

/// One node of every kind.
fn cluster() -> Cluster {
    let mut cluster = Cluster::default();
    cluster.set_node(&node("plain", json!({}), json!({})));
    cluster.set_node(&node("ssd", json!({}), json!({"disk": "ssd", "cores": "8"})));
    cluster.set_node(&node("closed", json!({"unschedulable": true}), json!({})));
    cluster.set_node(&node(
        "tainted",
        json!({"taints": [{"key": "k", "value": "v", "effect": "NoSchedule"}]}),
        json!({}),
    ));
    cluster
}

fn names(pod: &Pod, cluster: &Cluster) -> Vec<String> {
    let nodes = feasible(pod, cluster)
        .map(|nodes| nodes.into_iter().map(|(node, _)| node.metadata.name.clone().unwrap()));
    nodes.map(Iterator::collect).unwrap_or_default()
}

#[test]
fn each_filter_keeps_what_it_shall() {
    let cluster = cluster();
    let affinity = |requirement: Value| {
        json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [requirement]}]}}}})
    };
    let all_taints = json!([{"operator": "Exists"}]);
    for (spec, expected) in [
        (json!({}), &["plain", "ssd"][..]),
        (json!({"nodeSelector": {"disk": "ssd"}}), &["ssd"]),
        (affinity(json!({"key": "disk", "operator": "DoesNotExist"})), &["plain"]),
        (affinity(json!({"key": "cores", "operator": "Gt", "values": ["4"]})), &["ssd"]),
        (affinity(json!({"key": "cores", "operator": "Lt", "values": ["4"]})), &[]),
        (json!({"tolerations": [{"key": "k", "value": "v"}]}), &["plain", "ssd", "tainted"]),
        (json!({"tolerations": all_taints}), &["closed", "plain", "ssd", "tainted"]),
    ] {
        assert_eq!(names(&pod("p", spec.clone()), &cluster), expected, "{spec}");
    }
}

#[test]
fn a_full_node_takes_no_more() {
    let mut cluster = Cluster::default();
    cluster.set_node(&node("plain", json!({}), json!({})));
    cluster.place(&asking("a", "600m"), "plain");
    assert_eq!(names(&asking("b", "400m"), &cluster), ["plain"]);
    assert!(names(&asking("b", "401m"), &cluster).is_empty());
    cluster.place(&asking("b", "1m"), "plain");
    assert!(names(&asking("c", "1m"), &cluster).is_empty(), "two pods are the most");
}

#[test]
fn host_ports_are_given_once_per_address() {
    let mut cluster = Cluster::default();
    cluster.set_node(&node("plain", json!({}), json!({})));
    let with_port = |uid, ip: &str| {
        pod(
            uid,
            json!({"containers": [{"name": "c", "ports": [{"containerPort": 1, "hostPort": 80, "hostIP": ip}]}]}),
        )
    };
    cluster.place(&with_port("a", "10.0.0.1"), "plain");
    assert_eq!(names(&with_port("b", "10.0.0.2"), &cluster), ["plain"]);
    assert!(names(&with_port("b", ""), &cluster).is_empty());
}

#[test]
fn the_reasons_are_counted_as_upstream_words_them() {
    let mut cluster = cluster();
    cluster.place(&asking("big", "1"), "plain");
    let refused = feasible(&pod("p", json!({"nodeSelector": {"disk": "tape"}})), &cluster).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "0/4 nodes are available: 1 node(s) had untolerated taint(s), 1 node(s) were unschedulable, \
         2 node(s) didn't match Pod's node affinity/selector."
    );
    let refused = feasible(&asking("p", "2"), &cluster).unwrap_err();
    assert!(refused.to_string().contains("2 Insufficient cpu"), "{refused}");
    let refused = feasible(&pod("p", json!({})), &Cluster::default()).unwrap_err();
    assert_eq!(refused.to_string(), "no nodes available to schedule pods");
}

#[test]
fn what_is_not_supported_is_named_and_not_ignored() {
    let spec = json!({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"topologyKey": "kubernetes.io/hostname", "labelSelector": {}}]}}});
    let refused = feasible(&pod("p", spec), &cluster()).unwrap_err();
    assert!(refused.to_string().contains("podAntiAffinity"), "{refused}");
}
