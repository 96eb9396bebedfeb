//! What the pods of each node refer to.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::ObjectReader;

/// A secret, config map, service account or claim: resource, namespace, name.
type Target = (&'static str, String, String);

/// Pods and what they refer to, by node.
#[derive(Debug, Default)]
pub(super) struct References {
    nodes: HashMap<String, HashSet<Target>>,
}

impl References {
    pub(super) fn build(reader: &dyn ObjectReader) -> Self {
        let mut references = Self::default();
        for pod in reader.list("", "pods", "") {
            references.add(&pod);
        }
        references
    }

    fn add(&mut self, pod: &Value) {
        let node = text(pod, "/spec/nodeName");
        // A finished pod needs nothing any more, but its record is still the node's.
        if node.is_empty() {
            return;
        }
        let namespace = text(pod, "/metadata/namespace");
        let targets = self.nodes.entry(node.to_owned()).or_default();
        let mut add = |resource: &'static str, name: &str| {
            if !name.is_empty() {
                targets.insert((resource, namespace.to_owned(), name.to_owned()));
            }
        };
        add("pods", text(pod, "/metadata/name"));
        add("serviceaccounts", text(pod, "/spec/serviceAccountName"));
        for secret in items(pod, "/spec/imagePullSecrets") {
            add("secrets", text(secret, "/name"));
        }
        for volume in items(pod, "/spec/volumes") {
            add("secrets", text(volume, "/secret/secretName"));
            add("configmaps", text(volume, "/configMap/name"));
            add("persistentvolumeclaims", text(volume, "/persistentVolumeClaim/claimName"));
            for source in items(volume, "/projected/sources") {
                add("secrets", text(source, "/secret/name"));
                add("configmaps", text(source, "/configMap/name"));
            }
        }
        for list in ["containers", "initContainers", "ephemeralContainers"] {
            for container in items(pod, &format!("/spec/{list}")) {
                for variable in items(container, "/env") {
                    add("secrets", text(variable, "/valueFrom/secretKeyRef/name"));
                    add("configmaps", text(variable, "/valueFrom/configMapKeyRef/name"));
                }
                for source in items(container, "/envFrom") {
                    add("secrets", text(source, "/secretRef/name"));
                    add("configmaps", text(source, "/configMapRef/name"));
                }
            }
        }
    }

    /// Whether a pod of `node` refers to the object, or is it.
    pub(super) fn reach(&self, node: &str, resource: &str, namespace: &str, name: &str) -> bool {
        self.nodes.get(node).is_some_and(|targets| {
            targets.iter().any(|(kind, ns, own)| *kind == resource && ns == namespace && own == name)
        })
    }
}

pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn items<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}
