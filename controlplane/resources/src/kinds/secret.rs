//! Secrets.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use kingpost_apimachinery::{FieldError, Path, names};
use serde_json::{Map, Value};

use super::config_map::MAX_SIZE;
use crate::metadata;
use crate::object::{default_text, entries, flag, remove, text};
use crate::strategy::{Strategy, Subresource};
use crate::table::{Column, age, name};

/// The keys that a type of Secret must have.
const REQUIRED: [(&str, &[&str]); 4] = [
    ("kubernetes.io/dockercfg", &[".dockercfg"]),
    ("kubernetes.io/dockerconfigjson", &[".dockerconfigjson"]),
    ("kubernetes.io/ssh-auth", &["ssh-privatekey"]),
    ("kubernetes.io/tls", &["tls.crt", "tls.key"]),
];

pub(super) struct Secrets;

impl Strategy for Secrets {
    fn default(&self, object: &mut Value) {
        default_text(object, "type", "Opaque");
        // Plain text is for writing only: it goes to the data, encoded.
        let plain = object.get("stringData").and_then(Value::as_object).cloned();
        if let Some(plain) = plain.filter(|plain| !plain.is_empty()) {
            let fields = object.as_object_mut();
            let data = fields.map(|fields| fields.entry("data").or_insert_with(|| Value::Object(Map::new())));
            if let Some(data) = data {
                if data.is_null() {
                    *data = Value::Object(Map::new());
                }
                for (key, value) in plain {
                    crate::object::set(
                        data,
                        &key,
                        BASE64_STANDARD.encode(value.as_str().unwrap_or_default()),
                    );
                }
            }
        }
        remove(object, "stringData");
    }

    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = metadata::validate(object, names::dns1123_subdomain);
        let path = Path::new("data");
        let mut size = 0;
        for (key, value) in entries(object, "/data") {
            errors.extend(
                names::config_map_key(key)
                    .into_iter()
                    .map(|why| FieldError::invalid(&path.key(key), key.as_str(), why)),
            );
            size += value.as_str().unwrap_or_default().len() / 4 * 3;
        }
        if size > MAX_SIZE {
            errors.push(FieldError::too_long(&path, MAX_SIZE));
        }
        let kind = text(object, "/type");
        let required = REQUIRED.iter().find(|(name, _)| *name == kind).map_or(&[][..], |(_, keys)| keys);
        for key in required {
            if object.get("data").is_none_or(|data| data.get(key).is_none()) {
                errors.push(FieldError::required(&path.key(key), ""));
            }
        }
        let account = "/metadata/annotations/kubernetes.io~1service-account.name";
        if kind == "kubernetes.io/service-account-token" && text(object, account).is_empty() {
            let path = Path::new("metadata.annotations").key("kubernetes.io/service-account.name");
            errors.push(FieldError::required(&path, ""));
        }
        if kind == "kubernetes.io/basic-auth" {
            let has = |key| object.get("data").is_some_and(|data| data.get(key).is_some());
            if !has("username") && !has("password") {
                errors.push(FieldError::required(&path.key("username"), ""));
                errors.push(FieldError::required(&path.key("password"), ""));
            }
        }
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value, _: Subresource) -> Vec<FieldError> {
        let mut errors = metadata::validate_update(new, old, names::dns1123_subdomain);
        errors.extend(metadata::immutable(new, old, "/type", &Path::new("type")));
        if flag(old, "/immutable") {
            let why = "field is immutable when `immutable` is set";
            if !flag(new, "/immutable") {
                errors.push(FieldError::forbidden(&Path::new("immutable"), why));
            }
            if new.get("data") != old.get("data") {
                errors.push(FieldError::forbidden(&Path::new("data"), why));
            }
        }
        errors.extend(
            self.validate_create(new).into_iter().filter(|error| !error.field.starts_with("metadata.name")),
        );
        errors.dedup();
        errors
    }

    fn columns(&self) -> &'static [Column] {
        const TYPE: Column = Column::text("Type", "What the Secret is for; controllers and clients read it.");
        const DATA: Column = Column::number("Data", "Number of entries.");
        &[Column::NAME, TYPE, DATA, Column::AGE]
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        vec![
            name(object),
            text(object, "/type").into(),
            entries(object, "/data").count().into(),
            age(object, now),
        ]
    }

    fn selectable_fields(&self, object: &Value) -> Vec<(&'static str, String)> {
        vec![("type", text(object, "/type").to_owned())]
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn plain_text_is_stored_encoded() {
        let mut secret = json!({"metadata": {"name": "s"}, "stringData": {"a": "", "b": "f", "c": "fo", "d": "foo", "e": "foob"}});
        Secrets.default(&mut secret);
        assert_eq!(secret["data"], json!({"a": "", "b": "Zg==", "c": "Zm8=", "d": "Zm9v", "e": "Zm9vYg=="}));
        assert!(secret.get("stringData").is_none());
        assert_eq!(secret["type"], "Opaque");
    }

    #[test]
    fn a_tls_secret_has_both_halves() {
        let secret = json!({"metadata": {"name": "s"}, "type": "kubernetes.io/tls", "data": {"tls.crt": ""}});
        let errors = Secrets.validate_create(&secret);
        assert_eq!(
            errors.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["data[tls.key]: Required value"]
        );
    }
}
