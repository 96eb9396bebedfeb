//! Patches without ownership: strategic merge, RFC 6902 and RFC 7396.

use serde_json::Value;

use crate::table::TypeRef;

/// Why a patch cannot be applied. The texts are upstream's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// The patch itself is malformed: 400.
    #[error("{0}")]
    BadRequest(String),
    /// The patch is well-formed and does not fit the object: 422.
    #[error("{0}")]
    Unprocessable(String),
}

/// Applies a strategic merge patch (`application/strategic-merge-patch+json`) to `current`, an object of type `ty`. The
/// result has to go through [`crate::decode_value`], which is where wrong types and unknown fields are found.
///
/// # Errors
/// [`PatchError`] with upstream's text.
pub fn strategic_merge(ty: TypeRef, current: &Value, patch: &Value) -> Result<Value, PatchError> {
    let _ = (ty, current, patch);
    Err(PatchError::BadRequest("not supported yet: strategic_merge".into()))
}

/// Applies a JSON patch (`application/json-patch+json`, RFC 6902), given as the request's body.
///
/// # Errors
/// [`PatchError`] with upstream's text.
pub fn json_patch(current: &Value, body: &[u8]) -> Result<Value, PatchError> {
    let _ = (current, body);
    Err(PatchError::BadRequest("not supported yet: json_patch".into()))
}

/// Applies a JSON merge patch (`application/merge-patch+json`, RFC 7396).
///
/// # Errors
/// [`PatchError`] with upstream's text.
pub fn json_merge_patch(current: &Value, patch: &Value) -> Result<Value, PatchError> {
    let _ = (current, patch);
    Err(PatchError::BadRequest("not supported yet: json_merge_patch".into()))
}
