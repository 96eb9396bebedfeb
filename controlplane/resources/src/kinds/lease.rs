//! Leases.

use jiff::Timestamp;
use kingpost_apimachinery::{FieldError, Path, names};
use serde_json::Value;

use crate::metadata;
use crate::object::{number, text};
use crate::strategy::{Strategy, Subresource};
use crate::table::{Column, age, name};

pub(super) struct Leases;

impl Strategy for Leases {
    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = metadata::validate(object, names::dns1123_subdomain);
        errors.extend(validate_spec(object));
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value, _: Subresource) -> Vec<FieldError> {
        let mut errors = metadata::validate_update(new, old, names::dns1123_subdomain);
        errors.extend(validate_spec(new));
        errors
    }

    fn columns(&self) -> &'static [Column] {
        const HOLDER: Column = Column::text("Holder", "Who holds the lease.");
        &[Column::NAME, HOLDER, Column::AGE]
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        vec![name(object), text(object, "/spec/holderIdentity").into(), age(object, now)]
    }
}

fn validate_spec(object: &Value) -> Vec<FieldError> {
    let path = Path::new("spec");
    let mut errors = Vec::new();
    if let Some(seconds) = number(object, "/spec/leaseDurationSeconds").filter(|seconds| *seconds <= 0) {
        errors.push(FieldError::invalid(
            &path.child("leaseDurationSeconds"),
            seconds,
            "must be greater than 0",
        ));
    }
    errors.extend(metadata::non_negative(object, "/spec/leaseTransitions", &path.child("leaseTransitions")));
    errors
}
