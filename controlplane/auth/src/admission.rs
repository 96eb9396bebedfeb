//! Changing and refusing what is about to be stored.

use serde_json::Value;

use crate::attributes::Attributes;

/// What is about to happen to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// It is created, or created through a subresource such as `binding`, `eviction`, `token`.
    Create,
    /// It, or one of its subresources, is changed.
    Update,
    /// It is deleted.
    Delete,
    /// Somebody connects to it (`exec`, `attach`, `portforward`, `proxy`).
    Connect,
}

/// A write on its way.
#[derive(Debug)]
pub struct AdmissionRequest<'a> {
    /// Who writes what. `name` is empty on a create with `generateName`.
    pub attributes: &'a Attributes,
    /// What happens.
    pub operation: Operation,
    /// Kind of `object`.
    pub kind: &'a str,
    /// The object as it will be (on create through a subresource: its body); absent on deletion.
    pub object: Option<&'a mut Value>,
    /// The object as it is; absent on creation.
    pub old_object: Option<&'a Value>,
    /// Nothing will be stored.
    pub dry_run: bool,
}

/// Why a write is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdmissionError {
    /// 403, `pods "x" is forbidden: <this text>`.
    Forbidden(String),
    /// 500, with this text.
    Internal(String),
}

/// A plug-in that sees every write after defaulting and before validation.
pub trait Admission: Send + Sync {
    /// May change `request.object`, or refuse.
    ///
    /// # Errors
    /// [`AdmissionError`] refuses the write.
    fn admit(&self, request: &mut AdmissionRequest<'_>) -> Result<(), AdmissionError>;
}
