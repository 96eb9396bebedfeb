//! JSON patch, RFC 6902, as `evanphx/json-patch` v4 applies it: indices may be negative, `replace` of a member that is not
//! there adds it, `test` for null passes on a missing member.

use serde_json::{Map, Value};

use super::PatchError;
use crate::read_json;

/// Upstream's limits of a patch.
const MAX_OPERATIONS: usize = 10_000;
const MAX_COPIED: usize = 3 * 1024 * 1024;

/// Applies a patch's body to a copy of `current`.
pub(super) fn apply(current: &Value, body: &[u8]) -> Result<Value, PatchError> {
    let bad = |text: &str| PatchError::BadRequest(text.to_owned());
    let patch = read_json(body).map_err(|error| PatchError::BadRequest(error.to_string()))?;
    let Value::Array(operations) = patch else {
        return Err(bad("json: cannot unmarshal object into Go value of type jsonpatch.Patch"));
    };
    if operations.len() > MAX_OPERATIONS {
        return Err(PatchError::TooManyOperations { limit: MAX_OPERATIONS, found: operations.len() });
    }
    let mut document = current.clone();
    let mut copied = 0;
    for operation in &operations {
        let Value::Object(operation) = operation else {
            return Err(bad("json: cannot unmarshal into Go value of type jsonpatch.Operation"));
        };
        run(&mut document, operation, &mut copied).map_err(PatchError::Unprocessable)?;
    }
    Ok(document)
}

type Applied<T> = Result<T, String>;

fn run(document: &mut Value, operation: &Map<String, Value>, copied: &mut usize) -> Applied<()> {
    let text = |name: &str| operation.get(name).and_then(Value::as_str);
    let kind = text("op").unwrap_or("unknown");
    let path = || {
        text("path").ok_or_else(|| {
            format!("{kind} operation failed to decode path: operation missing path field: missing value")
        })
    };
    let from = || {
        text("from").ok_or_else(|| {
            format!("{kind} operation failed to decode from: operation, missing from field: missing value")
        })
    };
    let value = || operation.get("value").cloned().unwrap_or(Value::Null);
    match kind {
        "add" => add(document, path()?, value()),
        "remove" => remove(document, path()?),
        "replace" => replace(document, path()?, value()),
        "test" => test(document, path()?, &value()),
        "move" => {
            let (from, path) = (from()?, path()?);
            let moved = take(document, from)?;
            let (parent, key) =
                find(document, path).ok_or_else(|| missing(kind, "destination path", path))?;
            insert(parent, &key, moved).map_err(|error| format!("error in move for path: '{path}': {error}"))
        }
        "copy" => {
            let (from, path) = (from()?, path()?);
            let (parent, key) = find(document, from).ok_or_else(|| missing(kind, "from path", from))?;
            let value =
                get(parent, &key).map_err(|error| format!("error in copy for from: '{from}': {error}"))?;
            *copied += value.as_ref().map_or(4, |value| value.to_string().len());
            if *copied > MAX_COPIED {
                return Err(format!(
                    "Unable to complete the copy, the accumulated size increase of copy is {copied}, exceeding the \
                     limit {MAX_COPIED}"
                ));
            }
            let (parent, key) =
                find(document, path).ok_or_else(|| missing(kind, "destination path", path))?;
            let value = value.unwrap_or(Value::Null);
            insert(parent, &key, value)
                .map_err(|error| format!("error while adding value during copy: {error}"))
        }
        other => Err(format!("Unexpected kind: {other}")),
    }
}

fn missing(kind: &str, what: &str, path: &str) -> String {
    format!("{kind} operation does not apply: doc is missing {what}: {path}: missing value")
}

fn add(document: &mut Value, path: &str, value: Value) -> Applied<()> {
    let (parent, key) = find(document, path).ok_or_else(|| missing("add", "path", &format!("\"{path}\"")))?;
    insert(parent, &key, value).map_err(|error| format!("error in add for path: '{path}': {error}"))
}

fn remove(document: &mut Value, path: &str) -> Applied<()> {
    let (parent, key) =
        find(document, path).ok_or_else(|| missing("remove", "path", &format!("\"{path}\"")))?;
    delete(parent, &key).map_err(|error| format!("error in remove for path: '{path}': {error}"))
}

fn replace(document: &mut Value, path: &str, value: Value) -> Applied<()> {
    if path.is_empty() {
        if !value.is_object() && !value.is_array() {
            return Err("replace operation value must be object or array".into());
        }
        *document = value;
        return Ok(());
    }
    let (parent, key) = find(document, path).ok_or_else(|| missing("replace", "path", path))?;
    get(parent, &key).map_err(|_| missing("replace", "key", path))?;
    match parent {
        Value::Object(fields) => {
            fields.insert(key, value);
        }
        _ => {
            let place = existing(parent, &key)?;
            if let Some(slot) = parent.get_mut(place) {
                *slot = value;
            }
        }
    }
    Ok(())
}

fn test(document: &mut Value, path: &str, value: &Value) -> Applied<()> {
    let failed = || format!("testing value {path} failed: test failed");
    if path.is_empty() {
        return if document == value { Ok(()) } else { Err(failed()) };
    }
    let (parent, key) = find(document, path)
        .ok_or_else(|| format!("test operation does not apply: is missing path: {path}: missing value"))?;
    let found = get(parent, &key).map_err(|error| format!("error in test for path: '{path}': {error}"))?;
    if found.unwrap_or(Value::Null) == *value { Ok(()) } else { Err(failed()) }
}

/// Takes the source of a `move` out of the document.
fn take(document: &mut Value, from: &str) -> Applied<Value> {
    let (parent, key) = find(document, from).ok_or_else(|| missing("move", "from path", from))?;
    let in_move = |error| format!("error in move for path: '{key}': {error}");
    let value = get(parent, &key).map_err(in_move)?;
    delete(parent, &key).map_err(in_move)?;
    Ok(value.unwrap_or(Value::Null))
}

/// The container that a pointer ends in, and the last part of the pointer.
fn find<'a>(document: &'a mut Value, path: &str) -> Option<(&'a mut Value, String)> {
    let mut parts = path.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~"));
    let mut key = parts.next()?;
    let mut container = document;
    for next in parts {
        container = match container {
            Value::Object(fields) => fields.get_mut(&key)?,
            Value::Array(_) => {
                let place = existing(container, &key).ok()?;
                container.get_mut(place)?
            }
            _ => return None,
        };
        key = next;
    }
    (container.is_object() || container.is_array()).then_some((container, key))
}

fn get(container: &Value, key: &str) -> Applied<Option<Value>> {
    match container {
        Value::Object(fields) => Ok(fields.get(key).cloned()),
        _ => existing(container, key).map(|place| container.get(place).cloned()),
    }
}

fn insert(container: &mut Value, key: &str, value: Value) -> Applied<()> {
    match container {
        Value::Object(fields) => {
            fields.insert(key.to_owned(), value);
            Ok(())
        }
        Value::Array(items) if key == "-" => {
            items.push(value);
            Ok(())
        }
        Value::Array(items) => {
            let index =
                atoi(key).map_err(|error| format!("value was not a proper array index: '{key}': {error}"))?;
            let place = position(index, items.len() + 1)?;
            items.insert(place, value);
            Ok(())
        }
        _ => Err("invalid state detected".into()),
    }
}

fn delete(container: &mut Value, key: &str) -> Applied<()> {
    if let Value::Object(fields) = container {
        return match fields.remove(key) {
            Some(_) => Ok(()),
            None => Err(format!("Unable to remove nonexistent key: {key}: missing value")),
        };
    }
    let place = existing(container, key)?;
    if let Value::Array(items) = container {
        items.remove(place);
    }
    Ok(())
}

/// Place of an item that has to be there.
fn existing(container: &Value, key: &str) -> Applied<usize> {
    position(atoi(key)?, container.as_array().map_or(0, Vec::len))
}

fn position(index: i64, length: usize) -> Applied<usize> {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let place = if index < 0 { index.saturating_add(length) } else { index };
    usize::try_from(place)
        .ok()
        .filter(|_| place < length)
        .ok_or_else(|| format!("Unable to access invalid index: {index}: invalid index referenced"))
}

fn atoi(key: &str) -> Applied<i64> {
    key.parse().map_err(|_| format!("strconv.Atoi: parsing {key:?}: invalid syntax"))
}
