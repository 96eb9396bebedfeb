//! Server-side apply and `metadata.managedFields`.

use serde_json::Value;

use crate::table::TypeRef;

/// Who writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Writer<'a> {
    /// Field manager: the query parameter, or the user agent up to its first slash.
    pub manager: &'a str,
    /// `apiVersion` of the request.
    pub api_version: &'a str,
    /// Subresource that is written, `""` for the object itself.
    pub subresource: &'a str,
    /// Now, RFC 3339 with seconds.
    pub time: &'a str,
}

/// A field that somebody else owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Text of the cause: `conflict with "kubectl" using apps/v1`.
    pub message: String,
    /// Path of the field: `.spec.replicas`.
    pub field: String,
}

/// Why a write was not applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManagedFieldsError {
    /// Others own fields that the applied object sets to another value: 409, reason `Conflict`, one cause of type
    /// `FieldManagerConflict` per entry.
    #[error("{}", conflict_text(.0))]
    Conflicts(Vec<Conflict>),
    /// The applied object, or `managedFields` in it, is not acceptable: 400.
    #[error("{0}")]
    BadRequest(String),
    /// An object does not have the shape of its type: 500.
    #[error("{0}")]
    Shape(String),
}

fn conflict_text(conflicts: &[Conflict]) -> String {
    let _ = conflicts;
    String::new()
}

/// Server-side apply: merges `applied` into `live` (`None` on create) and returns the new object with its
/// `managedFields`. `force` takes fields over instead of reporting conflicts.
///
/// # Errors
/// [`ManagedFieldsError`].
pub fn apply(
    ty: TypeRef,
    live: Option<&Value>,
    applied: &Value,
    writer: Writer<'_>,
    force: bool,
) -> Result<Value, ManagedFieldsError> {
    let _ = (ty, live, applied, writer, force);
    Err(ManagedFieldsError::Shape("not supported yet".into()))
}

/// Bookkeeping of a create (`live` is `None`), update or patch: sets `new.metadata.managedFields`.
///
/// As upstream, a manager that cannot be tracked never fails a write: `managedFields` of the live object are kept then.
pub fn track(ty: TypeRef, live: Option<&Value>, new: &mut Value, writer: Writer<'_>) {
    let _ = (ty, live, new, writer);
}
