//! Environment variables.

use kingpost_apimachinery::{FieldError, Path, names};
use serde_json::Value;

use crate::object::{is_blank, items, text};

/// Fields of a pod that its containers may see.
const FIELDS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
/// Resources that containers may see.
const RESOURCES: &[&str] = &[
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];

/// What is wrong with `env` and `envFrom` of a container.
pub(super) fn validate(container: &Value, path: &Path) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (index, variable) in items(container, "/env").iter().enumerate() {
        let path = path.child("env").index(index);
        let name = text(variable, "/name");
        if name.is_empty() {
            errors.push(FieldError::required(&path.child("name"), ""));
        } else {
            let wrong = names::env_var_name(name).into_iter();
            errors.extend(wrong.map(|why| FieldError::invalid(&path.child("name"), name, why)));
        }
        if let Some(source) = variable.get("valueFrom").filter(|source| !source.is_null()) {
            errors.extend(value_from(variable, source, &path.child("valueFrom")));
        }
    }
    for (index, source) in items(container, "/envFrom").iter().enumerate() {
        let path = path.child("envFrom").index(index);
        let sources: Vec<_> =
            ["configMapRef", "secretRef"].into_iter().filter(|kind| !is_blank(source.get(kind))).collect();
        match sources.as_slice() {
            [] => errors.push(FieldError::invalid(
                &path,
                "",
                "must specify one of: `configMapRef` or `secretRef`",
            )),
            [kind] if text(source, &format!("/{kind}/name")).is_empty() => {
                errors.push(FieldError::required(&path.child(kind).child("name"), ""));
            }
            [_] => {}
            _ => errors.push(FieldError::invalid(
                &path,
                "",
                "may not have more than one field specified at a time",
            )),
        }
    }
    errors
}

fn value_from(variable: &Value, source: &Value, path: &Path) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let kinds = ["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"];
    let given: Vec<_> =
        kinds.into_iter().filter(|kind| source.get(kind).is_some_and(|field| !field.is_null())).collect();
    if !text(variable, "/value").is_empty() && !given.is_empty() {
        errors.push(FieldError::invalid(path, "", "may not be specified when `value` is not empty"));
    }
    match given.as_slice() {
        [] => {
            let why = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`";
            errors.push(FieldError::invalid(path, "", why));
        }
        ["fieldRef"] => {
            let field = text(source, "/fieldRef/fieldPath");
            let path = path.child("fieldRef").child("fieldPath");
            if field.is_empty() {
                errors.push(FieldError::required(&path, ""));
            } else if !FIELDS.contains(&field) && !is_subscript(field) {
                errors.push(FieldError::not_supported(&path, field, FIELDS));
            }
        }
        ["resourceFieldRef"] => {
            let resource = text(source, "/resourceFieldRef/resource");
            let path = path.child("resourceFieldRef").child("resource");
            let huge = resource.strip_prefix("limits.").or(resource.strip_prefix("requests."));
            if resource.is_empty() {
                errors.push(FieldError::required(&path, ""));
            } else if !RESOURCES.contains(&resource)
                && !huge.is_some_and(|name| name.starts_with("hugepages-"))
            {
                errors.push(FieldError::not_supported(&path, resource, RESOURCES));
            }
        }
        [kind @ ("configMapKeyRef" | "secretKeyRef")] => {
            let path = path.child(kind);
            if text(source, &format!("/{kind}/name")).is_empty() {
                errors.push(FieldError::required(&path.child("name"), ""));
            }
            let key = text(source, &format!("/{kind}/key"));
            if key.is_empty() {
                errors.push(FieldError::required(&path.child("key"), ""));
            } else {
                let wrong = names::config_map_key(key).into_iter();
                errors.extend(wrong.map(|why| FieldError::invalid(&path.child("key"), key, why)));
            }
        }
        [_] => {}
        _ => {
            errors.push(FieldError::invalid(path, "", "may not have more than one field specified at a time"))
        }
    }
    errors
}

/// `metadata.labels['key']` or `metadata.annotations['key']`.
pub(super) fn is_subscript(field: &str) -> bool {
    ["metadata.labels['", "metadata.annotations['"].iter().any(|start| {
        let key = field.strip_prefix(start).and_then(|rest| rest.strip_suffix("']"));
        key.is_some_and(|key| names::qualified_name(&key.to_lowercase()).is_empty())
    })
}
