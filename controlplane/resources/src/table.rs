//! Columns and cells.

use jiff::Timestamp;
use kingpost_apimachinery::time;
use serde_json::Value;

use crate::object::text;

/// A column of a table (`meta.k8s.io` `TableColumnDefinition`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Heading; kubectl prints it in capitals.
    pub name: &'static str,
    /// JSON type of its cells.
    pub kind: &'static str,
    /// `name` for the column that names the object, else empty.
    pub format: &'static str,
    /// What it shows.
    pub description: &'static str,
    /// 0 for columns that are always shown, 1 for those of the wide form.
    pub priority: u8,
}

impl Column {
    /// The object's name.
    pub(crate) const NAME: Self = Self {
        name: "Name",
        kind: "string",
        format: "name",
        description: "Name of the object, unique in its namespace.",
        priority: 0,
    };
    /// The object's age.
    pub(crate) const AGE: Self = Self {
        name: "Age",
        kind: "string",
        format: "",
        description: "Time since the object was created.",
        priority: 0,
    };

    pub(crate) const fn text(name: &'static str, description: &'static str) -> Self {
        Self { name, kind: "string", format: "", description, priority: 0 }
    }

    pub(crate) const fn number(name: &'static str, description: &'static str) -> Self {
        Self { name, kind: "integer", format: "", description, priority: 0 }
    }

    /// The same in the wide form alone.
    pub(crate) const fn wide(mut self) -> Self {
        self.priority = 1;
        self
    }
}

/// The cell with the object's name.
pub(crate) fn name(object: &Value) -> Value {
    text(object, "/metadata/name").into()
}

/// The cell with the object's age.
pub(crate) fn age(object: &Value, now: Timestamp) -> Value {
    time::age(object.pointer("/metadata/creationTimestamp").and_then(Value::as_str), now).into()
}

/// `<none>` for nothing.
pub(crate) fn or_none(text: impl Into<String>) -> Value {
    let text = text.into();
    if text.is_empty() { "<none>".into() } else { text.into() }
}
