//! JSON merge patch, RFC 7396.

use serde_json::{Map, Value};

use super::PatchError;

/// Merges `patch` into a copy of `current`.
pub(super) fn apply(current: &Value, patch: &Value) -> Result<Value, PatchError> {
    match patch {
        Value::Object(patch) => {
            let mut merged = current.as_object().cloned().unwrap_or_default();
            merge(&mut merged, patch);
            Ok(Value::Object(merged))
        }
        _ => Err(PatchError::BadRequest("Invalid JSON Patch".into())),
    }
}

fn merge(target: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (key, value) in patch {
        match (target.get_mut(key), value) {
            (_, Value::Null) => {
                target.remove(key);
            }
            (Some(Value::Object(inner)), Value::Object(patch)) => merge(inner, patch),
            _ => {
                target.insert(key.clone(), without_nulls(value));
            }
        }
    }
}

/// A value that the patch adds: nulls in objects delete what is not there.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (key.clone(), without_nulls(value)))
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(without_nulls).collect()),
        _ => value.clone(),
    }
}
