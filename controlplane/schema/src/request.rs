//! Decoding of request bodies.

use serde_json::Value;

use crate::table::TypeRef;

/// What happens to unknown and duplicate fields (the query parameter `fieldValidation`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FieldValidation {
    /// They are errors.
    Strict,
    /// They are dropped, and reported in [`Decoded::warnings`].
    #[default]
    Warn,
    /// They are dropped.
    Ignore,
}

/// A decoded object.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// The object as upstream's typed decoding and encoding would leave it. `apiVersion` and `kind` are what the body
    /// says, if anything.
    pub value: Value,
    /// Texts for `Warning` headers, such as `unknown field "spec.foo"`.
    pub warnings: Vec<String>,
}

/// Why a body is not an object of the wanted type. The texts are upstream's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The body is not JSON.
    #[error("{0}")]
    Syntax(String),
    /// The body is not YAML.
    #[error("error converting YAML to JSON: {0}")]
    Yaml(String),
    /// A value has a wrong type or form.
    #[error("{0}")]
    Mismatch(String),
    /// Unknown or duplicate fields under [`FieldValidation::Strict`].
    #[error("strict decoding error: {}", .0.join(", "))]
    Strict(Vec<String>),
}

impl FieldValidation {
    /// Reads the query parameter; absent means [`FieldValidation::Warn`], as upstream's default is.
    #[must_use]
    pub fn from_query(value: &str) -> Option<Self> {
        match value {
            "" | "Warn" => Some(Self::Warn),
            "Strict" => Some(Self::Strict),
            "Ignore" => Some(Self::Ignore),
            _ => None,
        }
    }
}

impl DecodeError {
    /// Upstream's message of the 400 that answers a create or update: `Deployment in version "v1" cannot be handled as
    /// a Deployment: …`. `kind` and `version` are the body's, `into` is the kind that the resource holds.
    #[must_use]
    pub fn bad_request(&self, kind: &str, version: &str, into: &str) -> String {
        format!("{kind} in version {version:?} cannot be handled as a {into}: {self}")
    }
}

/// Decodes a JSON body into an object of type `ty`.
///
/// # Errors
/// [`DecodeError`] with upstream's text.
pub fn decode_json(body: &[u8], ty: TypeRef, validation: FieldValidation) -> Result<Decoded, DecodeError> {
    let _ = (body, ty, validation);
    Err(DecodeError::Syntax("not supported yet: decode_json".into()))
}

/// Decodes a YAML body (one document) into an object of type `ty`.
///
/// # Errors
/// [`DecodeError`] with upstream's text.
pub fn decode_yaml(body: &[u8], ty: TypeRef, validation: FieldValidation) -> Result<Decoded, DecodeError> {
    let _ = (body, ty, validation);
    Err(DecodeError::Yaml("not supported yet: decode_yaml".into()))
}

/// Passes a value (a patched object, say) through the typed decoding of `ty`.
///
/// # Errors
/// [`DecodeError`] with upstream's text.
pub fn decode_value(value: &Value, ty: TypeRef, validation: FieldValidation) -> Result<Decoded, DecodeError> {
    let _ = (value, ty, validation);
    Err(DecodeError::Syntax("not supported yet: decode_value".into()))
}

/// `apiVersion` and `kind` of a JSON body, empty where it does not say, without decoding the rest.
///
/// # Errors
/// [`DecodeError::Syntax`] when the body is not a JSON object.
pub fn read_type(body: &[u8]) -> Result<(String, String), DecodeError> {
    let _ = body;
    Err(DecodeError::Syntax("not supported yet: read_type".into()))
}
