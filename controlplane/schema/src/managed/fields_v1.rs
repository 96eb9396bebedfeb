//! `FieldsV1`: a field set as JSON.

use serde_json::{Map, Value};

use super::set::{FieldSet, Scalar, Step};
use crate::read_json;

/// Encodes a set.
pub(super) fn encode(set: &FieldSet) -> Value {
    Value::Object(object(set))
}

fn object(set: &FieldSet) -> Map<String, Value> {
    let mut out = Map::new();
    for step in &set.members {
        if !set.children.contains_key(step) {
            out.insert(step_text(step), Value::Object(Map::new()));
        }
    }
    for (step, child) in &set.children {
        let mut inner = object(child);
        if set.members.contains(step) {
            inner.insert(".".into(), Value::Object(Map::new()));
        }
        out.insert(step_text(step), Value::Object(inner));
    }
    out
}

fn step_text(step: &Step) -> String {
    match step {
        Step::Field(name) => format!("f:{name}"),
        Step::Key(keys) => {
            let member = |(name, value): &(String, Scalar)| {
                format!("{}:{}", Value::String(name.clone()), value.json())
            };
            format!("k:{{{}}}", keys.iter().map(member).collect::<Vec<_>>().join(","))
        }
        Step::Value(value) => format!("v:{}", value.json()),
        Step::Index(index) => format!("i:{index}"),
    }
}

/// Decodes a set; steps of kinds that are not known are left out, as upstream does.
pub(super) fn decode(fields: &Value) -> Result<FieldSet, String> {
    match fields {
        Value::Null => Ok(FieldSet::default()),
        Value::Object(fields) => decode_object(fields),
        _ => Err("fieldsV1 is not an object".into()),
    }
}

fn decode_object(fields: &Map<String, Value>) -> Result<FieldSet, String> {
    let mut set = FieldSet::default();
    for (key, value) in fields.iter().filter(|(key, _)| *key != ".") {
        let Some(step) = parse_step(key)? else { continue };
        let Value::Object(inner) = value else { return Err(format!("{key}: not an object")) };
        let child = decode_object(inner)?;
        if child.is_empty() || inner.contains_key(".") {
            set.members.insert(step.clone());
        }
        if !child.is_empty() {
            set.children.insert(step, child);
        }
    }
    Ok(set)
}

fn parse_step(text: &str) -> Result<Option<Step>, String> {
    let (kind, content) = text.split_once(':').ok_or_else(|| format!("missing colon: {text}"))?;
    let json = || read_json(content.as_bytes()).map_err(|error| format!("{text}: {error}"));
    let scalar = |value: &Value| Scalar::of(value).ok_or_else(|| format!("{text}: not a scalar"));
    Ok(Some(match kind {
        "f" => Step::Field(content.to_owned()),
        "v" => Step::Value(scalar(&json()?)?),
        "i" => Step::Index(content.parse().map_err(|_| format!("{text}: not a number"))?),
        "k" => {
            let Value::Object(keys) = json()? else { return Err(format!("{text}: not an object")) };
            let mut out = Vec::with_capacity(keys.len());
            for (name, value) in &keys {
                out.push((name.clone(), scalar(value)?));
            }
            out.sort();
            Step::Key(out)
        }
        _ => return Ok(None),
    }))
}
