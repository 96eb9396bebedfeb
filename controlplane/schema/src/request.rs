//! Decoding of request bodies.

mod decoder;
mod lexer;
mod yaml;

use serde_json::Value;

use self::decoder::Decoder;
use crate::table::{Field, ObjectType, Presence, Shape, TypeRef};

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
    let strict = validation != FieldValidation::Ignore;
    let (value, found) = Decoder::new(body, strict).decode(ty).map_err(DecodeError::Syntax)?;
    if let Some(mismatch) = found.mismatch {
        return Err(DecodeError::Mismatch(mismatch));
    }
    if validation == FieldValidation::Strict && !found.strict_errors.is_empty() {
        return Err(DecodeError::Strict(found.strict_errors));
    }
    Ok(Decoded { value, warnings: found.strict_errors })
}

/// Decodes a YAML body (one document) into an object of type `ty`. Keys that occur twice are an error under
/// [`FieldValidation::Strict`], as in upstream's conversion to JSON.
///
/// # Errors
/// [`DecodeError`] with upstream's text.
pub fn decode_yaml(body: &[u8], ty: TypeRef, validation: FieldValidation) -> Result<Decoded, DecodeError> {
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{')
        && let Ok(decoded) = decode_json(body, ty, validation)
    {
        return Ok(decoded);
    }
    let (value, duplicate) = yaml::read(body, validation != FieldValidation::Ignore)?;
    match duplicate {
        Some(error) if validation == FieldValidation::Strict => Err(DecodeError::Strict(vec![error])),
        duplicate => {
            let mut decoded = decode_value(&value, ty, validation)?;
            decoded.warnings.extend(duplicate);
            Ok(decoded)
        }
    }
}

/// Reads a YAML or JSON document as it is, without a type (the body of an apply patch, which may say less than an object).
///
/// # Errors
/// [`DecodeError::Yaml`].
pub fn read_yaml(body: &[u8]) -> Result<Value, DecodeError> {
    match read_json(body) {
        Ok(value) => Ok(value),
        Err(_) => yaml::read(body, false).map(|(value, _)| value),
    }
}

/// Reads a JSON text as it is, without a type (a patch, say).
///
/// # Errors
/// [`DecodeError::Syntax`] with the text of Go's decoder.
pub fn read_json(body: &[u8]) -> Result<Value, DecodeError> {
    Decoder::new(body, false).decode_any().map(|(value, _)| value).map_err(DecodeError::Syntax)
}

/// As [`read_json`]; the second part names the fields that occur twice.
pub(crate) fn read_json_strictly(body: &[u8]) -> Result<(Value, Vec<String>), DecodeError> {
    Decoder::new(body, true).decode_any().map_err(DecodeError::Syntax)
}

/// Passes a value (a patched object, say) through the typed decoding of `ty`.
///
/// # Errors
/// [`DecodeError`] with upstream's text.
pub fn decode_value(value: &Value, ty: TypeRef, validation: FieldValidation) -> Result<Decoded, DecodeError> {
    let body = serde_json::to_vec(value).map_err(|error| DecodeError::Syntax(error.to_string()))?;
    decode_json(&body, ty, validation)
}

/// `apiVersion` and `kind` of a JSON body, empty where it does not say, without decoding the rest.
///
/// # Errors
/// [`DecodeError::Syntax`] when the body is not JSON, [`DecodeError::Mismatch`] when one of both is not a string.
pub fn read_type(body: &[u8]) -> Result<(String, String), DecodeError> {
    let interpret = |error: String| format!("couldn't get version/kind; json parse error: {error}");
    let decoder = Decoder::new(body, false);
    let (value, found) = decoder.decode(&TYPE_META).map_err(|error| DecodeError::Syntax(interpret(error)))?;
    if let Some(mismatch) = found.mismatch {
        return Err(DecodeError::Mismatch(interpret(mismatch)));
    }
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok((text("apiVersion"), text("kind")))
}

/// The fields that tell what an object is.
static TYPE_META: ObjectType = ObjectType {
    name: "",
    go_name: "",
    fields: &[
        Field::new("apiVersion", Shape::String, Presence::OmitEmpty),
        Field::new("kind", Shape::String, Presence::OmitEmpty),
    ],
    wire: &[],
    atomic: false,
};

/// Upstream's message of the 400 for a body whose kind could not be read: it shows how the body begins.
#[must_use]
pub fn unrecognized_message(error: &DecodeError, into: &str, body: &[u8]) -> String {
    const SHOWN: usize = 30;
    let shown = body.get(..SHOWN).unwrap_or(body);
    let mut summary = match body.first() {
        None => "<empty>".to_owned(),
        Some(b'{') => String::from_utf8_lossy(shown).into_owned(),
        Some(_) => shown.iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    if body.len() > SHOWN {
        summary.push_str(" ...");
    }
    format!("the object provided is unrecognized (must be of type {into}): {error} ({summary})")
}

#[cfg(test)]
mod tests;
