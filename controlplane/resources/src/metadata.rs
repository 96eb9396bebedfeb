//! Rules on metadata (upstream's `apimachinery/pkg/api/validation`).

use kingpost_apimachinery::{FieldError, Path, names};
use serde_json::Value;

use crate::object::{entries, items, text};

/// The most that all annotations together may take.
const MAX_ANNOTATIONS: usize = 256 * 1024;

/// What a kind asks of its names.
pub(crate) type NameRule = fn(&str) -> Vec<String>;

/// What is wrong with the metadata of an object.
pub(crate) fn validate(object: &Value, name_rule: NameRule) -> Vec<FieldError> {
    let path = Path::new("metadata");
    let mut errors = Vec::new();
    let name = text(object, "/metadata/name");
    let generate = text(object, "/metadata/generateName");
    if !generate.is_empty() {
        // A trailing dash is masked by what comes behind it.
        let masked = if generate.len() > 1 {
            generate.strip_suffix('-').map(|start| format!("{start}a"))
        } else {
            None
        };
        let masked = masked.unwrap_or_else(|| generate.to_owned());
        errors.extend(
            name_rule(&masked)
                .into_iter()
                .map(|why| FieldError::invalid(&path.child("generateName"), generate, why)),
        );
    }
    if name.is_empty() {
        errors.push(FieldError::required(&path.child("name"), "name or generateName is required"));
    } else {
        errors.extend(
            name_rule(name).into_iter().map(|why| FieldError::invalid(&path.child("name"), name, why)),
        );
    }
    let namespace = text(object, "/metadata/namespace");
    if !namespace.is_empty() {
        let wrong = names::dns1123_label(namespace).into_iter();
        errors.extend(wrong.map(|why| FieldError::invalid(&path.child("namespace"), namespace, why)));
    }
    errors.extend(labels(object, "/metadata/labels", &path.child("labels")));
    errors.extend(annotations(object, "/metadata/annotations", &path.child("annotations")));
    errors.extend(owner_references(object, &path.child("ownerReferences")));
    errors.extend(finalizers(object, "/metadata/finalizers", &path.child("finalizers")));
    errors
}

/// What is wrong with the metadata of a changed object.
pub(crate) fn validate_update(new: &Value, old: &Value, name_rule: NameRule) -> Vec<FieldError> {
    let path = Path::new("metadata");
    let mut errors = validate(new, name_rule);
    // Finalizers can only be taken off once an object is on its way out.
    if !text(old, "/metadata/deletionTimestamp").is_empty() {
        let before = items(old, "/metadata/finalizers");
        let added = items(new, "/metadata/finalizers").iter().filter(|finalizer| !before.contains(finalizer));
        let added: Vec<_> = added.filter_map(Value::as_str).collect();
        if !added.is_empty() {
            let detail = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers {added:?}"
            );
            errors.push(FieldError::forbidden(&path.child("finalizers"), detail));
        }
    }
    errors
}

/// What is wrong with labels.
pub(crate) fn labels(object: &Value, pointer: &str, path: &Path) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (key, value) in entries(object, pointer) {
        errors.extend(
            names::qualified_name(key).into_iter().map(|why| FieldError::invalid(path, key.as_str(), why)),
        );
        let value = value.as_str().unwrap_or_default();
        errors.extend(names::label_value(value).into_iter().map(|why| FieldError::invalid(path, value, why)));
    }
    errors
}

/// What is wrong with annotations.
pub(crate) fn annotations(object: &Value, pointer: &str, path: &Path) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut size = 0;
    for (key, value) in entries(object, pointer) {
        // The case of a key does not matter here.
        let wrong = names::qualified_name(&key.to_lowercase()).into_iter();
        errors.extend(wrong.map(|why| FieldError::invalid(path, key.as_str(), why)));
        size += key.len() + value.as_str().unwrap_or_default().len();
    }
    if size > MAX_ANNOTATIONS {
        errors.push(FieldError::too_long(path, MAX_ANNOTATIONS));
    }
    errors
}

/// What is wrong with finalizers.
pub(crate) fn finalizers(object: &Value, pointer: &str, path: &Path) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let (mut orphan, mut foreground) = (false, false);
    for finalizer in items(object, pointer) {
        let name = finalizer.as_str().unwrap_or_default();
        orphan |= name == "orphan";
        foreground |= name == "foregroundDeletion";
        errors
            .extend(names::qualified_name(name).into_iter().map(|why| FieldError::invalid(path, name, why)));
    }
    if orphan && foreground {
        let why = "finalizer orphan and foregroundDeletion cannot be both set";
        errors.push(FieldError::invalid(path, Value::Array(items(object, pointer).to_vec()), why));
    }
    errors
}

fn owner_references(object: &Value, path: &Path) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut controller: Option<&Value> = None;
    for (index, owner) in items(object, "/metadata/ownerReferences").iter().enumerate() {
        let path = path.index(index);
        for (field, what) in [
            ("apiVersion", "version"),
            ("kind", "must not be empty"),
            ("name", "must not be empty"),
            ("uid", "must not be empty"),
        ] {
            if text(owner, &format!("/{field}")).is_empty() {
                let why =
                    if field == "apiVersion" { format!("{what} must not be empty") } else { what.to_owned() };
                errors.push(FieldError::invalid(&path.child(field), "", why));
            }
        }
        if owner.get("controller") == Some(&Value::Bool(true)) {
            if let Some(first) = controller {
                let why = format!(
                    "Only one reference can have Controller set to true. Found \"true\" in references for {} and {}",
                    text(first, "/name"),
                    text(owner, "/name")
                );
                errors.push(FieldError::invalid(&Path::new("metadata.ownerReferences"), owner.clone(), why));
            }
            controller = Some(owner);
        }
    }
    errors
}

/// A field that must stay as it is.
pub(crate) fn immutable(new: &Value, old: &Value, pointer: &str, path: &Path) -> Option<FieldError> {
    let (new, old) = (new.pointer(pointer), old.pointer(pointer));
    let blank = |value: Option<&Value>| value.is_none_or(Value::is_null);
    if new == old || (blank(new) && blank(old)) {
        return None;
    }
    Some(FieldError::invalid(path, new.cloned().unwrap_or(Value::Null), "field is immutable"))
}

/// A number that must not be negative.
pub(crate) fn non_negative(object: &Value, pointer: &str, path: &Path) -> Option<FieldError> {
    let number = crate::object::number(object, pointer)?;
    (number < 0).then(|| FieldError::invalid(path, number, "must be greater than or equal to 0"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn texts(object: &Value) -> Vec<String> {
        validate(object, names::dns1123_subdomain).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn names_and_labels_are_checked() {
        assert!(texts(&json!({"metadata": {"name": "a", "labels": {"a/b": "c"}}})).is_empty());
        let wrong = texts(&json!({"metadata": {"name": "Web", "labels": {"a b": "c", "d": "-"}}}));
        assert_eq!(wrong.len(), 3);
        assert!(
            wrong[0]
                .starts_with("metadata.name: Invalid value: \"Web\": a lowercase RFC 1123 subdomain must"),
            "{wrong:?}"
        );
        assert!(texts(&json!({"metadata": {"name": "web-x1", "generateName": "web-"}})).is_empty());
    }

    #[test]
    fn two_controllers_are_one_too_many() {
        let owner = |name: &str| json!({"apiVersion": "v1", "kind": "K", "name": name, "uid": name, "controller": true});
        let wrong = texts(&json!({"metadata": {"name": "a", "ownerReferences": [owner("x"), owner("y")]}}));
        assert!(wrong[0].contains("Only one reference can have Controller set to true"), "{wrong:?}");
    }

    #[test]
    fn a_dying_object_takes_no_new_finalizer() {
        let old = json!({"metadata": {"name": "a", "deletionTimestamp": "t", "finalizers": ["x.y/z"]}});
        let new =
            json!({"metadata": {"name": "a", "deletionTimestamp": "t", "finalizers": ["x.y/z", "x.y/w"]}});
        assert_eq!(validate_update(&new, &old, names::dns1123_subdomain).len(), 1);
        assert!(validate_update(&old, &new, names::dns1123_subdomain).is_empty());
    }
}
