//! Values to messages.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::ProtobufError;
use super::wire::{put_bytes, put_double, put_int, put_nested, put_tag, put_uint, put_varint};
use crate::scalar::{Instant, Precision, parse_duration};
use crate::table::{Field, Member, ObjectType, Presence, Shape};

type Result = std::result::Result<(), ProtobufError>;

fn wrong(problem: impl Into<String>) -> ProtobufError {
    ProtobufError::Shape { path: String::new(), problem: problem.into() }
}

/// Puts a step before the path of an error.
fn within(error: ProtobufError, step: &str) -> ProtobufError {
    match error {
        ProtobufError::Shape { path, problem } => {
            let dot = if path.is_empty() || path.starts_with('[') { "" } else { "." };
            ProtobufError::Shape { path: format!("{step}{dot}{path}"), problem }
        }
        other => other,
    }
}

/// Writes the message of an object.
pub(super) fn message(ty: &ObjectType, value: &Value, out: &mut Vec<u8>) -> Result {
    match value {
        Value::Object(object) => members(ty, object, out),
        Value::Null => members(ty, &Map::new(), out),
        _ => Err(wrong("not an object")),
    }
}

fn members(ty: &ObjectType, object: &Map<String, Value>, out: &mut Vec<u8>) -> Result {
    for member in ty.wire {
        match member {
            Member::Inline(number, inlined) => put_nested(*number, out, |out| members(inlined, object, out))?,
            Member::Field(number, place) => {
                let Some(field) = ty.fields.get(usize::from(*place)) else { continue };
                let value = object.get(field.name).unwrap_or(&Value::Null);
                member_field(*number, field, value, out).map_err(|error| within(error, field.name))?;
            }
        }
    }
    Ok(())
}

fn member_field(number: u32, field: &Field, value: &Value, out: &mut Vec<u8>) -> Result {
    let pointer = matches!(field.presence, Presence::Pointer | Presence::Nullable);
    if value.is_null() && (pointer || is_reference(&field.shape)) {
        return Ok(());
    }
    one(number, &field.shape, value, out)
}

/// Shapes that Go can leave nil without a pointer.
fn is_reference(shape: &Shape) -> bool {
    matches!(shape, Shape::List(_) | Shape::Items(_) | Shape::Map(_) | Shape::Bytes)
}

/// Writes one value, all entries of a list or map included; null is the zero value.
fn one(number: u32, shape: &Shape, value: &Value, out: &mut Vec<u8>) -> Result {
    match shape {
        Shape::String => put_bytes(number, text(value)?.as_bytes(), out),
        Shape::Bool => put_uint(number, u64::from(boolean(value)?), out),
        Shape::Int32 | Shape::Int64 => put_int(number, integer(value)?, out),
        Shape::Float64 => put_double(number, double(value)?, out),
        Shape::Bytes => {
            let bytes = STANDARD.decode(text(value)?).map_err(|_| wrong("not base64"))?;
            put_bytes(number, &bytes, out);
        }
        Shape::Time | Shape::MicroTime => put_nested(number, out, |out| time(shape, value, out))?,
        Shape::Duration => {
            let nanos = if value.is_null() { 0 } else { parse_duration(text(value)?).map_err(wrong)? };
            put_nested(number, out, |out| put_int(1, nanos, out));
        }
        Shape::Quantity => {
            let quantity = if value.is_null() { "0" } else { text(value)? };
            put_nested(number, out, |out| put_bytes(1, quantity.as_bytes(), out));
        }
        Shape::IntOrString => put_nested(number, out, |out| int_or_string(value, out))?,
        Shape::Raw | Shape::FieldsV1 => put_nested(number, out, |out| raw(value, out))?,
        Shape::Object(ty) => put_nested(number, out, |out| message(ty, value, out))?,
        Shape::List(element) => list(number, element, value, out)?,
        Shape::Items(element) => put_nested(number, out, |out| list(1, element, value, out))?,
        Shape::Map(element) => map(number, element, value, out)?,
    }
    Ok(())
}

fn list(number: u32, element: &Shape, value: &Value, out: &mut Vec<u8>) -> Result {
    let items = match value {
        Value::Null => return Ok(()),
        Value::Array(items) => items,
        _ => return Err(wrong("not a list")),
    };
    for (index, item) in items.iter().enumerate() {
        one(number, element, item, out).map_err(|error| within(error, &format!("[{index}]")))?;
    }
    Ok(())
}

fn map(number: u32, element: &Shape, value: &Value, out: &mut Vec<u8>) -> Result {
    let map = match value {
        Value::Null => return Ok(()),
        Value::Object(map) => map,
        _ => return Err(wrong("not a map")),
    };
    let mut entries: Vec<(&String, &Value)> = map.iter().collect();
    entries.sort_unstable_by_key(|(key, _)| *key);
    for (key, item) in entries {
        put_nested(number, out, |out| {
            put_bytes(1, key.as_bytes(), out);
            match (element, item) {
                (Shape::Bytes, Value::Null) => Ok(()),
                _ => one(2, element, item, out),
            }
        })
        .map_err(|error| within(error, key))?;
    }
    Ok(())
}

fn time(shape: &Shape, value: &Value, out: &mut Vec<u8>) -> Result {
    if value.is_null() {
        return Ok(());
    }
    let precision = if matches!(shape, Shape::MicroTime) { Precision::Micros } else { Precision::Seconds };
    let at = Instant::parse(text(value)?, precision).map_err(wrong)?;
    if !at.is_unset() {
        put_int(1, at.seconds, out);
        put_int(2, i64::from(at.micros) * 1000, out);
    }
    Ok(())
}

fn int_or_string(value: &Value, out: &mut Vec<u8>) -> Result {
    let (kind, number, text) = match value {
        Value::String(text) => (1, 0, text.as_str()),
        _ => (0, integer(value)?, ""),
    };
    put_int(1, kind, out);
    put_int(2, number, out);
    put_bytes(3, text.as_bytes(), out);
    Ok(())
}

fn raw(value: &Value, out: &mut Vec<u8>) -> Result {
    if !value.is_null() {
        let json = serde_json::to_vec(value).map_err(|error| wrong(error.to_string()))?;
        put_tag(1, 2, out);
        put_varint(json.len() as u64, out);
        out.extend_from_slice(&json);
    }
    Ok(())
}

fn text(value: &Value) -> std::result::Result<&str, ProtobufError> {
    match value {
        Value::Null => Ok(""),
        Value::String(text) => Ok(text),
        _ => Err(wrong("not a string")),
    }
}

fn boolean(value: &Value) -> std::result::Result<bool, ProtobufError> {
    match value {
        Value::Null => Ok(false),
        Value::Bool(value) => Ok(*value),
        _ => Err(wrong("not a boolean")),
    }
}

fn integer(value: &Value) -> std::result::Result<i64, ProtobufError> {
    match value {
        Value::Null => Ok(0),
        _ => value.as_i64().ok_or_else(|| wrong("not an integer")),
    }
}

fn double(value: &Value) -> std::result::Result<f64, ProtobufError> {
    match value {
        Value::Null => Ok(0.0),
        _ => value.as_f64().ok_or_else(|| wrong("not a number")),
    }
}
