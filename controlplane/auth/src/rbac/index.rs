//! Roles by those who have them.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::GROUP;
use super::rule::Rule;
use crate::{Attributes, ObjectReader, UserInfo};

/// A role given to somebody.
#[derive(Debug)]
pub(super) struct Grant {
    /// Where it counts; everywhere if empty.
    namespace: String,
    binding: String,
    role: String,
    rules: Arc<[Rule]>,
}

impl Grant {
    pub(super) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    pub(super) fn allows(&self, request: &Attributes) -> bool {
        // A binding in a namespace says nothing about paths.
        (self.namespace.is_empty() || request.resource_request)
            && self.rules.iter().any(|rule| rule.allows(request))
    }

    /// Upstream's explanation, as `kubectl auth can-i -v` shows it.
    pub(super) fn reason(&self, user: &UserInfo) -> String {
        let kind = if self.namespace.is_empty() { "ClusterRoleBinding" } else { "RoleBinding" };
        let binding = if self.namespace.is_empty() {
            self.binding.clone()
        } else {
            format!("{}/{}", self.binding, self.namespace)
        };
        format!("RBAC: allowed by {kind} {binding:?} of {} to User {:?}", self.role, user.name)
    }
}

/// All grants, by user and by group.
#[derive(Debug, Default)]
pub(super) struct Index {
    users: HashMap<String, Vec<Arc<Grant>>>,
    groups: HashMap<String, Vec<Arc<Grant>>>,
}

impl Index {
    pub(super) fn build(reader: &dyn ObjectReader) -> Self {
        let roles = Roles::read(reader);
        let mut index = Self::default();
        for binding in reader.list(GROUP, "clusterrolebindings", "") {
            index.add(&binding, "", &roles);
        }
        for binding in reader.list(GROUP, "rolebindings", "") {
            let namespace = text(&binding, "/metadata/namespace").to_owned();
            index.add(&binding, &namespace, &roles);
        }
        index
    }

    fn add(&mut self, binding: &Value, namespace: &str, roles: &Roles) {
        let (kind, name) = (text(binding, "/roleRef/kind"), text(binding, "/roleRef/name"));
        let role_namespace = if kind == "Role" { namespace } else { "" };
        let Some(rules) = roles.get(role_namespace, name) else { return };
        let grant = Arc::new(Grant {
            namespace: namespace.to_owned(),
            binding: text(binding, "/metadata/name").to_owned(),
            role: format!("{kind} {name:?}"),
            rules,
        });
        for subject in binding.get("subjects").and_then(Value::as_array).into_iter().flatten() {
            let subject_name = text(subject, "/name");
            let (map, key) = match text(subject, "/kind") {
                "User" => (&mut self.users, subject_name.to_owned()),
                "Group" => (&mut self.groups, subject_name.to_owned()),
                "ServiceAccount" => {
                    let own = text(subject, "/namespace");
                    let own = if own.is_empty() { namespace } else { own };
                    (&mut self.users, format!("system:serviceaccount:{own}:{subject_name}"))
                }
                _ => continue,
            };
            map.entry(key).or_default().push(Arc::clone(&grant));
        }
    }

    /// The grants that a user has, in the cluster and in `namespace`.
    pub(super) fn grants<'a>(
        &'a self,
        user: &'a UserInfo,
        namespace: &'a str,
    ) -> impl Iterator<Item = &'a Grant> {
        let own = self.users.get(&user.name).into_iter();
        let shared = user.groups.iter().filter_map(|group| self.groups.get(group));
        let counts = move |grant: &&Grant| grant.namespace.is_empty() || grant.namespace == namespace;
        own.chain(shared).flatten().map(|grant| &**grant).filter(counts)
    }
}

/// The rules of all roles; cluster roles have no namespace.
pub(super) struct Roles {
    rules: HashMap<(String, String), Arc<[Rule]>>,
}

impl Roles {
    pub(super) fn read(reader: &dyn ObjectReader) -> Self {
        let cluster_roles = reader.list(GROUP, "clusterroles", "");
        let mut rules = HashMap::new();
        for role in &cluster_roles {
            let mut own = Rule::of(role);
            // Worked out here rather than written into the role: it is never out of date.
            own.extend(aggregated(role, &cluster_roles));
            rules.insert((String::new(), text(role, "/metadata/name").to_owned()), own.into());
        }
        for role in reader.list(GROUP, "roles", "") {
            let key =
                (text(&role, "/metadata/namespace").to_owned(), text(&role, "/metadata/name").to_owned());
            rules.insert(key, Rule::of(&role).into());
        }
        Self { rules }
    }

    /// The rules of a role; an empty namespace means a cluster role.
    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<Arc<[Rule]>> {
        self.rules.get(&(namespace.to_owned(), name.to_owned())).cloned()
    }
}

/// The rules that an aggregating role takes from others, through any number of steps.
fn aggregated(role: &Value, all: &[Value]) -> Vec<Rule> {
    let mut seen = vec![text(role, "/metadata/name").to_owned()];
    let mut open = vec![role];
    let mut rules = Vec::new();
    while let Some(role) = open.pop() {
        let selectors = role.pointer("/aggregationRule/clusterRoleSelectors").and_then(Value::as_array);
        for candidate in all {
            let name = text(candidate, "/metadata/name");
            let wanted = selectors.into_iter().flatten().any(|selector| selects(selector, candidate));
            if wanted && !seen.iter().any(|known| known == name) {
                seen.push(name.to_owned());
                rules.extend(Rule::of(candidate));
                open.push(candidate);
            }
        }
    }
    rules
}

/// Whether a label selector matches a role; expressions are those of the API (In, NotIn, Exists, DoesNotExist).
fn selects(selector: &Value, role: &Value) -> bool {
    let label = |key: &str| {
        role.pointer("/metadata/labels").and_then(|labels| labels.get(key)).and_then(Value::as_str)
    };
    let mut pairs = selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten();
    let mut expressions = selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten();
    pairs.all(|(key, value)| label(key) == value.as_str())
        && expressions.all(|expression| {
            let value = label(text(expression, "/key"));
            let values = expression.get("values").and_then(Value::as_array);
            let among =
                values.into_iter().flatten().any(|candidate| value.is_some() && candidate.as_str() == value);
            match text(expression, "/operator") {
                "In" => among,
                "NotIn" => !among,
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                _ => false,
            }
        })
}

pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
