//! ConfigMaps.

use jiff::Timestamp;
use kingpost_apimachinery::{FieldError, Path, names};
use serde_json::Value;

use crate::metadata;
use crate::object::{entries, flag};
use crate::strategy::{Strategy, Subresource};
use crate::table::{Column, age, name};

/// The most that the data may take (`MaxSecretSize`).
pub(super) const MAX_SIZE: usize = 1024 * 1024;

pub(super) struct ConfigMaps;

impl Strategy for ConfigMaps {
    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = metadata::validate(object, names::dns1123_subdomain);
        let mut size = 0;
        for (field, other) in [("data", "binaryData"), ("binaryData", "data")] {
            let path = Path::new(field);
            for (key, value) in entries(object, &format!("/{field}")) {
                errors.extend(
                    names::config_map_key(key)
                        .into_iter()
                        .map(|why| FieldError::invalid(&path.key(key), key.as_str(), why)),
                );
                if field == "binaryData" && object.get(other).is_some_and(|data| data.get(key).is_some()) {
                    let why = format!("duplicate of key present in {other}");
                    errors.push(FieldError::invalid(&path.key(key), key.as_str(), why));
                }
                let length = value.as_str().unwrap_or_default().len();
                size += if field == "binaryData" { length / 4 * 3 } else { length };
            }
        }
        if size > MAX_SIZE {
            errors.push(FieldError::too_long(&Path::new(""), MAX_SIZE));
        }
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value, _: Subresource) -> Vec<FieldError> {
        let mut errors = metadata::validate_update(new, old, names::dns1123_subdomain);
        if flag(old, "/immutable") {
            if !flag(new, "/immutable") {
                let why = "field is immutable when `immutable` is set";
                errors.push(FieldError::forbidden(&Path::new("immutable"), why));
            }
            for field in ["data", "binaryData"] {
                if new.get(field) != old.get(field) {
                    let why = "field is immutable when `immutable` is set";
                    errors.push(FieldError::forbidden(&Path::new(field), why));
                }
            }
        }
        errors.extend(
            self.validate_create(new).into_iter().filter(|error| !error.field.starts_with("metadata")),
        );
        errors
    }

    fn columns(&self) -> &'static [Column] {
        const DATA: Column = Column::number("Data", "Number of entries.");
        &[Column::NAME, DATA, Column::AGE]
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let count = entries(object, "/data").count() + entries(object, "/binaryData").count();
        vec![name(object), count.into(), age(object, now)]
    }
}
