use serde_json::{Value, json};

use super::*;
use crate::{Admission, AdmissionError, AdmissionRequest, Operation};

/// A cluster made of a list of objects.
struct Fixed(Vec<Value>);

impl ObjectReader for Fixed {
    fn get(&self, _: &str, _: &str, _: &str, _: &str) -> Option<Value> {
        None
    }

    fn list(&self, _: &str, resource: &str, _: &str) -> Vec<Value> {
        let of_kind = |object: &&Value| {
            object["kind"].as_str().is_some_and(|kind| format!("{}s", kind.to_lowercase()) == resource)
        };
        self.0.iter().filter(of_kind).cloned().collect()
    }

    fn generation(&self, _: &str, _: &str) -> u64 {
        1
    }
}

fn cluster(more: Vec<Value>) -> Arc<Fixed> {
    Arc::new(Fixed(bootstrap_objects().into_iter().chain(more).collect()))
}

fn request(user: &UserInfo, verb: &str, group: &str, resource: &str, namespace: &str) -> Attributes {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    Attributes {
        user: Arc::new(user.clone()),
        verb: verb.to_owned(),
        resource_request: true,
        group: group.to_owned(),
        version: "v1".to_owned(),
        resource: resource.to_owned(),
        subresource: subresource.to_owned(),
        namespace: namespace.to_owned(),
        ..Attributes::default()
    }
}

fn allowed(rbac: &Rbac, attributes: &Attributes) -> bool {
    matches!(rbac.authorize(attributes), Decision::Allow { .. })
}

fn bind(name: &str, namespace: &str, role_kind: &str, role: &str, user: &str) -> Value {
    let kind = if namespace.is_empty() { "ClusterRoleBinding" } else { "RoleBinding" };
    json!({
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "roleRef": {"kind": role_kind, "name": role},
        "subjects": [{"kind": "User", "name": user}],
    })
}

#[test]
fn a_stranger_may_only_discover() {
    let rbac = Rbac::new(cluster(vec![]));
    let stranger = UserInfo::authenticated("stranger", []);
    assert!(!allowed(&rbac, &request(&stranger, "list", "", "pods", "default")));
    assert!(allowed(
        &rbac,
        &request(&stranger, "create", "authorization.k8s.io", "selfsubjectaccessreviews", "")
    ));
    let path = |user: &UserInfo, path: &str| Attributes {
        user: Arc::new(user.clone()),
        verb: "get".to_owned(),
        path: path.to_owned(),
        ..Attributes::default()
    };
    assert!(allowed(&rbac, &path(&stranger, "/apis/apps/v1")));
    assert!(!allowed(&rbac, &path(&stranger, "/metrics")));
    assert!(!allowed(&rbac, &path(&UserInfo::anonymous(), "/apis")));
    assert!(allowed(&rbac, &path(&UserInfo::anonymous(), "/readyz")));
}

#[test]
fn a_role_binding_counts_in_its_namespace_alone() {
    let rbac = Rbac::new(cluster(vec![bind("b", "team", "ClusterRole", "edit", "jane")]));
    let jane = UserInfo::authenticated("jane", []);
    assert!(allowed(&rbac, &request(&jane, "create", "apps", "deployments", "team")));
    assert!(allowed(&rbac, &request(&jane, "get", "", "pods/log", "team")), "view is aggregated into edit");
    assert!(!allowed(&rbac, &request(&jane, "create", "apps", "deployments", "default")));
    assert!(!allowed(&rbac, &request(&jane, "create", GROUP, "roles", "team")), "edit is not admin");
    assert!(!allowed(&rbac, &request(&jane, "list", "", "pods", "")), "across all namespaces");
}

#[test]
fn an_aggregated_role_takes_in_what_is_added_later() {
    let added = json!({
        "kind": "ClusterRole",
        "metadata": {"name": "more", "labels": {"rbac.authorization.k8s.io/aggregate-to-view": "true"}},
        "rules": [{"apiGroups": ["example.com"], "resources": ["things"], "verbs": ["get"]}],
    });
    let rbac = Rbac::new(cluster(vec![added, bind("b", "", "ClusterRole", "admin", "jane")]));
    let jane = UserInfo::authenticated("jane", []);
    assert!(allowed(&rbac, &request(&jane, "get", "example.com", "things", "any")));
}

#[test]
fn controllers_have_the_rights_of_their_own_accounts() {
    let rbac = Rbac::new(cluster(vec![]));
    let account = |name: &str| UserInfo::component(&format!("system:serviceaccount:kube-system:{name}"));
    let controller = account("deployment-controller");
    assert!(allowed(&rbac, &request(&controller, "create", "apps", "replicasets", "default")));
    assert!(!allowed(&rbac, &request(&controller, "patch", "apps", "deployments", "default")));
    assert!(!allowed(&rbac, &request(&account("nobody"), "list", "", "pods", "default")));
    let autoscaler = account("horizontal-pod-autoscaler");
    assert!(allowed(&rbac, &request(&autoscaler, "update", "apps", "deployments/scale", "default")));
    assert!(!allowed(&rbac, &request(&autoscaler, "update", "apps", "deployments", "default")));
}

#[test]
fn nobody_gives_away_what_he_does_not_have() {
    let reader = cluster(vec![bind("b", "team", "ClusterRole", "admin", "jane")]);
    let check = EscalationCheck::new(reader);
    let jane = UserInfo::authenticated("jane", []);
    let attributes = request(&jane, "create", GROUP, "roles", "team");
    let admit = |mut role: Value| {
        check.admit(&mut AdmissionRequest {
            attributes: &attributes,
            operation: Operation::Create,
            kind: "Role",
            object: Some(&mut role),
            old_object: None,
            dry_run: false,
        })
    };
    let role = |groups: &str, resource: &str, verb: &str| json!({"metadata": {"name": "r"}, "rules": [{"apiGroups": [groups], "resources": [resource], "verbs": [verb]}]});
    assert_eq!(admit(role("", "pods", "get")), Ok(()));
    let refused = admit(role("", "nodes", "get")).unwrap_err();
    assert_eq!(
        refused,
        AdmissionError::Forbidden(
            "user \"jane\" (groups=[\"system:authenticated\"]) is attempting to grant RBAC permissions not currently \
             held:\n{APIGroups:[\"\"], Resources:[\"nodes\"], Verbs:[\"get\"]}"
                .to_owned()
        )
    );
    assert!(admit(role("*", "*", "*")).is_err());
}
