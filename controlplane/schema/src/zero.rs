//! Zero values, and when Go's encoder leaves a field out.

use serde_json::{Map, Value};

use crate::table::{ObjectType, Presence, Shape};

/// What Go encodes for a value that nobody set.
pub(crate) fn zero(shape: &Shape) -> Value {
    match shape {
        Shape::String => Value::String(String::new()),
        Shape::Bool => Value::Bool(false),
        Shape::Int32 | Shape::Int64 | Shape::Float64 | Shape::IntOrString => Value::from(0),
        Shape::Duration => Value::from("0s"),
        Shape::Quantity => Value::from("0"),
        Shape::Bytes | Shape::Time | Shape::MicroTime | Shape::Raw | Shape::FieldsV1 => Value::Null,
        Shape::List(_) | Shape::Items(_) | Shape::Map(_) => Value::Null,
        Shape::Object(ty) => Value::Object(zero_object(ty)),
    }
}

fn zero_object(ty: &ObjectType) -> Map<String, Value> {
    let mut object = Map::new();
    for field in ty.fields {
        if let Some(value) = when_unset(field.presence, &field.shape) {
            object.insert(field.name.to_owned(), value);
        }
    }
    object
}

/// What stands in an encoded object for a field that nobody set; `None` when it is left out.
pub(crate) fn when_unset(presence: Presence, shape: &Shape) -> Option<Value> {
    match presence {
        Presence::Always => Some(zero(shape)),
        Presence::Nullable => Some(Value::Null),
        Presence::OmitEmpty | Presence::OmitZero | Presence::Pointer => None,
    }
}

/// Whether a field with this value is left out of an encoded object.
pub(crate) fn omitted(presence: Presence, shape: &Shape, value: &Value) -> bool {
    match presence {
        Presence::Always | Presence::Pointer | Presence::Nullable => false,
        Presence::OmitZero => is_empty(value) && !matches!(shape, Shape::Object(_)) || *value == zero(shape),
        Presence::OmitEmpty => is_empty(value),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}
