//! One rule, and what it covers.

use serde_json::Value;

use crate::Attributes;

const ALL: &str = "*";

/// A PolicyRule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) verbs: Vec<String>,
    pub(super) groups: Vec<String>,
    pub(super) resources: Vec<String>,
    pub(super) names: Vec<String>,
    pub(super) paths: Vec<String>,
}

impl Rule {
    /// The rules of a role.
    pub(super) fn of(role: &Value) -> Vec<Self> {
        role.get("rules").and_then(Value::as_array).into_iter().flatten().map(Self::parse).collect()
    }

    fn parse(rule: &Value) -> Self {
        let list = |field| {
            let items = rule.get(field).and_then(Value::as_array).into_iter().flatten();
            items.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        Self {
            verbs: list("verbs"),
            groups: list("apiGroups"),
            resources: list("resources"),
            names: list("resourceNames"),
            paths: list("nonResourceURLs"),
        }
    }

    /// Whether the rule allows the request.
    pub(super) fn allows(&self, request: &Attributes) -> bool {
        if !has(&self.verbs, &request.verb) {
            return false;
        }
        if !request.resource_request {
            return self.paths.iter().any(|path| path_matches(path, &request.path));
        }
        has(&self.groups, &request.group)
            && self
                .resources
                .iter()
                .any(|resource| resource_matches(resource, &request.resource, &request.subresource))
            && (self.names.is_empty() || self.names.contains(&request.name))
    }

    /// Whether everything that the single-valued `other` allows is allowed by this rule too.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let within = |ours: &[String], theirs: &[String]| theirs.iter().all(|item| has(ours, item));
        let resources = other.resources.iter().all(|wanted| {
            let (resource, subresource) = wanted.split_once('/').unwrap_or((wanted, ""));
            has(&self.resources, wanted)
                || self.resources.iter().any(|own| resource_matches(own, resource, subresource))
        });
        let names = self.names.is_empty()
            || (!other.names.is_empty() && other.names.iter().all(|n| self.names.contains(n)));
        let paths = other.paths.iter().all(|path| self.paths.iter().any(|own| path_matches(own, path)));
        within(&self.verbs, &other.verbs)
            && within(&self.groups, &other.groups)
            && resources
            && names
            && paths
    }

    /// The rule taken apart into rules of one verb, group, resource, name or path each.
    pub(super) fn single(&self) -> Vec<Self> {
        let one = |item: &String| vec![item.clone()];
        let mut rules = Vec::new();
        for verb in &self.verbs {
            for path in &self.paths {
                rules.push(Self { verbs: one(verb), paths: one(path), ..Self::default() });
            }
            for group in &self.groups {
                for resource in &self.resources {
                    let rule = Self {
                        verbs: one(verb),
                        groups: one(group),
                        resources: one(resource),
                        ..Self::default()
                    };
                    if self.names.is_empty() {
                        rules.push(rule.clone());
                    }
                    rules.extend(self.names.iter().map(|name| Self { names: one(name), ..rule.clone() }));
                }
            }
        }
        rules
    }
}

impl std::fmt::Display for Rule {
    /// Upstream's form, `{APIGroups:[""], Resources:["pods"], Verbs:["get"]}`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let fields = [
            ("NonResourceURLs", &self.paths),
            ("APIGroups", &self.groups),
            ("Resources", &self.resources),
            ("ResourceNames", &self.names),
            ("Verbs", &self.verbs),
        ];
        let parts = fields.iter().filter(|(_, list)| !list.is_empty());
        let parts: Vec<_> = parts.map(|(name, list)| format!("{name}:{list:?}")).collect();
        write!(f, "{{{}}}", parts.join(", "))
    }
}

fn has(list: &[String], wanted: &str) -> bool {
    list.iter().any(|item| item == ALL || item == wanted)
}

/// `pods`, `pods/log`, `*` for all, `*/scale` for a subresource of all.
fn resource_matches(rule: &str, resource: &str, subresource: &str) -> bool {
    match rule.split_once('/') {
        None => rule == ALL || (subresource.is_empty() && rule == resource),
        Some((ALL, sub)) => !subresource.is_empty() && sub == subresource,
        Some((name, sub)) => name == resource && sub == subresource,
    }
}

/// A path, or the beginning of one with an asterisk behind it.
fn path_matches(rule: &str, path: &str) -> bool {
    rule == ALL || rule == path || rule.strip_suffix('*').is_some_and(|start| path.starts_with(start))
}
