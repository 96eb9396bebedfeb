//! Role-based access control: what Roles and ClusterRoles allow to those whom bindings name.
//!
//! Follows upstream's `plugin/pkg/auth/authorizer/rbac`. Bindings and roles are compiled into an index by subject, which is
//! built anew when any of them has changed.

mod bootstrap;
mod escalation;
mod index;
mod rule;

use std::sync::Arc;

use parking_lot::Mutex;

pub use bootstrap::bootstrap_objects;
pub use escalation::EscalationCheck;
use index::Index;

use crate::{Attributes, Authorizer, Decision, ObjectReader, ResourceRule, Rules, UserInfo};

/// The API group of roles and bindings.
pub(crate) const GROUP: &str = "rbac.authorization.k8s.io";
/// The kinds that decisions are made from.
const RESOURCES: [&str; 4] = ["roles", "rolebindings", "clusterroles", "clusterrolebindings"];

/// Judges by Roles and bindings.
pub struct Rbac {
    reader: Arc<dyn ObjectReader>,
    index: Mutex<Option<Compiled>>,
}

struct Compiled {
    generations: [u64; 4],
    index: Arc<Index>,
}

impl Rbac {
    /// An authorizer over the roles and bindings that `reader` shows.
    #[must_use]
    pub fn new(reader: Arc<dyn ObjectReader>) -> Self {
        Self { reader, index: Mutex::new(None) }
    }

    /// The index of the present roles and bindings.
    fn index(&self) -> Arc<Index> {
        let generations = RESOURCES.map(|resource| self.reader.generation(GROUP, resource));
        let mut compiled = self.index.lock();
        if let Some(current) = compiled.as_ref().filter(|current| current.generations == generations) {
            return Arc::clone(&current.index);
        }
        let index = Arc::new(Index::build(&*self.reader));
        *compiled = Some(Compiled { generations, index: Arc::clone(&index) });
        index
    }
}

impl Authorizer for Rbac {
    fn authorize(&self, attributes: &Attributes) -> Decision {
        let index = self.index();
        let namespace = attributes.namespace.as_str();
        match index.grants(&attributes.user, namespace).find(|grant| grant.allows(attributes)) {
            Some(grant) => Decision::Allow { reason: grant.reason(&attributes.user) },
            None => Decision::NoOpinion { reason: String::new() },
        }
    }

    fn rules(&self, user: &UserInfo, namespace: &str) -> Rules {
        let index = self.index();
        let mut rules = Rules::default();
        for rule in index.grants(user, namespace).flat_map(|grant| grant.rules()) {
            if !rule.paths.is_empty() {
                rules.non_resources.push((rule.verbs.clone(), rule.paths.clone()));
            }
            if !rule.resources.is_empty() {
                rules.resources.push(ResourceRule {
                    verbs: rule.verbs.clone(),
                    api_groups: rule.groups.clone(),
                    resources: rule.resources.clone(),
                    resource_names: rule.names.clone(),
                });
            }
        }
        rules
    }
}

#[cfg(test)]
mod tests;
