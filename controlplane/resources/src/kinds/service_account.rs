//! ServiceAccounts.

use jiff::Timestamp;
use kingpost_apimachinery::{FieldError, names};
use serde_json::Value;

use crate::metadata;
use crate::object::items;
use crate::strategy::{Strategy, Subresource};
use crate::table::{Column, age, name};

pub(super) struct ServiceAccounts;

impl Strategy for ServiceAccounts {
    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        metadata::validate(object, names::dns1123_subdomain)
    }

    fn validate_update(&self, new: &Value, old: &Value, _: Subresource) -> Vec<FieldError> {
        metadata::validate_update(new, old, names::dns1123_subdomain)
    }

    fn columns(&self) -> &'static [Column] {
        const SECRETS: Column = Column::number("Secrets", "Number of Secrets that its pods may use.");
        &[Column::NAME, SECRETS, Column::AGE]
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        vec![name(object), items(object, "/secrets").len().into(), age(object, now)]
    }
}
