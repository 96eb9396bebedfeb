//! Kubernetes protobuf: the `k8s\0` envelope and the messages in it.
//!
//! The messages are those of upstream's `generated.proto`, encoded byte for byte as upstream's generated code does: values
//! are written also when they are zero, fields in the order of their numbers, map keys sorted.

mod decode;
mod encode;
mod envelope;
mod wire;

use serde_json::Value;

pub use self::envelope::Unknown;
pub(crate) use self::wire::{put_bytes, put_nested, put_uint};
use crate::table::TypeRef;

/// Why bytes are not an object, or an object has no protobuf form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtobufError {
    /// The `k8s\0` prefix is missing.
    #[error("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")]
    Prefix,
    /// The body ends within a value.
    #[error("unexpected EOF")]
    Truncated,
    /// The bytes do not follow the wire format.
    #[error("proto: {0}")]
    Malformed(String),
    /// The kind is not in the table.
    #[error("no kind {kind:?} is registered for version {api_version:?}")]
    UnknownKind {
        /// `apiVersion` of the envelope.
        api_version: String,
        /// `kind` of the envelope.
        kind: String,
    },
    /// The value does not have the shape of its type.
    #[error("{path}: {problem}")]
    Shape {
        /// Field path.
        path: String,
        /// What is wrong.
        problem: String,
    },
}

/// Decodes an enveloped body. `default` is the type when the envelope names none.
///
/// The value carries `apiVersion` and `kind` where the envelope does, and has the form that [`crate::decode_json`] gives.
///
/// # Errors
/// [`ProtobufError`]; never panics, nesting and sizes are bounded by the body's length.
pub fn decode_protobuf(body: &[u8], default: Option<TypeRef>) -> Result<(TypeRef, Value), ProtobufError> {
    decode::enveloped(body, default)
}

/// Decodes a message of type `ty` that stands without envelope.
///
/// # Errors
/// As [`decode_protobuf`].
pub fn decode_protobuf_message(ty: TypeRef, message: &[u8]) -> Result<Value, ProtobufError> {
    decode::message(ty, message)
}

/// Encodes an object of type `ty` with its envelope; `apiVersion` and `kind` are taken from the value.
///
/// # Errors
/// [`ProtobufError::Shape`] when the value does not have the shape of its type.
pub fn encode_protobuf(ty: TypeRef, value: &Value) -> Result<Vec<u8>, ProtobufError> {
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    envelope::encode(text("apiVersion"), text("kind"), |out| encode::message(ty, value, out))
}

/// Encodes an object of type `ty` without envelope.
///
/// # Errors
/// As [`encode_protobuf`].
pub fn encode_protobuf_message(ty: TypeRef, value: &Value) -> Result<Vec<u8>, ProtobufError> {
    let mut out = Vec::new();
    encode::message(ty, value, &mut out)?;
    Ok(out)
}

/// One frame of a watch in protobuf (`application/vnd.kubernetes.protobuf;stream=watch`): four bytes of length, then a
/// `WatchEvent` around `object`, which [`encode_protobuf`] made.
#[must_use]
pub fn protobuf_watch_frame(event_type: &str, object: &[u8]) -> Vec<u8> {
    let mut event = Vec::with_capacity(object.len() + 32);
    wire::put_bytes(1, event_type.as_bytes(), &mut event);
    wire::put_nested(2, &mut event, |out| wire::put_bytes(1, object, out));
    let length = u32::try_from(event.len()).unwrap_or(u32::MAX);
    let mut frame = length.to_be_bytes().to_vec();
    frame.append(&mut event);
    frame
}

#[cfg(test)]
mod tests;
