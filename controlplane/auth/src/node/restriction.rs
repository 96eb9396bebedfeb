//! What a node may write.

use std::sync::Arc;

use serde_json::Value;

use super::node_of;
use super::references::text;
use crate::{Admission, AdmissionError, AdmissionRequest, ObjectReader, Operation};

/// Labels of the `kubernetes.io` and `k8s.io` domains that an agent sets on its own node.
const OWN_LABELS: [&str; 12] = [
    "kubernetes.io/hostname",
    "kubernetes.io/arch",
    "kubernetes.io/os",
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/instance-type",
    "node.kubernetes.io/instance-type",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
    "node.kubernetes.io/windows-build",
];
/// Domains whose labels it sets freely.
const OWN_DOMAINS: [&str; 2] = ["kubelet.kubernetes.io", "node.kubernetes.io"];
const RESTRICTED_DOMAIN: &str = "node-restriction.kubernetes.io";
const MIRROR: &str = "/metadata/annotations/kubernetes.io~1config.mirror";

/// The NodeRestriction plug-in.
pub struct NodeRestriction {
    reader: Arc<dyn ObjectReader>,
}

fn forbid<T>(why: impl Into<String>) -> Result<T, AdmissionError> {
    Err(AdmissionError::Forbidden(why.into()))
}

impl NodeRestriction {
    /// A plug-in that finds pods through `reader`.
    #[must_use]
    pub fn new(reader: Arc<dyn ObjectReader>) -> Self {
        Self { reader }
    }

    fn pod(&self, node: &str, request: &AdmissionRequest<'_>) -> Result<(), AdmissionError> {
        let attributes = request.attributes;
        match (request.operation, attributes.subresource.as_str()) {
            (Operation::Create, "") => mirror_pod(node, request.object.as_deref()),
            (Operation::Create, "eviction") | (Operation::Delete, "") => {
                self.own_pod(node, &attributes.namespace, &attributes.name, "delete")
            }
            (Operation::Update, "status") => {
                let old = request.old_object.unwrap_or(&Value::Null);
                if text(old, "/spec/nodeName") != node {
                    return forbid(format!(
                        "node {node:?} can only update pod status for pods with spec.nodeName set to itself"
                    ));
                }
                let labels = |object: Option<&Value>| {
                    object.and_then(|object| object.pointer("/metadata/labels").cloned())
                };
                if labels(Some(old)) != labels(request.object.as_deref()) {
                    return forbid(format!("node {node:?} cannot update labels through pod status"));
                }
                Ok(())
            }
            (operation, subresource) => forbid(format!(
                "unexpected pod subresource {subresource:?} or operation {operation:?}, only \"status\" and \"eviction\" are allowed"
            )),
        }
    }

    fn own_pod(&self, node: &str, namespace: &str, name: &str, what: &str) -> Result<(), AdmissionError> {
        // One that is gone is not found a step later.
        let Some(pod) = self.reader.get("", "pods", namespace, name) else { return Ok(()) };
        if text(&pod, "/spec/nodeName") == node {
            return Ok(());
        }
        forbid(format!("node {node:?} can only {what} pods with spec.nodeName set to itself"))
    }

    /// A token must be bound to a pod of the node, and die with it.
    fn token(&self, node: &str, request: &AdmissionRequest<'_>) -> Result<(), AdmissionError> {
        let body = request.object.as_deref().unwrap_or(&Value::Null);
        let reference = body.pointer("/spec/boundObjectRef").filter(|reference| reference.is_object());
        let Some(reference) = reference.filter(|reference| text(reference, "/kind") == "Pod") else {
            return forbid("node requested token not bound to a pod");
        };
        let (name, uid) = (text(reference, "/name"), text(reference, "/uid"));
        if uid.is_empty() {
            return forbid("node requested token with a pod binding without a uid");
        }
        match self.reader.get("", "pods", &request.attributes.namespace, name) {
            Some(pod) if text(&pod, "/metadata/uid") != uid => forbid(format!(
                "the UID in the bound object reference ({uid}) does not match the UID in record. The object might have been deleted and then recreated"
            )),
            Some(pod) if text(&pod, "/spec/nodeName") == node => Ok(()),
            Some(_) => forbid("node requested token bound to a pod scheduled on a different node"),
            None => forbid(format!("pod {name:?} not found")),
        }
    }
}

/// A pod that stands for one which the node runs by itself may refer to nothing of the API.
fn mirror_pod(node: &str, pod: Option<&Value>) -> Result<(), AdmissionError> {
    let pod = pod.unwrap_or(&Value::Null);
    if pod.pointer(MIRROR).is_none() {
        return forbid(format!(
            "pod does not have \"kubernetes.io/config.mirror\" annotation, node {node:?} can only create mirror pods"
        ));
    }
    if text(pod, "/spec/nodeName") != node {
        return forbid(format!("node {node:?} can only create pods with spec.nodeName set to itself"));
    }
    let owners = pod.pointer("/metadata/ownerReferences").and_then(Value::as_array).map(Vec::as_slice);
    match owners.unwrap_or_default() {
        [owner] if text(owner, "/kind") == "Node" && text(owner, "/name") == node => Ok(()),
        _ => forbid(format!("node {node:?} can only create pods with an owner reference set to itself")),
    }
}

fn node_object(node: &str, request: &AdmissionRequest<'_>) -> Result<(), AdmissionError> {
    let name = match request.object.as_deref().map(|object| text(object, "/metadata/name")) {
        Some(name) if !name.is_empty() => name,
        _ => request.attributes.name.as_str(),
    };
    if name != node {
        return forbid(format!("node {node:?} is not allowed to modify node {name:?}"));
    }
    if request.operation == Operation::Delete {
        return forbid(format!("node {node:?} is not allowed to delete itself"));
    }
    let Some(object) = request.object.as_deref() else { return Ok(()) };
    let old = request.old_object.unwrap_or(&Value::Null);
    check_labels(node, object, old, request.operation)?;
    if request.operation == Operation::Update {
        if !request.attributes.subresource.is_empty() {
            return Ok(());
        }
        if object.pointer("/spec/taints") != old.pointer("/spec/taints") {
            return forbid(format!("node {node:?} is not allowed to modify taints"));
        }
        // An owner that is gone takes what it owns along.
        if object.pointer("/metadata/ownerReferences") != old.pointer("/metadata/ownerReferences") {
            return forbid(format!("node {node:?} is not allowed to modify ownerReferences"));
        }
    }
    Ok(())
}

/// Labels decide where pods go: a node must not draw them to itself.
fn check_labels(node: &str, object: &Value, old: &Value, operation: Operation) -> Result<(), AdmissionError> {
    let labels = |object: &Value| {
        object.pointer("/metadata/labels").and_then(Value::as_object).cloned().unwrap_or_default()
    };
    let (new, old) = (labels(object), labels(old));
    let changed = new.keys().chain(old.keys()).filter(|key| new.get(*key) != old.get(*key));
    let mut forbidden: Vec<&str> = changed.map(String::as_str).filter(|key| !is_own_label(key)).collect();
    forbidden.sort_unstable();
    forbidden.dedup();
    if forbidden.is_empty() {
        return Ok(());
    }
    let verb = if operation == Operation::Create { "set" } else { "modify" };
    forbid(format!(
        "is not allowed to {verb} the following labels on node {node:?}: {}",
        forbidden.join(", ")
    ))
}

fn is_own_label(key: &str) -> bool {
    let Some((domain, _)) = key.split_once('/') else { return true };
    let within = |of: &str| domain == of || domain.ends_with(&format!(".{of}"));
    if within(RESTRICTED_DOMAIN) {
        return false;
    }
    if !within("kubernetes.io") && !within("k8s.io") {
        return true;
    }
    OWN_LABELS.contains(&key) || OWN_DOMAINS.iter().any(|own| within(own))
}

fn lease(node: &str, request: &AdmissionRequest<'_>) -> Result<(), AdmissionError> {
    let own = request.object.as_deref().map_or("", |object| text(object, "/metadata/name"));
    let name = if own.is_empty() { request.attributes.name.as_str() } else { own };
    if request.attributes.namespace != "kube-node-lease" {
        return forbid("can only access leases in the \"kube-node-lease\" system namespace");
    }
    if name != node {
        return forbid("can only access node lease with the same name as the requesting node");
    }
    Ok(())
}

impl Admission for NodeRestriction {
    fn admit(&self, request: &mut AdmissionRequest<'_>) -> Result<(), AdmissionError> {
        let attributes = request.attributes;
        let Some(node) = node_of(&attributes.user) else { return Ok(()) };
        match (attributes.group.as_str(), attributes.resource.as_str(), attributes.subresource.as_str()) {
            ("", "pods", _) => self.pod(node, request),
            ("", "nodes", _) => node_object(node, request),
            ("", "serviceaccounts", "token") => self.token(node, request),
            ("coordination.k8s.io", "leases", _) => lease(node, request),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
