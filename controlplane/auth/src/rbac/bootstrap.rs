//! The roles and bindings that every cluster starts with, from the table in `policy.txt`.

use serde_json::{Map, Value, json};

use super::GROUP;

const TABLE: &str = include_str!("policy.txt");
const AGGREGATE: &str = "rbac.authorization.k8s.io/";

/// The default ClusterRoles, ClusterRoleBindings, Roles and RoleBindings of upstream's `bootstrappolicy`, as objects to be
/// created where they are missing. The annotation `rbac.authorization.kubernetes.io/autoupdate` says that missing rules and
/// subjects are to be put back at every start.
#[must_use]
pub fn bootstrap_objects() -> Vec<Value> {
    let mut objects: Vec<Value> = Vec::new();
    for line in TABLE.lines() {
        let mut words = line.split_whitespace();
        let (Some(first), false) = (words.next(), line.starts_with('#')) else { continue };
        let rest: Vec<&str> = words.collect();
        if line.starts_with(' ') {
            // A controller's role stands before its binding.
            let role = objects.iter_mut().rev().find(|object| object.get("rules").is_some());
            if let Some(rules) = role.and_then(|role| role.get_mut("rules")).and_then(Value::as_array_mut) {
                rules.push(rule(first, &rest));
            }
        } else {
            objects.extend(objects_of(first, &rest));
        }
    }
    objects
}

fn objects_of(keyword: &str, words: &[&str]) -> Vec<Value> {
    match (keyword, words) {
        ("cluster-role", [name, labels @ ..]) => vec![role("ClusterRole", name, "", labels)],
        ("aggregate", [name, from, labels @ ..]) => {
            let mut aggregating = role("ClusterRole", name, "", labels);
            if let Some(fields) = aggregating.as_object_mut() {
                let selector = json!({"matchLabels": {format!("{AGGREGATE}{from}"): "true"}});
                fields.insert("aggregationRule".to_owned(), json!({"clusterRoleSelectors": [selector]}));
            }
            vec![aggregating]
        }
        ("role", [namespace, name]) => vec![role("Role", name, namespace, &[])],
        ("controller", [account]) => {
            let name = format!("system:controller:{account}");
            let subject = format!("account:{account}");
            vec![role("ClusterRole", &name, "", &[]), binding(&name, "", &name, &[&subject])]
        }
        ("cluster-binding", [name, role, subjects @ ..]) => vec![binding(name, "", role, subjects)],
        ("binding", [namespace, name, role, subjects @ ..]) => vec![binding(name, namespace, role, subjects)],
        _ => Vec::new(),
    }
}

fn metadata(name: &str, namespace: &str, labels: &[&str]) -> Value {
    let own = [("kubernetes.io/bootstrapping".to_owned(), json!("rbac-defaults"))];
    let more = labels.iter().map(|label| (format!("{AGGREGATE}{label}"), json!("true")));
    let all: Map<String, Value> = own.into_iter().chain(more).collect();
    let mut metadata = json!({
        "name": name,
        "labels": all,
        "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"},
    });
    if let Some(fields) = metadata.as_object_mut().filter(|_| !namespace.is_empty()) {
        fields.insert("namespace".to_owned(), json!(namespace));
    }
    metadata
}

fn role(kind: &str, name: &str, namespace: &str, labels: &[&str]) -> Value {
    json!({
        "apiVersion": format!("{GROUP}/v1"),
        "kind": kind,
        "metadata": metadata(name, namespace, labels),
        "rules": [],
    })
}

fn binding(name: &str, namespace: &str, role: &str, subjects: &[&str]) -> Value {
    let (kind, role_kind) = match namespace {
        "" => ("ClusterRoleBinding", "ClusterRole"),
        _ => ("RoleBinding", "Role"),
    };
    let subjects: Vec<_> =
        subjects.iter().filter_map(|subject| subject.split_once(':')).map(subject).collect();
    json!({
        "apiVersion": format!("{GROUP}/v1"),
        "kind": kind,
        "metadata": metadata(name, namespace, &[]),
        "roleRef": {"apiGroup": GROUP, "kind": role_kind, "name": role},
        "subjects": subjects,
    })
}

fn subject((kind, name): (&str, &str)) -> Value {
    match kind {
        "account" => json!({"kind": "ServiceAccount", "name": name, "namespace": "kube-system"}),
        "group" => json!({"kind": "Group", "apiGroup": GROUP, "name": name}),
        _ => json!({"kind": "User", "apiGroup": GROUP, "name": name}),
    }
}

fn rule(first: &str, rest: &[&str]) -> Value {
    match (first, rest) {
        ("events", []) => {
            json!({"apiGroups": ["", "events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch", "update"]})
        }
        ("url", [verbs, paths]) => json!({"nonResourceURLs": list(paths), "verbs": self::verbs(verbs)}),
        (verbs, [groups, resources, names @ ..]) => {
            let mut rule = json!({
                "apiGroups": list(groups),
                "resources": list(resources),
                "verbs": self::verbs(verbs),
            });
            if let (Some(fields), [names]) = (rule.as_object_mut(), names) {
                fields.insert("resourceNames".to_owned(), json!(list(names)));
            }
            rule
        }
        // The test below reads the whole table and finds such a line.
        _ => Value::Null,
    }
}

fn list(text: &str) -> Vec<&str> {
    text.split(',').map(|item| if item == "core" { "" } else { item }).collect()
}

fn verbs(text: &str) -> Vec<&str> {
    let mut verbs = Vec::new();
    for verb in text.split(',') {
        match verb {
            "read" => verbs.extend(["get", "list", "watch"]),
            "write" => verbs.extend(["create", "delete", "deletecollection", "patch", "update"]),
            verb => verbs.push(verb),
        }
    }
    verbs.sort_unstable();
    verbs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_becomes_a_rule_of_an_object() {
        let objects = bootstrap_objects();
        let lines = TABLE.lines().filter(|line| line.starts_with("  ")).count();
        let rules = objects.iter().filter_map(|object| object["rules"].as_array());
        assert_eq!(rules.clone().map(Vec::len).sum::<usize>(), lines);
        for rule in rules.flatten() {
            assert!(rule["verbs"].as_array().is_some_and(|verbs| !verbs.is_empty()), "{rule}");
        }
        let find = |kind: &str, name: &str| {
            objects
                .iter()
                .find(|object| object["kind"] == kind && object["metadata"]["name"] == name)
                .unwrap()
        };
        assert_eq!(
            find("ClusterRole", "edit")["aggregationRule"]["clusterRoleSelectors"][0]["matchLabels"],
            json!({"rbac.authorization.k8s.io/aggregate-to-edit": "true"})
        );
        assert_eq!(
            find("ClusterRoleBinding", "system:controller:job-controller")["subjects"][0]["name"],
            "job-controller"
        );
        assert_eq!(find("ClusterRole", "system:node")["rules"].as_array().unwrap().len(), 22);
    }

    #[test]
    fn every_binding_leads_to_a_role() {
        let objects = bootstrap_objects();
        for binding in objects.iter().filter(|object| object.get("roleRef").is_some()) {
            let role = &binding["roleRef"];
            let found = objects.iter().any(|object| {
                object["kind"] == role["kind"]
                    && object["metadata"]["name"] == role["name"]
                    && object["metadata"]["namespace"] == binding["metadata"]["namespace"]
            });
            assert!(found, "{}", binding["metadata"]["name"]);
        }
    }
}
