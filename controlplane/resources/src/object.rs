//! Reading and filling in the fields of an object.

use serde_json::{Map, Value};

/// The text at a pointer, empty if it is not there.
pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The number at a pointer.
pub(crate) fn number(object: &Value, pointer: &str) -> Option<i64> {
    object.pointer(pointer).and_then(Value::as_i64)
}

/// Whether the field at a pointer is true.
pub(crate) fn flag(object: &Value, pointer: &str) -> bool {
    object.pointer(pointer).and_then(Value::as_bool) == Some(true)
}

/// The items of the list at a pointer, none if it is not there.
pub(crate) fn items<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The entries of the map at a pointer, none if it is not there.
pub(crate) fn entries<'a>(object: &'a Value, pointer: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    object.pointer(pointer).and_then(Value::as_object).into_iter().flatten()
}

/// Whether a field says nothing: it is absent, null, empty.
pub(crate) fn is_blank(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(Value::Object(fields)) => fields.is_empty(),
        Some(_) => false,
    }
}

/// The map in a field, made if it is not there.
pub(crate) fn map_in<'a>(object: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    let fields = object.as_object_mut()?;
    let field = fields.entry(name).or_insert_with(|| Value::Object(Map::new()));
    if field.is_null() {
        *field = Value::Object(Map::new());
    }
    field.is_object().then_some(field)
}

/// Sets a field that is absent or null.
pub(crate) fn default(object: &mut Value, name: &str, value: impl Into<Value>) {
    if let Some(fields) = object.as_object_mut() {
        let field = fields.entry(name).or_insert(Value::Null);
        if field.is_null() {
            *field = value.into();
        }
    }
}

/// Sets a text that is absent or empty.
pub(crate) fn default_text(object: &mut Value, name: &str, value: &str) {
    if object.get(name).and_then(Value::as_str).unwrap_or_default().is_empty() {
        set(object, name, value);
    }
}

/// Sets a field.
pub(crate) fn set(object: &mut Value, name: &str, value: impl Into<Value>) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.to_owned(), value.into());
    }
}

/// Takes a field away.
pub(crate) fn remove(object: &mut Value, name: &str) {
    if let Some(fields) = object.as_object_mut() {
        fields.remove(name);
    }
}

/// Makes a field what it is in another object.
pub(crate) fn keep(new: &mut Value, old: &Value, name: &str) {
    match old.get(name) {
        Some(value) => set(new, name, value.clone()),
        None => remove(new, name),
    }
}

/// The items of the list in a field, to be changed.
pub(crate) fn items_mut<'a>(object: &'a mut Value, name: &str) -> impl Iterator<Item = &'a mut Value> {
    object.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten()
}

/// Starts the count of generations.
pub(crate) fn first_generation(object: &mut Value) {
    if let Some(metadata) = map_in(object, "metadata") {
        set(metadata, "generation", 1);
    }
}

/// Counts a generation if the specification is another one.
pub(crate) fn count_generation(new: &mut Value, old: &Value) {
    let before = number(old, "/metadata/generation").unwrap_or(0);
    let changed = new.get("spec") != old.get("spec");
    if let Some(metadata) = map_in(new, "metadata") {
        set(metadata, "generation", if changed { before + 1 } else { before });
    }
}

/// Keeps specification and status apart: a write of one leaves the other as it was. Counts the generation.
pub(crate) fn separate_status(new: &mut Value, old: &Value, subresource: crate::Subresource) {
    if subresource == crate::Subresource::Status {
        keep(new, old, "spec");
        keep_metadata_of_status(new, old);
    } else {
        keep(new, old, "status");
    }
    count_generation(new, old);
}

/// A write of the status may change labels and annotations, as upstream has it, but not who owns the object or whether it ends.
fn keep_metadata_of_status(new: &mut Value, old: &Value) {
    let (Some(metadata), Some(old)) = (new.get_mut("metadata"), old.get("metadata")) else { return };
    for field in ["ownerReferences", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        keep(metadata, old, field);
    }
}
