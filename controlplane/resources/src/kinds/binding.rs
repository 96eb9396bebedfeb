//! Bindings: created, never stored.

use jiff::Timestamp;
use kingpost_apimachinery::{FieldError, Path};
use serde_json::Value;

use crate::object::text;
use crate::strategy::{Strategy, Subresource};
use crate::table::{Column, age, name};

pub(super) struct Bindings;

impl Strategy for Bindings {
    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        let target = Path::new("target");
        let mut errors = Vec::new();
        let kind = text(object, "/target/kind");
        if !kind.is_empty() && kind != "Node" {
            errors.push(FieldError::not_supported(&target.child("kind"), kind, &["Node", "<empty>"]));
        }
        if text(object, "/target/name").is_empty() {
            errors.push(FieldError::required(&target.child("name"), ""));
        }
        errors
    }

    fn validate_update(&self, new: &Value, _: &Value, _: Subresource) -> Vec<FieldError> {
        self.validate_create(new)
    }

    fn columns(&self) -> &'static [Column] {
        &[Column::NAME, Column::AGE]
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        vec![name(object), age(object, now)]
    }
}
