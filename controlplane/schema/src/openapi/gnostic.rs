//! The v2 document as protobuf: the messages of gnostic's `openapi.v2`, which client-go before v3 reads.

use serde_json::{Map, Value};

use crate::protobuf::{put_bytes, put_nested, put_uint};

/// Where a schema's fields stand.
mod number {
    pub(super) const REF: u32 = 1;
    pub(super) const FORMAT: u32 = 2;
    pub(super) const DESCRIPTION: u32 = 4;
    pub(super) const DEFAULT: u32 = 5;
    pub(super) const REQUIRED: u32 = 19;
    pub(super) const ENUM: u32 = 20;
    pub(super) const ADDITIONAL_PROPERTIES: u32 = 21;
    pub(super) const TYPE: u32 = 22;
    pub(super) const ITEMS: u32 = 23;
    pub(super) const PROPERTIES: u32 = 25;
    pub(super) const EXTENSION: u32 = 31;
}

/// Encodes a v2 document as [`super::openapi_v2`] makes it.
pub(super) fn encode(document: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    string(1, document.get("swagger"), &mut out);
    put_nested(2, &mut out, |out| {
        string(1, document.pointer("/info/title"), out);
        string(2, document.pointer("/info/version"), out);
    });
    put_nested(8, &mut out, |out| named(2, document.get("paths"), out, path_item));
    put_nested(9, &mut out, |out| named(1, document.get("definitions"), out, schema));
    put_nested(13, &mut out, |out| named(1, document.get("securityDefinitions"), out, security));
    out
}

/// A repeated message of a name and a value.
fn named(number: u32, members: Option<&Value>, out: &mut Vec<u8>, write: fn(&Value, &mut Vec<u8>)) {
    for (name, value) in members.and_then(Value::as_object).into_iter().flatten() {
        put_nested(number, out, |out| {
            put_bytes(1, name.as_bytes(), out);
            put_nested(2, out, |out| write(value, out));
        });
    }
}

fn string(number: u32, value: Option<&Value>, out: &mut Vec<u8>) {
    if let Some(text) = value.and_then(Value::as_str) {
        put_bytes(number, text.as_bytes(), out);
    }
}

fn strings(number: u32, value: Option<&Value>, out: &mut Vec<u8>) {
    for item in value.and_then(Value::as_array).into_iter().flatten() {
        string(number, Some(item), out);
    }
}

fn flag(number: u32, value: Option<&Value>, out: &mut Vec<u8>) {
    if value.and_then(Value::as_bool) == Some(true) {
        put_uint(number, 1, out);
    }
}

/// An `Any`: YAML text, of which JSON is a part.
fn any(number: u32, value: &Value, out: &mut Vec<u8>) {
    put_nested(number, out, |out| put_bytes(2, format!("{value}\n").as_bytes(), out));
}

fn extensions(number: u32, fields: &Map<String, Value>, out: &mut Vec<u8>) {
    for (name, value) in fields.iter().filter(|(name, _)| name.starts_with("x-")) {
        put_nested(number, out, |out| {
            put_bytes(1, name.as_bytes(), out);
            any(2, value, out);
        });
    }
}

fn security(value: &Value, out: &mut Vec<u8>) {
    put_nested(2, out, |out| {
        for (number, name) in [(1, "type"), (2, "name"), (3, "in"), (4, "description")] {
            string(number, value.get(name), out);
        }
    });
}

fn path_item(value: &Value, out: &mut Vec<u8>) {
    for (number, method) in [(2, "get"), (3, "put"), (4, "post"), (5, "delete"), (8, "patch")] {
        if let Some(found) = value.get(method) {
            put_nested(number, out, |out| operation(found, out));
        }
    }
    parameters(9, value.get("parameters"), out);
}

fn operation(value: &Value, out: &mut Vec<u8>) {
    strings(1, value.get("tags"), out);
    string(3, value.get("description"), out);
    string(5, value.get("operationId"), out);
    strings(6, value.get("produces"), out);
    strings(7, value.get("consumes"), out);
    parameters(8, value.get("parameters"), out);
    put_nested(9, out, |out| named(1, value.get("responses"), out, response));
    strings(10, value.get("schemes"), out);
    if let Value::Object(fields) = value {
        extensions(13, fields, out);
    }
}

fn response(value: &Value, out: &mut Vec<u8>) {
    put_nested(1, out, |out| {
        string(1, value.get("description"), out);
        if let Some(found) = value.get("schema") {
            put_nested(2, out, |out| put_nested(1, out, |out| schema(found, out)));
        }
    });
}

/// `ParametersItem` around `Parameter`, which is of the body or not; what is not is of the query (3) or the path (4).
fn parameters(number: u32, value: Option<&Value>, out: &mut Vec<u8>) {
    for parameter in value.and_then(Value::as_array).into_iter().flatten() {
        put_nested(number, out, |out| {
            put_nested(1, out, |out| match parameter.get("in").and_then(Value::as_str) {
                Some("body") => put_nested(1, out, |out| body_parameter(parameter, out)),
                Some("path") => {
                    put_nested(2, out, |out| put_nested(4, out, |out| simple(parameter, 5, 19, out)))
                }
                _ => put_nested(2, out, |out| put_nested(3, out, |out| simple(parameter, 6, 20, out))),
            });
        });
    }
}

fn body_parameter(value: &Value, out: &mut Vec<u8>) {
    string(2, value.get("name"), out);
    string(3, value.get("in"), out);
    flag(4, value.get("required"), out);
    if let Some(found) = value.get("schema") {
        put_nested(5, out, |out| schema(found, out));
    }
}

fn simple(value: &Value, type_number: u32, unique_number: u32, out: &mut Vec<u8>) {
    flag(1, value.get("required"), out);
    string(2, value.get("in"), out);
    string(3, value.get("description"), out);
    string(4, value.get("name"), out);
    string(type_number, value.get("type"), out);
    flag(unique_number, value.get("uniqueItems"), out);
}

fn schema(value: &Value, out: &mut Vec<u8>) {
    let Value::Object(fields) = value else { return };
    string(number::REF, fields.get("$ref"), out);
    string(number::FORMAT, fields.get("format"), out);
    string(number::DESCRIPTION, fields.get("description"), out);
    if let Some(default) = fields.get("default") {
        any(number::DEFAULT, default, out);
    }
    strings(number::REQUIRED, fields.get("required"), out);
    for item in fields.get("enum").and_then(Value::as_array).into_iter().flatten() {
        any(number::ENUM, item, out);
    }
    if let Some(element) = fields.get("additionalProperties") {
        put_nested(number::ADDITIONAL_PROPERTIES, out, |out| put_nested(1, out, |out| schema(element, out)));
    }
    if let Some(name) = fields.get("type") {
        put_nested(number::TYPE, out, |out| string(1, Some(name), out));
    }
    if let Some(element) = fields.get("items") {
        put_nested(number::ITEMS, out, |out| put_nested(1, out, |out| schema(element, out)));
    }
    if fields.contains_key("properties") {
        put_nested(number::PROPERTIES, out, |out| named(1, fields.get("properties"), out, schema));
    }
    extensions(number::EXTENSION, fields, out);
}
