//! Messages to values.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Number, Value};

use super::wire::{Reader, WireType};
use super::{ProtobufError, Unknown};
use crate::scalar::{Instant, Precision, canonical_quantity, format_duration};
use crate::table::{Field, Member, ObjectType, Shape, TypeRef, kind_of};
use crate::zero::{omitted, when_unset, zero};

/// Nesting of messages that is still decoded.
const MAX_DEPTH: usize = 100;

type Result<T> = std::result::Result<T, ProtobufError>;

/// Reads a message and gives it the form that the JSON decoder gives.
pub(super) fn message(ty: &ObjectType, data: &[u8]) -> Result<Value> {
    let mut object = Map::new();
    nested(ty, data, &mut object, MAX_DEPTH)?;
    Ok(Value::Object(object))
}

/// Reads an enveloped message.
pub(super) fn enveloped(body: &[u8], default: Option<TypeRef>) -> Result<(TypeRef, Value)> {
    in_envelope(body, default, MAX_DEPTH)
}

fn in_envelope(body: &[u8], default: Option<TypeRef>, depth: usize) -> Result<(TypeRef, Value)> {
    let unknown = Unknown::decode(body)?;
    let named = kind_of(&unknown.api_version, &unknown.kind);
    let ty = named.or(if unknown.kind.is_empty() { default } else { None }).ok_or_else(|| {
        ProtobufError::UnknownKind { api_version: unknown.api_version.clone(), kind: unknown.kind.clone() }
    })?;
    let mut object = Map::new();
    nested(ty, unknown.raw, &mut object, depth)?;
    for (name, text) in [("apiVersion", unknown.api_version), ("kind", unknown.kind)] {
        if !text.is_empty() && ty.field(name).is_some() {
            object.insert(name.to_owned(), Value::String(text));
        }
    }
    Ok((ty, Value::Object(object)))
}

fn nested(ty: &ObjectType, data: &[u8], object: &mut Map<String, Value>, depth: usize) -> Result<()> {
    members(ty, data, object, depth)?;
    finish(ty, object);
    Ok(())
}

/// Leaves out what Go's encoder leaves out, and adds what it always writes.
fn finish(ty: &ObjectType, object: &mut Map<String, Value>) {
    for field in ty.fields {
        let omit = match object.get(field.name) {
            Some(value) => omitted(field.presence, &field.shape, value),
            None => {
                if let Some(value) = when_unset(field.presence, &field.shape) {
                    object.insert(field.name.to_owned(), value);
                }
                false
            }
        };
        if omit {
            object.remove(field.name);
        }
    }
}

fn members(ty: &ObjectType, data: &[u8], object: &mut Map<String, Value>, depth: usize) -> Result<()> {
    let depth = depth.checked_sub(1).ok_or_else(too_deep)?;
    let mut reader = Reader::new(data);
    while !reader.is_empty() {
        let (number, wire_type) = reader.tag()?;
        let found = ty.wire.binary_search_by_key(&number, |member| match member {
            Member::Field(number, _) | Member::Inline(number, _) => *number,
        });
        match found.ok().and_then(|place| ty.wire.get(place)) {
            Some(Member::Inline(_, inlined)) => {
                expect(wire_type, WireType::Bytes, ty.go_name)?;
                members(inlined, reader.bytes()?, object, depth)?;
            }
            Some(Member::Field(_, place)) => match ty.fields.get(usize::from(*place)) {
                Some(field) => member(field, wire_type, &mut reader, object, depth)?,
                None => reader.skip(wire_type)?,
            },
            None => reader.skip(wire_type)?,
        }
    }
    Ok(())
}

fn too_deep() -> ProtobufError {
    ProtobufError::Malformed("exceeded max depth".into())
}

fn expect(found: WireType, wanted: WireType, name: &str) -> Result<()> {
    if found == wanted {
        return Ok(());
    }
    Err(ProtobufError::Malformed(format!("wrong wireType = {found:?} for field {name}")))
}

fn member(
    field: &Field,
    wire_type: WireType,
    reader: &mut Reader<'_>,
    object: &mut Map<String, Value>,
    depth: usize,
) -> Result<()> {
    match &field.shape {
        Shape::List(element) => {
            let slot = object.entry(field.name).or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(items) = slot {
                item(element, wire_type, reader, items, field.name, depth)?;
            }
        }
        Shape::Map(element) => {
            expect(wire_type, WireType::Bytes, field.name)?;
            let (key, value) = entry(element, reader.bytes()?, field.name, depth)?;
            let slot = object.entry(field.name).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(map) = slot {
                map.insert(key, value);
            }
        }
        // The parts of a message that comes twice add up.
        Shape::Object(ty) => {
            expect(wire_type, WireType::Bytes, field.name)?;
            let slot = object.entry(field.name).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = slot {
                nested(ty, reader.bytes()?, inner, depth)?;
            }
        }
        shape => {
            let value = one(shape, wire_type, reader, field.name, depth)?;
            object.insert(field.name.to_owned(), value);
        }
    }
    Ok(())
}

/// Reads one item of a list, or a packed run of them.
fn item(
    element: &Shape,
    wire_type: WireType,
    reader: &mut Reader<'_>,
    items: &mut Vec<Value>,
    name: &str,
    depth: usize,
) -> Result<()> {
    let packable = matches!(element, Shape::Bool | Shape::Int32 | Shape::Int64);
    if packable && wire_type == WireType::Bytes {
        let mut packed = Reader::new(reader.bytes()?);
        while !packed.is_empty() {
            items.push(one(element, WireType::Varint, &mut packed, name, depth)?);
        }
        return Ok(());
    }
    items.push(one(element, wire_type, reader, name, depth)?);
    Ok(())
}

fn entry(element: &Shape, data: &[u8], name: &str, depth: usize) -> Result<(String, Value)> {
    let mut reader = Reader::new(data);
    let (mut key, mut value) = (String::new(), None);
    while !reader.is_empty() {
        match reader.tag()? {
            (1, wire_type) => {
                expect(wire_type, WireType::Bytes, name)?;
                key = String::from_utf8_lossy(reader.bytes()?).into_owned();
            }
            (2, wire_type) => value = Some(one(element, wire_type, &mut reader, name, depth)?),
            (_, wire_type) => reader.skip(wire_type)?,
        }
    }
    Ok((key, value.unwrap_or_else(|| zero(element))))
}

fn one(
    shape: &Shape,
    wire_type: WireType,
    reader: &mut Reader<'_>,
    name: &str,
    depth: usize,
) -> Result<Value> {
    let wanted = match shape {
        Shape::Bool | Shape::Int32 | Shape::Int64 => WireType::Varint,
        Shape::Float64 => WireType::Fixed64,
        _ => WireType::Bytes,
    };
    expect(wire_type, wanted, name)?;
    Ok(match shape {
        Shape::Bool => Value::Bool(reader.varint()? != 0),
        Shape::Int32 => Value::from(low_i32(reader.varint()?)),
        Shape::Int64 => Value::from(signed(reader.varint()?)),
        Shape::Float64 => {
            Number::from_f64(f64::from_bits(reader.fixed64()?)).map_or(Value::Null, Value::Number)
        }
        Shape::String => Value::String(String::from_utf8_lossy(reader.bytes()?).into_owned()),
        Shape::Bytes => Value::String(STANDARD.encode(reader.bytes()?)),
        Shape::Time => time(reader.bytes()?, Precision::Seconds)?,
        Shape::MicroTime => time(reader.bytes()?, Precision::Micros)?,
        Shape::Duration => Value::String(format_duration(signed(Fields::read(reader.bytes()?)?.first))),
        Shape::Quantity => quantity(reader.bytes()?, name)?,
        Shape::IntOrString => {
            let fields = Fields::read(reader.bytes()?)?;
            if fields.first == 1 { Value::String(fields.text) } else { Value::from(low_i32(fields.second)) }
        }
        Shape::Raw | Shape::FieldsV1 => raw(reader.bytes()?, name, depth)?,
        Shape::Items(element) => items_message(element, reader.bytes()?, name, depth)?,
        Shape::Object(ty) => {
            let mut object = Map::new();
            nested(ty, reader.bytes()?, &mut object, depth)?;
            Value::Object(object)
        }
        Shape::List(_) | Shape::Map(_) => {
            return Err(ProtobufError::Malformed(format!("nested list in field {name}")));
        }
    })
}

/// The first numbers and the text of a small message: `Timestamp`, `Duration`, `IntOrString`, `Quantity`, `RawExtension`.
#[derive(Default)]
struct Fields {
    first: u64,
    second: u64,
    text: String,
    bytes: Option<Vec<u8>>,
}

impl Fields {
    fn read(data: &[u8]) -> Result<Self> {
        let mut fields = Self::default();
        let mut reader = Reader::new(data);
        while !reader.is_empty() {
            match reader.tag()? {
                (1, WireType::Varint) => fields.first = reader.varint()?,
                (2, WireType::Varint) => fields.second = reader.varint()?,
                (3, WireType::Bytes) => fields.text = String::from_utf8_lossy(reader.bytes()?).into_owned(),
                (1, WireType::Bytes) => fields.bytes = Some(reader.bytes()?.to_vec()),
                (_, wire_type) => reader.skip(wire_type)?,
            }
        }
        Ok(fields)
    }
}

fn time(data: &[u8], precision: Precision) -> Result<Value> {
    if data.is_empty() {
        return Ok(Value::Null);
    }
    let fields = Fields::read(data)?;
    let micros = if precision == Precision::Micros { low_i32(fields.second) / 1000 } else { 0 };
    let seconds = signed(fields.first);
    // RFC 3339 has years 0 to 9999.
    if !(-62_167_219_200..=253_402_300_799).contains(&seconds) {
        return Err(ProtobufError::Malformed(format!("timestamp {seconds} out of range")));
    }
    let micros = u32::try_from(micros).ok().filter(|micros| *micros < 1_000_000);
    let micros = micros.ok_or_else(|| ProtobufError::Malformed("nanos out of range".into()))?;
    let at = Instant { seconds, micros, precision };
    Ok(if at.is_unset() { Value::Null } else { Value::String(at.to_string()) })
}

fn quantity(data: &[u8], name: &str) -> Result<Value> {
    let text = String::from_utf8_lossy(&Fields::read(data)?.bytes.unwrap_or_default()).into_owned();
    let text = if text.is_empty() { "0" } else { text.trim() };
    let canonical = canonical_quantity(text)
        .map_err(|error| ProtobufError::Malformed(format!("field {name}: {error}")))?;
    Ok(Value::String(canonical.into_owned()))
}

fn raw(data: &[u8], name: &str, depth: usize) -> Result<Value> {
    let Some(bytes) = Fields::read(data)?.bytes.filter(|bytes| !bytes.is_empty()) else {
        return Ok(Value::Null);
    };
    if bytes.starts_with(b"k8s\0") {
        let depth = depth.checked_sub(1).ok_or_else(too_deep)?;
        return in_envelope(&bytes, None, depth).map(|(_, value)| value);
    }
    crate::read_json(&bytes).map_err(|error| ProtobufError::Malformed(format!("field {name}: {error}")))
}

fn items_message(element: &Shape, data: &[u8], name: &str, depth: usize) -> Result<Value> {
    let mut items = Vec::new();
    let mut reader = Reader::new(data);
    while !reader.is_empty() {
        match reader.tag()? {
            (1, wire_type) => item(element, wire_type, &mut reader, &mut items, name, depth)?,
            (_, wire_type) => reader.skip(wire_type)?,
        }
    }
    Ok(Value::Array(items))
}

fn signed(value: u64) -> i64 {
    i64::from_le_bytes(value.to_le_bytes())
}

/// The low 32 bits, as generated code takes them.
fn low_i32(value: u64) -> i32 {
    let [a, b, c, d, ..] = value.to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}
