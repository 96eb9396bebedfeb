//! Which requests a node may make.

use std::sync::Arc;

use parking_lot::Mutex;

use super::node_of;
use super::references::References;
use crate::{Attributes, Authorizer, Decision, ObjectReader, Rules, UserInfo};

const READ: &[&str] = &["get", "list", "watch"];

/// What every node may do, whatever its name: group, resource (with subresource), verbs. What depends on the name is decided
/// in code below, and what is written is looked into by [`super::NodeRestriction`].
const ALLOWED: &[(&str, &str, &[&str])] = &[
    ("authentication.k8s.io", "tokenreviews", &["create"]),
    ("authorization.k8s.io", "subjectaccessreviews", &["create"]),
    ("authorization.k8s.io", "localsubjectaccessreviews", &["create"]),
    ("", "services", READ),
    ("", "nodes", &["create", "update", "patch"]),
    ("", "nodes/status", &["update", "patch"]),
    ("", "events", &["create", "update", "patch"]),
    ("events.k8s.io", "events", &["create", "update", "patch"]),
    ("", "pods", &["create", "delete"]),
    ("", "pods/status", &["update", "patch"]),
    ("", "pods/eviction", &["create"]),
    ("certificates.k8s.io", "certificatesigningrequests", &["create", "get", "list", "watch"]),
    ("storage.k8s.io", "csidrivers", READ),
    ("node.k8s.io", "runtimeclasses", READ),
];

/// Judges what nodes ask for.
pub struct NodeAuthorizer {
    reader: Arc<dyn ObjectReader>,
    references: Mutex<Option<(u64, Arc<References>)>>,
}

impl NodeAuthorizer {
    /// An authorizer over the pods that `reader` shows.
    #[must_use]
    pub fn new(reader: Arc<dyn ObjectReader>) -> Self {
        Self { reader, references: Mutex::new(None) }
    }

    fn references(&self) -> Arc<References> {
        let generation = self.reader.generation("", "pods");
        let mut current = self.references.lock();
        if let Some((_, references)) = current.as_ref().filter(|(of, _)| *of == generation) {
            return Arc::clone(references);
        }
        let references = Arc::new(References::build(&*self.reader));
        *current = Some((generation, Arc::clone(&references)));
        references
    }

    fn judge(&self, node: &str, request: &Attributes) -> Result<bool, String> {
        let full = match request.subresource.as_str() {
            "" => request.resource.clone(),
            subresource => format!("{}/{subresource}", request.resource),
        };
        let verb = request.verb.as_str();
        let reads = READ.contains(&verb);
        match (request.group.as_str(), full.as_str()) {
            ("", "secrets" | "configmaps") if reads => self.by_reference(node, request).map(|()| true),
            ("", "persistentvolumeclaims") if verb == "get" => {
                self.by_reference(node, request).map(|()| true)
            }
            ("", "serviceaccounts/token") if verb == "create" => {
                self.by_reference(node, request).map(|()| true)
            }
            ("", "pods") if reads => self.own_pods(node, request).map(|()| true),
            ("", "nodes") if reads => own_name(node, request, "nodes").map(|()| true),
            ("coordination.k8s.io", "leases") => lease(node, request).map(|()| true),
            ("storage.k8s.io", "csinodes") => {
                let known = ["get", "create", "update", "patch", "delete"].contains(&verb);
                if known && verb != "create" {
                    own_name(node, request, "csinodes")?
                }
                Ok(known)
            }
            (group, resource) => {
                let mut rules = ALLOWED.iter();
                Ok(rules.any(|(g, r, verbs)| *g == group && *r == resource && verbs.contains(&verb)))
            }
        }
    }

    /// An object that a pod of the node refers to; a list or watch only of a single name.
    fn by_reference(&self, node: &str, request: &Attributes) -> Result<(), String> {
        if request.name.is_empty() {
            return Err("No Object name found,".to_owned());
        }
        let resource = request.resource.as_str();
        if self.references().reach(node, resource, &request.namespace, &request.name) {
            return Ok(());
        }
        Err(format!("no relationship found between node '{node}' and this object"))
    }

    /// Lists and watches of the node's own pods, and single pods that are its own.
    fn own_pods(&self, node: &str, request: &Attributes) -> Result<(), String> {
        let selects_own =
            request.field_equals.iter().any(|(field, value)| field == "spec.nodeName" && value == node);
        if request.verb != "get" && selects_own {
            return Ok(());
        }
        if request.verb != "get" && request.name.is_empty() {
            return Err("can only list/watch pods with spec.nodeName field selector".to_owned());
        }
        self.by_reference(node, request)
    }
}

fn own_name(node: &str, request: &Attributes, what: &str) -> Result<(), String> {
    if request.name == node {
        return Ok(());
    }
    Err(format!("node '{node}' cannot read all {what}, only its own {} object", what.trim_end_matches('s')))
}

fn lease(node: &str, request: &Attributes) -> Result<(), String> {
    let verb = request.verb.as_str();
    if !["get", "create", "update", "patch", "delete"].contains(&verb) {
        return Err("can only get, create, update, patch, or delete a node lease".to_owned());
    }
    if request.namespace != "kube-node-lease" {
        return Err("can only access leases in the \"kube-node-lease\" system namespace".to_owned());
    }
    // The name of a new one stands in its body, which admission looks into.
    if verb != "create" && request.name != node {
        return Err("can only access node lease with the same name as the requesting node".to_owned());
    }
    Ok(())
}

impl Authorizer for NodeAuthorizer {
    fn authorize(&self, attributes: &Attributes) -> Decision {
        let Some(node) = node_of(&attributes.user).filter(|_| attributes.resource_request) else {
            return Decision::NoOpinion { reason: String::new() };
        };
        match self.judge(node, attributes) {
            Ok(true) => Decision::Allow { reason: String::new() },
            Ok(false) => Decision::NoOpinion { reason: String::new() },
            Err(reason) => Decision::NoOpinion { reason },
        }
    }

    fn rules(&self, user: &UserInfo, _: &str) -> Rules {
        // What a node may do depends on its pods, which a list of rules cannot say.
        Rules { incomplete: node_of(user).is_some(), ..Rules::default() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    struct Pods;

    impl ObjectReader for Pods {
        fn get(&self, _: &str, _: &str, _: &str, _: &str) -> Option<Value> {
            None
        }

        fn list(&self, _: &str, _: &str, _: &str) -> Vec<Value> {
            vec![json!({
                "metadata": {"name": "p", "namespace": "ns"},
                "spec": {
                    "nodeName": "n1",
                    "serviceAccountName": "sa",
                    "volumes": [{"secret": {"secretName": "mounted"}}],
                    "containers": [{"env": [{"valueFrom": {"configMapKeyRef": {"name": "cm"}}}]}],
                },
            })]
        }

        fn generation(&self, _: &str, _: &str) -> u64 {
            1
        }
    }

    fn allowed(node: &str, verb: &str, group: &str, resource: &str, namespace: &str, name: &str) -> bool {
        allowed_with(node, verb, group, resource, namespace, name, &[])
    }

    fn allowed_with(
        node: &str,
        verb: &str,
        group: &str,
        resource: &str,
        namespace: &str,
        name: &str,
        fields: &[(&str, &str)],
    ) -> bool {
        let user = UserInfo::authenticated(format!("system:node:{node}"), [UserInfo::NODES.to_owned()]);
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let request = Attributes {
            user: Arc::new(user),
            verb: verb.to_owned(),
            resource_request: true,
            group: group.to_owned(),
            resource: resource.to_owned(),
            subresource: subresource.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            field_equals: fields
                .iter()
                .map(|(field, value)| ((*field).to_owned(), (*value).to_owned()))
                .collect(),
            ..Attributes::default()
        };
        matches!(NodeAuthorizer::new(Arc::new(Pods)).authorize(&request), Decision::Allow { .. })
    }

    #[test]
    fn a_node_sees_what_its_own_pods_refer_to() {
        for (resource, name) in [("secrets", "mounted"), ("configmaps", "cm")] {
            assert!(allowed("n1", "get", "", resource, "ns", name), "{resource}");
            assert!(!allowed("n2", "get", "", resource, "ns", name), "{resource} of another node");
            assert!(!allowed("n1", "get", "", resource, "other", name), "{resource} of another namespace");
            assert!(!allowed("n1", "list", "", resource, "ns", ""), "all {resource}");
            assert!(!allowed("n1", "update", "", resource, "ns", name), "writing {resource}");
        }
        assert!(!allowed("n1", "get", "", "secrets", "ns", "another"));
        assert!(allowed("n1", "create", "", "serviceaccounts/token", "ns", "sa"));
        assert!(!allowed("n2", "create", "", "serviceaccounts/token", "ns", "sa"));
    }

    #[test]
    fn a_node_sees_its_own_pods_and_itself() {
        assert!(allowed_with("n1", "watch", "", "pods", "", "", &[("spec.nodeName", "n1")]));
        assert!(!allowed_with("n1", "watch", "", "pods", "", "", &[("spec.nodeName", "n2")]));
        assert!(!allowed("n1", "list", "", "pods", "", ""));
        assert!(allowed("n1", "get", "", "pods", "ns", "p") && !allowed("n2", "get", "", "pods", "ns", "p"));
        assert!(allowed("n1", "get", "", "nodes", "", "n1") && !allowed("n1", "get", "", "nodes", "", "n2"));
        assert!(
            !allowed("n1", "list", "", "nodes", "", "") && !allowed("n1", "delete", "", "nodes", "", "n1")
        );
    }

    #[test]
    fn a_node_renews_its_own_lease() {
        let lease = "coordination.k8s.io";
        assert!(allowed("n1", "update", lease, "leases", "kube-node-lease", "n1"));
        assert!(!allowed("n1", "update", lease, "leases", "kube-node-lease", "n2"));
        assert!(!allowed("n1", "update", lease, "leases", "kube-system", "n1"));
        assert!(!allowed("n1", "list", lease, "leases", "kube-node-lease", ""));
    }
}
