//! What is wrong with which field (upstream's `util/validation/field`).

use std::fmt;

use serde_json::Value;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldErrorKind {
    /// It is missing.
    Required,
    /// It has a value that it must not have.
    Invalid,
    /// It has none of the values that it may have.
    NotSupported,
    /// It repeats another.
    Duplicate,
    /// It must not be set here, or by this user.
    Forbidden,
    /// It is too long.
    TooLong,
    /// There are too many.
    TooMany,
    /// It names something that is not there.
    NotFound,
    /// The server failed.
    Internal,
    /// It is of the wrong type.
    TypeInvalid,
}

/// Something wrong with a field.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldError {
    /// What is wrong.
    pub kind: FieldErrorKind,
    /// Path of the field, `spec.containers[0].name`.
    pub field: String,
    /// The value that it has.
    pub bad_value: Value,
    /// In words.
    pub detail: String,
}

impl FieldError {
    fn new(kind: FieldErrorKind, path: &Path, bad_value: Value, detail: impl Into<String>) -> Self {
        Self { kind, field: path.to_string(), bad_value, detail: detail.into() }
    }

    /// `Required value`, with a detail if there is one.
    pub fn required(path: &Path, detail: impl Into<String>) -> Self {
        Self::new(FieldErrorKind::Required, path, Value::Null, detail)
    }

    /// `Invalid value: "x": detail`.
    pub fn invalid(path: &Path, value: impl Into<Value>, detail: impl Into<String>) -> Self {
        Self::new(FieldErrorKind::Invalid, path, value.into(), detail)
    }

    /// `Unsupported value: "x": supported values: "a", "b"`.
    pub fn not_supported(path: &Path, value: impl Into<Value>, supported: &[&str]) -> Self {
        let quoted: Vec<_> = supported.iter().map(|value| format!("{value:?}")).collect();
        let detail = if quoted.is_empty() {
            String::new()
        } else {
            format!("supported values: {}", quoted.join(", "))
        };
        Self::new(FieldErrorKind::NotSupported, path, value.into(), detail)
    }

    /// `Duplicate value: "x"`.
    pub fn duplicate(path: &Path, value: impl Into<Value>) -> Self {
        Self::new(FieldErrorKind::Duplicate, path, value.into(), "")
    }

    /// `Forbidden: detail`.
    pub fn forbidden(path: &Path, detail: impl Into<String>) -> Self {
        Self::new(FieldErrorKind::Forbidden, path, Value::Null, detail)
    }

    /// `Too long: may not be more than N bytes`.
    #[must_use]
    pub fn too_long(path: &Path, max: usize) -> Self {
        Self::new(FieldErrorKind::TooLong, path, Value::Null, format!("may not be more than {max} bytes"))
    }

    /// `Too many: N: must have at most M items`.
    #[must_use]
    pub fn too_many(path: &Path, actual: usize, max: usize) -> Self {
        let items = if max == 1 { "item" } else { "items" };
        Self::new(FieldErrorKind::TooMany, path, actual.into(), format!("must have at most {max} {items}"))
    }

    /// `Not found: "x"`.
    pub fn not_found(path: &Path, value: impl Into<Value>) -> Self {
        Self::new(FieldErrorKind::NotFound, path, value.into(), "")
    }

    /// `Internal error: detail`.
    pub fn internal(path: &Path, detail: impl Into<String>) -> Self {
        Self::new(FieldErrorKind::Internal, path, Value::Null, detail)
    }

    /// The error without its field.
    #[must_use]
    pub fn body(&self) -> String {
        let kind = match self.kind {
            FieldErrorKind::Required => "Required value",
            FieldErrorKind::Invalid | FieldErrorKind::TypeInvalid => "Invalid value",
            FieldErrorKind::NotSupported => "Unsupported value",
            FieldErrorKind::Duplicate => "Duplicate value",
            FieldErrorKind::Forbidden => "Forbidden",
            FieldErrorKind::TooLong => "Too long",
            FieldErrorKind::TooMany => "Too many",
            FieldErrorKind::NotFound => "Not found",
            FieldErrorKind::Internal => "Internal error",
        };
        let without_value = matches!(
            self.kind,
            FieldErrorKind::Required
                | FieldErrorKind::Forbidden
                | FieldErrorKind::TooLong
                | FieldErrorKind::Internal
        );
        let mut text = kind.to_owned();
        if !without_value {
            text.push_str(&format!(": {}", shown(&self.bad_value)));
        }
        if !self.detail.is_empty() {
            text.push_str(&format!(": {}", self.detail));
        }
        text
    }
}

/// Strings in quotes, everything else as JSON.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::String(text) => format!("{text:?}"),
        other => other.to_string(),
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() || self.field == "<nil>" {
            f.write_str(&self.body())
        } else {
            write!(f, "{}: {}", self.field, self.body())
        }
    }
}

/// The way to a field. Borrowed paths are extended without a copy of what they begin with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path {
    text: String,
}

impl Path {
    /// The path of a top-level field; dots in it are taken as they are.
    pub fn new(name: impl Into<String>) -> Self {
        Self { text: name.into() }
    }

    /// A field of the object at this path.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        if self.text.is_empty() { Self::new(name) } else { Self { text: format!("{}.{name}", self.text) } }
    }

    /// An item of the list at this path.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        Self { text: format!("{}[{index}]", self.text) }
    }

    /// An entry of the map at this path.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        Self { text: format!("{}[{key}]", self.text) }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn errors_read_as_upstream_writes_them() {
        let path = Path::new("spec").child("containers").index(0).child("name");
        for (error, text) in [
            (FieldError::required(&path, ""), "spec.containers[0].name: Required value"),
            (FieldError::invalid(&path, "A_b", "no"), "spec.containers[0].name: Invalid value: \"A_b\": no"),
            (FieldError::duplicate(&path, "a"), "spec.containers[0].name: Duplicate value: \"a\""),
            (
                FieldError::not_supported(&path, "x", &["Always", "Never"]),
                "spec.containers[0].name: Unsupported value: \"x\": supported values: \"Always\", \"Never\"",
            ),
            (
                FieldError::too_long(&path, 63),
                "spec.containers[0].name: Too long: may not be more than 63 bytes",
            ),
            (
                FieldError::too_many(&path, 3, 1),
                "spec.containers[0].name: Too many: 3: must have at most 1 item",
            ),
            (FieldError::forbidden(&path, "may not"), "spec.containers[0].name: Forbidden: may not"),
            (
                FieldError::invalid(&Path::new("data").key("a b"), json!({"x": 1}), "no"),
                "data[a b]: Invalid value: {\"x\":1}: no",
            ),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }
}
