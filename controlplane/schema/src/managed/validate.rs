//! Whether an applied configuration fits its schema. The texts are those of `structured-merge-diff`.

use serde_json::Value;

use super::node::{Node, Ownership};
use super::set::{Scalar, Step, path_text};
use crate::go_text;
use crate::table::Shape;

/// Checks a configuration; the error lists everything that is wrong.
pub(super) fn validate(node: Node, value: &Value) -> Result<(), String> {
    let mut checker = Checker { errors: Vec::new(), path: Vec::new() };
    checker.check(node, value);
    match checker.errors.as_slice() {
        [] => Ok(()),
        [error] => Err(error.clone()),
        errors => Err(format!("errors:\n  {}", errors.join("\n  "))),
    }
}

struct Checker {
    errors: Vec<String>,
    path: Vec<Step>,
}

impl Checker {
    fn error(&mut self, text: String) {
        let path = path_text(&self.path);
        self.errors.push(if path.is_empty() { text } else { format!("{path}: {text}") });
    }

    fn check(&mut self, node: Node, value: &Value) {
        let Some(shape) = node.shape() else {
            return self.error("field not declared in schema".into());
        };
        match (shape, value) {
            (_, Value::Null) | (Shape::Raw | Shape::FieldsV1, _) => {}
            (Shape::Object(_) | Shape::Map(_), Value::Object(fields)) => {
                for (name, value) in fields {
                    self.path.push(Step::Field(name.clone()));
                    self.check(node.member(name), value);
                    self.path.pop();
                }
            }
            (Shape::Object(_) | Shape::Map(_), _) => {
                self.error(format!("expected map, got &{{{}}}", go_text::value(value)))
            }
            (Shape::List(_) | Shape::Items(_), Value::Array(items)) => self.check_items(node, items),
            (Shape::List(_) | Shape::Items(_), _) => {
                self.error(format!("expected list, got &{{{}}}", go_text::value(value)))
            }
            (shape, _) => self.check_scalar(&shape, value),
        }
    }

    fn check_scalar(&mut self, shape: &Shape, value: &Value) {
        let wanted = match shape {
            Shape::Int32 | Shape::Int64 | Shape::Float64 if !value.is_number() => "numeric (int or float)",
            Shape::Bool if !value.is_boolean() => "boolean",
            Shape::String | Shape::Bytes | Shape::Duration if !value.is_string() => "string",
            _ if Scalar::of(value).is_none() => "any scalar",
            _ => return,
        };
        let found = match value {
            Value::String(_) if wanted.starts_with("numeric") => "string".to_owned(),
            Value::Bool(_) if wanted.starts_with("numeric") => "bool".to_owned(),
            other if wanted == "string" => {
                format!("&value.valueUnstructured{{Value:{}}}", go_text::value(other))
            }
            other => format!("&{{{}}}", go_text::value(other)),
        };
        self.error(format!("expected {wanted}, got {found}"));
    }

    fn check_items(&mut self, node: Node, items: &[Value]) {
        let mut seen = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let step = if node.ownership() == Ownership::List {
                match node.step_of(item) {
                    Ok(step) => step,
                    // Without a key nothing below can be named.
                    Err(error) => return self.error(format!("element {index}: {error}")),
                }
            } else {
                Step::Index(i64::try_from(index).unwrap_or(i64::MAX))
            };
            if seen.contains(&step) {
                self.error(format!("duplicate entries for key {step}"));
            }
            self.path.push(step.clone());
            self.check(node.item(), item);
            self.path.pop();
            seen.push(step);
        }
    }
}
