//! Nobody gives away what he does not have.
//!
//! Whoever writes a role must hold every right in it himself, or have the verb `escalate` on it; whoever writes a binding must
//! hold the rights of its role, or have the verb `bind` on it (upstream's `registry/rbac`, `escalation_check.go`).

use std::sync::Arc;

use serde_json::Value;

use super::index::{Roles, text};
use super::rule::Rule;
use super::{GROUP, Rbac};
use crate::{
    Admission, AdmissionError, AdmissionRequest, Attributes, Authorizer, Decision, ObjectReader, Operation,
};

/// The check as a plug-in that sees every write of roles and bindings.
pub struct EscalationCheck {
    reader: Arc<dyn ObjectReader>,
    rbac: Rbac,
}

impl EscalationCheck {
    /// A check against the roles and bindings that `reader` shows.
    #[must_use]
    pub fn new(reader: Arc<dyn ObjectReader>) -> Self {
        Self { rbac: Rbac::new(Arc::clone(&reader)), reader }
    }

    /// Whether the user may pass on rights that he does not have himself.
    fn may(&self, attributes: &Attributes, verb: &str, resource: &str, name: &str) -> bool {
        let asked = Attributes {
            verb: verb.to_owned(),
            resource: resource.to_owned(),
            name: name.to_owned(),
            subresource: String::new(),
            ..attributes.clone()
        };
        matches!(self.rbac.authorize(&asked), Decision::Allow { .. })
    }

    /// The rights among `rules` that the user does not have.
    fn missing(&self, attributes: &Attributes, rules: &[Rule]) -> Vec<Rule> {
        let index = self.rbac.index();
        let own: Vec<_> =
            index.grants(&attributes.user, &attributes.namespace).flat_map(|grant| grant.rules()).collect();
        let wanted = rules.iter().flat_map(Rule::single);
        wanted.filter(|rule| !own.iter().any(|own| own.covers(rule))).collect()
    }

    fn refuse(attributes: &Attributes, missing: &[Rule]) -> AdmissionError {
        let groups =
            attributes.user.groups.iter().map(|group| format!("{group:?}")).collect::<Vec<_>>().join(" ");
        let rights: String = missing.iter().map(|rule| format!("\n{rule}")).collect();
        AdmissionError::Forbidden(format!(
            "user {:?} (groups=[{groups}]) is attempting to grant RBAC permissions not currently held:{rights}",
            attributes.user.name
        ))
    }
}

impl Admission for EscalationCheck {
    fn admit(&self, request: &mut AdmissionRequest<'_>) -> Result<(), AdmissionError> {
        let attributes = request.attributes;
        let writes = matches!(request.operation, Operation::Create | Operation::Update);
        let Some(object) = request.object.as_deref().filter(|_| writes && attributes.group == GROUP) else {
            return Ok(());
        };
        if attributes.user.is_in(crate::UserInfo::MASTERS) {
            return Ok(());
        }
        let name = text(object, "/metadata/name");
        let rules = match attributes.resource.as_str() {
            resource @ ("roles" | "clusterroles") => {
                let unchanged = request.old_object.is_some_and(|old| {
                    old.get("rules") == object.get("rules")
                        && old.get("aggregationRule") == object.get("aggregationRule")
                });
                if unchanged || self.may(attributes, "escalate", resource, name) {
                    return Ok(());
                }
                rules_given(object)
            }
            "rolebindings" | "clusterrolebindings" => {
                let unchanged = request.old_object.is_some_and(|old| {
                    old.get("roleRef") == object.get("roleRef")
                        && old.get("subjects") == object.get("subjects")
                });
                let (kind, role) = (text(object, "/roleRef/kind"), text(object, "/roleRef/name"));
                let (resource, namespace) = if kind == "Role" {
                    ("roles", attributes.namespace.as_str())
                } else {
                    ("clusterroles", "")
                };
                if unchanged || self.may(attributes, "bind", resource, role) {
                    return Ok(());
                }
                let roles = Roles::read(&*self.reader);
                roles.get(namespace, role).map(|rules| rules.to_vec()).unwrap_or_default()
            }
            _ => return Ok(()),
        };
        let missing = self.missing(attributes, &rules);
        if missing.is_empty() { Ok(()) } else { Err(Self::refuse(attributes, &missing)) }
    }
}

/// The rules that a role gives; one that collects those of others may come to give anything.
fn rules_given(role: &Value) -> Vec<Rule> {
    let mut rules = Rule::of(role);
    if role.get("aggregationRule").is_some_and(|rule| !rule.is_null()) {
        let all = || vec!["*".to_owned()];
        rules.push(Rule { verbs: all(), groups: all(), resources: all(), ..Rule::default() });
        rules.push(Rule { verbs: all(), paths: all(), ..Rule::default() });
    }
    rules
}
