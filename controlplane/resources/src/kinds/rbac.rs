//! Roles, ClusterRoles and their bindings.

use jiff::Timestamp;
use kingpost_apimachinery::{FieldError, LabelSelector, Path, names};
use serde_json::Value;

use super::RBAC;
use crate::metadata;
use crate::object::{default_text, items, items_mut, text};
use crate::strategy::{Strategy, Subresource};
use crate::table::{Column, age, name};

/// Roles, in a namespace or of the cluster.
pub(super) struct RoleKind {
    cluster: bool,
}

/// Bindings, in a namespace or of the cluster.
pub(super) struct BindingKind {
    cluster: bool,
}

pub(super) static ROLES: RoleKind = RoleKind { cluster: false };
pub(super) static CLUSTER_ROLES: RoleKind = RoleKind { cluster: true };
pub(super) static ROLE_BINDINGS: BindingKind = BindingKind { cluster: false };
pub(super) static CLUSTER_ROLE_BINDINGS: BindingKind = BindingKind { cluster: true };

impl Strategy for RoleKind {
    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = metadata::validate(object, names::path_segment);
        errors.extend(rules(object, self.cluster));
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value, _: Subresource) -> Vec<FieldError> {
        let mut errors = metadata::validate_update(new, old, names::path_segment);
        errors.extend(rules(new, self.cluster));
        errors
    }

    fn columns(&self) -> &'static [Column] {
        const CREATED: Column = Column::text("Created At", "When the object was created.");
        &[Column::NAME, CREATED]
    }

    fn cells(&self, object: &Value, _: Timestamp) -> Vec<Value> {
        vec![name(object), text(object, "/metadata/creationTimestamp").into()]
    }
}

fn rules(object: &Value, cluster: bool) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (index, rule) in items(object, "/rules").iter().enumerate() {
        let path = Path::new("rules").index(index);
        if items(rule, "/verbs").is_empty() {
            errors.push(FieldError::required(&path.child("verbs"), "verbs must contain at least one value"));
        }
        let paths = items(rule, "/nonResourceURLs");
        if !paths.is_empty() {
            let value = Value::Array(paths.to_vec());
            if !cluster {
                let why = "namespaced rules cannot apply to non-resource URLs";
                errors.push(FieldError::invalid(&path.child("nonResourceURLs"), value.clone(), why));
            }
            let mixed = ["apiGroups", "resources", "resourceNames"]
                .iter()
                .any(|field| !items(rule, &format!("/{field}")).is_empty());
            if mixed {
                let why = "rules cannot apply to both regular resources and non-resource URLs";
                errors.push(FieldError::invalid(&path.child("nonResourceURLs"), value, why));
            }
            continue;
        }
        if items(rule, "/apiGroups").is_empty() {
            errors.push(FieldError::required(
                &path.child("apiGroups"),
                "resource rules must supply at least one api group",
            ));
        }
        if items(rule, "/resources").is_empty() {
            errors.push(FieldError::required(
                &path.child("resources"),
                "resource rules must supply at least one resource",
            ));
        }
    }
    for (index, selector) in items(object, "/aggregationRule/clusterRoleSelectors").iter().enumerate() {
        let path = Path::new("aggregationRule.clusterRoleSelectors").index(index);
        if let Err(wrong) = LabelSelector::of_object(Some(selector)) {
            errors.push(FieldError::invalid(&path, selector.clone(), wrong.0));
        }
    }
    errors
}

impl Strategy for BindingKind {
    fn default(&self, object: &mut Value) {
        if let Some(role) = object.get_mut("roleRef").filter(|role| role.is_object()) {
            default_text(role, "apiGroup", RBAC);
        }
        for subject in items_mut(object, "subjects") {
            if matches!(text(subject, "/kind"), "User" | "Group") {
                default_text(subject, "apiGroup", RBAC);
            }
        }
    }

    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = metadata::validate(object, names::path_segment);
        errors.extend(self.binding(object));
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value, _: Subresource) -> Vec<FieldError> {
        let mut errors = metadata::validate_update(new, old, names::path_segment);
        errors.extend(self.binding(new));
        if new.get("roleRef") != old.get("roleRef") {
            let role = new.get("roleRef").cloned().unwrap_or(Value::Null);
            errors.push(FieldError::invalid(&Path::new("roleRef"), role, "cannot change roleRef"));
        }
        errors
    }

    fn columns(&self) -> &'static [Column] {
        const COLUMNS: &[Column] = &[
            Column::NAME,
            Column::text("Role", "The role that is given."),
            Column::AGE,
            Column::text("Users", "Users who have it.").wide(),
            Column::text("Groups", "Groups that have it.").wide(),
            Column::text("ServiceAccounts", "Service accounts that have it.").wide(),
        ];
        COLUMNS
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let subjects = |kind: &str| {
            let of_kind = items(object, "/subjects").iter().filter(|subject| text(subject, "/kind") == kind);
            let full = of_kind.map(|subject| match text(subject, "/namespace") {
                "" => text(subject, "/name").to_owned(),
                namespace => format!("{namespace}/{}", text(subject, "/name")),
            });
            Value::from(full.collect::<Vec<_>>().join(", "))
        };
        vec![
            name(object),
            format!("{}/{}", text(object, "/roleRef/kind"), text(object, "/roleRef/name")).into(),
            age(object, now),
            subjects("User"),
            subjects("Group"),
            subjects("ServiceAccount"),
        ]
    }
}

impl BindingKind {
    fn binding(&self, object: &Value) -> Vec<FieldError> {
        let path = Path::new("roleRef");
        let mut errors = Vec::new();
        let group = text(object, "/roleRef/apiGroup");
        if group != RBAC {
            errors.push(FieldError::not_supported(&path.child("apiGroup"), group, &[RBAC]));
        }
        let kinds: &[&str] = if self.cluster { &["ClusterRole"] } else { &["Role", "ClusterRole"] };
        let kind = text(object, "/roleRef/kind");
        if !kinds.contains(&kind) {
            errors.push(FieldError::not_supported(&path.child("kind"), kind, kinds));
        }
        let role = text(object, "/roleRef/name");
        if role.is_empty() {
            errors.push(FieldError::required(&path.child("name"), ""));
        } else {
            errors.extend(
                names::path_segment(role)
                    .into_iter()
                    .map(|why| FieldError::invalid(&path.child("name"), role, why)),
            );
        }
        for (index, subject) in items(object, "/subjects").iter().enumerate() {
            errors.extend(self.subject(subject, &Path::new("subjects").index(index)));
        }
        errors
    }

    fn subject(&self, subject: &Value, path: &Path) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let (kind, name) = (text(subject, "/kind"), text(subject, "/name"));
        let (group, namespace) = (text(subject, "/apiGroup"), text(subject, "/namespace"));
        if name.is_empty() {
            errors.push(FieldError::required(&path.child("name"), ""));
        }
        match kind {
            "ServiceAccount" => {
                let wrong = names::dns1123_subdomain(name).into_iter().filter(|_| !name.is_empty());
                errors.extend(wrong.map(|why| FieldError::invalid(&path.child("name"), name, why)));
                if !group.is_empty() {
                    errors.push(FieldError::not_supported(&path.child("apiGroup"), group, &[""]));
                }
                if self.cluster && namespace.is_empty() {
                    errors.push(FieldError::required(&path.child("namespace"), ""));
                }
            }
            "User" | "Group" if group != RBAC => {
                errors.push(FieldError::not_supported(&path.child("apiGroup"), group, &[RBAC]));
            }
            "User" | "Group" => {}
            other => {
                errors.push(FieldError::not_supported(
                    &path.child("kind"),
                    other,
                    &["ServiceAccount", "User", "Group"],
                ));
            }
        }
        errors
    }
}
