use serde_json::json;

use super::*;
use crate::{Attributes, UserInfo};

struct Pods;

impl ObjectReader for Pods {
    fn get(&self, _: &str, _: &str, _: &str, name: &str) -> Option<Value> {
        let node = if name == "mine" { "n1" } else { "n2" };
        Some(json!({"metadata": {"name": name, "uid": format!("{name}-uid")}, "spec": {"nodeName": node}}))
    }

    fn list(&self, _: &str, _: &str, _: &str) -> Vec<Value> {
        Vec::new()
    }

    fn generation(&self, _: &str, _: &str) -> u64 {
        0
    }
}

/// Whether the node `n1` may do it.
fn admits(
    operation: Operation,
    resource: &str,
    name: &str,
    object: Option<Value>,
    old: Option<Value>,
) -> bool {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let group = if resource == "leases" { "coordination.k8s.io" } else { "" };
    let namespace = if resource == "leases" { "kube-node-lease" } else { "ns" };
    let attributes = Attributes {
        user: Arc::new(UserInfo::authenticated("system:node:n1", [UserInfo::NODES.to_owned()])),
        group: group.to_owned(),
        resource: resource.to_owned(),
        subresource: subresource.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        ..Attributes::default()
    };
    let mut object = object;
    let mut request = AdmissionRequest {
        attributes: &attributes,
        operation,
        kind: "",
        object: object.as_mut(),
        old_object: old.as_ref(),
        dry_run: false,
    };
    NodeRestriction::new(Arc::new(Pods)).admit(&mut request).is_ok()
}

fn node(name: &str, labels: Value, taints: Value) -> Value {
    json!({"metadata": {"name": name, "labels": labels}, "spec": {"taints": taints}})
}

#[test]
fn a_node_writes_its_own_object_without_drawing_pods_to_itself() {
    let old = node("n1", json!({"kubernetes.io/hostname": "n1"}), json!([]));
    let update = |new: Value| admits(Operation::Update, "nodes", "n1", Some(new), Some(old.clone()));
    assert!(update(node("n1", json!({"kubernetes.io/hostname": "x", "example.com/gpu": "yes"}), json!([]))));
    assert!(!update(node("n1", json!({"node-role.kubernetes.io/control-plane": ""}), json!([]))));
    assert!(!update(node("n1", json!({"team.node-restriction.kubernetes.io/a": ""}), json!([]))));
    assert!(!update(node(
        "n1",
        json!({"kubernetes.io/hostname": "n1"}),
        json!([{"key": "k", "effect": "NoSchedule"}])
    )));
    let mut owned = old.clone();
    owned["metadata"]["ownerReferences"] = json!([{"kind": "ConfigMap"}]);
    assert!(!update(owned));
    let other = node("n2", json!({}), json!([]));
    assert!(!admits(Operation::Update, "nodes/status", "n2", Some(other.clone()), Some(other)));
    assert!(!admits(Operation::Delete, "nodes", "n1", None, Some(old)));
}

#[test]
fn a_node_writes_the_status_of_its_own_pods_alone() {
    let pod =
        |node: &str, label: &str| json!({"metadata": {"labels": {"a": label}}, "spec": {"nodeName": node}});
    let status = |new: Value, old: Value| admits(Operation::Update, "pods/status", "p", Some(new), Some(old));
    assert!(status(pod("n1", "x"), pod("n1", "x")));
    assert!(!status(pod("n1", "y"), pod("n1", "x")), "labels move a pod into other Services");
    assert!(!status(pod("n2", "x"), pod("n2", "x")));
    assert!(
        admits(Operation::Delete, "pods", "mine", None, None)
            && !admits(Operation::Delete, "pods", "theirs", None, None)
    );
    assert!(!admits(Operation::Create, "pods", "p", Some(pod("n1", "x")), None), "only mirror pods");
    assert!(!admits(Operation::Update, "pods", "mine", Some(pod("n1", "x")), Some(pod("n1", "x"))));
}

#[test]
fn a_node_gets_tokens_for_its_own_pods_alone() {
    let token = |name: &str, uid: &str| {
        let reference = json!({"kind": "Pod", "apiVersion": "v1", "name": name, "uid": uid});
        admits(
            Operation::Create,
            "serviceaccounts/token",
            "sa",
            Some(json!({"spec": {"boundObjectRef": reference}})),
            None,
        )
    };
    assert!(token("mine", "mine-uid"));
    assert!(!token("mine", "other") && !token("mine", "") && !token("theirs", "theirs-uid"));
    assert!(!admits(Operation::Create, "serviceaccounts/token", "sa", Some(json!({"spec": {}})), None));
}

#[test]
fn a_node_holds_its_own_lease_alone() {
    let lease = |name: &str| json!({"metadata": {"name": name}});
    assert!(admits(Operation::Create, "leases", "", Some(lease("n1")), None));
    assert!(!admits(Operation::Create, "leases", "", Some(lease("n2")), None));
}
