//! What is asked, and who judges it.

use std::sync::Arc;

use crate::user::UserInfo;

/// A request as authorization sees it (upstream's `authorizer.Attributes`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attributes {
    /// Who asks.
    pub user: Arc<UserInfo>,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`, … for resources, the method in
    /// lower case for other paths.
    pub verb: String,
    /// Whether a resource is asked for; if not, only `path` counts.
    pub resource_request: bool,
    /// API group; empty for core.
    pub group: String,
    /// API version.
    pub version: String,
    /// Plural name of the resource.
    pub resource: String,
    /// Subresource, or empty.
    pub subresource: String,
    /// Namespace, or empty for cluster-scoped resources and requests across namespaces.
    pub namespace: String,
    /// Object name, or empty. A list or watch with the field selector `metadata.name=X` carries X.
    pub name: String,
    /// Path of the URL.
    pub path: String,
    /// Field selector of a list, watch or deletecollection as (field, value) pairs that must be equal, for the Node
    /// authorizer.
    pub field_equals: Vec<(String, String)>,
}

/// The answer of an [`Authorizer`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Allowed.
    Allow {
        /// Why, for reviews and audit.
        reason: String,
    },
    /// Refused, and nobody else is asked.
    Deny {
        /// Why; shown to the user.
        reason: String,
    },
    /// Somebody else may allow it.
    NoOpinion {
        /// Why, for reviews; may be empty.
        reason: String,
    },
}

/// What a user may do in a namespace: the status of a SelfSubjectRulesReview.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    /// Rules on resources.
    pub resources: Vec<ResourceRule>,
    /// Rules on other paths: (verbs, paths).
    pub non_resources: Vec<(Vec<String>, Vec<String>)>,
    /// Some authorizer cannot list its rules.
    pub incomplete: bool,
}

/// A rule on resources.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResourceRule {
    /// Verbs.
    pub verbs: Vec<String>,
    /// API groups.
    pub api_groups: Vec<String>,
    /// Resources.
    pub resources: Vec<String>,
    /// Object names; empty for all.
    pub resource_names: Vec<String>,
}

/// Judges requests. Decisions come from memory: implementations never wait.
pub trait Authorizer: Send + Sync {
    /// Judges one request.
    fn authorize(&self, attributes: &Attributes) -> Decision;

    /// What `user` may do in `namespace`.
    fn rules(&self, user: &UserInfo, namespace: &str) -> Rules;
}

/// Allows members of `system:masters` everything, and has no opinion on anybody else.
#[derive(Debug, Clone, Copy, Default)]
pub struct SuperUsers;

impl Authorizer for SuperUsers {
    fn authorize(&self, attributes: &Attributes) -> Decision {
        if attributes.user.is_in(UserInfo::MASTERS) {
            Decision::Allow { reason: String::new() }
        } else {
            Decision::NoOpinion { reason: String::new() }
        }
    }

    fn rules(&self, user: &UserInfo, _namespace: &str) -> Rules {
        if !user.is_in(UserInfo::MASTERS) {
            return Rules::default();
        }
        let all = || vec!["*".to_owned()];
        Rules {
            resources: vec![ResourceRule {
                verbs: all(),
                api_groups: all(),
                resources: all(),
                resource_names: Vec::new(),
            }],
            non_resources: vec![(all(), all())],
            incomplete: false,
        }
    }
}
