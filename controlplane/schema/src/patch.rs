//! Patches without ownership: strategic merge, RFC 6902 and RFC 7396, with upstream's quirks and texts.

mod json;
mod merge;
mod order;
mod strategic;

use serde_json::{Map, Value};

use crate::request::read_json_strictly;
use crate::table::TypeRef;

/// Why a patch cannot be applied. The texts are upstream's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// The patch itself is malformed: 400.
    #[error("{0}")]
    BadRequest(String),
    /// The patch has too many operations: 413.
    #[error("The allowed maximum operations in a JSON patch is {limit}, got {found}")]
    TooManyOperations {
        /// Operations that a patch may have.
        limit: usize,
        /// Operations that it has.
        found: usize,
    },
    /// The patch is well-formed and does not fit the object: 422.
    #[error("{0}")]
    Unprocessable(String),
    /// Upstream answers 500 to these, although it is the patch that does not fit.
    #[error("{0}")]
    Failed(String),
}

/// Reads the body of a strategic merge or merge patch: an object. The second part has the strict decoding errors: fields
/// that occur twice.
///
/// # Errors
/// [`PatchError::BadRequest`].
pub fn read_patch(body: &[u8]) -> Result<(Value, Vec<String>), PatchError> {
    let (value, strict_errors) =
        read_json_strictly(body).map_err(|error| PatchError::BadRequest(error.to_string()))?;
    let word = match value {
        Value::Object(_) | Value::Null => return Ok((value, strict_errors)),
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
    };
    let text = format!("json: cannot unmarshal {word} into Go value of type map[string]interface {{}}");
    Err(PatchError::BadRequest(text))
}

/// Applies a strategic merge patch (`application/strategic-merge-patch+json`) to `current`, an object of type `ty`. The
/// result has to go through [`crate::decode_value`], which is where wrong types and unknown fields are found.
///
/// # Errors
/// [`PatchError`] with upstream's text.
pub fn strategic_merge(ty: TypeRef, current: &Value, patch: &Value) -> Result<Value, PatchError> {
    let patch = match patch {
        Value::Object(patch) => patch.clone(),
        Value::Null => Map::new(),
        _ => return Err(PatchError::BadRequest("invalid JSON document".into())),
    };
    let original = current.as_object().cloned().unwrap_or_default();
    strategic::merge_object(ty, original, patch).map(Value::Object)
}

/// Applies a JSON patch (`application/json-patch+json`, RFC 6902), given as the request's body.
///
/// # Errors
/// [`PatchError`] with upstream's text.
pub fn json_patch(current: &Value, body: &[u8]) -> Result<Value, PatchError> {
    json::apply(current, body)
}

/// Applies a JSON merge patch (`application/merge-patch+json`, RFC 7396).
///
/// # Errors
/// [`PatchError`] with upstream's text.
pub fn json_merge_patch(current: &Value, patch: &Value) -> Result<Value, PatchError> {
    merge::apply(current, patch)
}

#[cfg(test)]
mod tests;
