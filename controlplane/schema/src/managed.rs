//! Server-side apply and `metadata.managedFields`: upstream's `managedfields` on `structured-merge-diff`, for kinds of one
//! version (entries of other versions are kept and compared by the same schema).

mod compare;
mod fields_v1;
mod last_applied;
mod managers;
mod merge;
mod node;
mod set;
mod updater;
mod validate;

use serde_json::{Map, Value, json};

use self::managers::{ManagerId, Managers};
use self::node::Node;
use self::set::{FieldSet, path_text};
use self::updater::{OwnedField, Refusal, Updater};

use crate::request::{FieldValidation, decode_value};
use crate::table::{Shape, TypeRef};
use crate::zero::zero;

/// Who writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Writer<'a> {
    /// Field manager: the query parameter, or the user agent up to its first slash.
    pub manager: &'a str,
    /// `apiVersion` of the request.
    pub api_version: &'a str,
    /// Subresource that is written, `""` for the object itself.
    pub subresource: &'a str,
    /// Now, RFC 3339 with seconds.
    pub time: &'a str,
}

/// A field that somebody else owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Text of the cause: `conflict with "kubectl" using apps/v1`.
    pub message: String,
    /// Path of the field: `.spec.replicas`.
    pub field: String,
}

/// Why a write was not applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManagedFieldsError {
    /// Others own fields that the applied object sets to another value: 409, reason `Conflict`, one cause of type
    /// `FieldManagerConflict` per entry.
    #[error("{}", conflict_text(.0))]
    Conflicts(Vec<Conflict>),
    /// The applied object, or `managedFields` in it, is not acceptable: 400.
    #[error("{0}")]
    BadRequest(String),
    /// An object does not have the shape of its type: 500.
    #[error("{0}")]
    Shape(String),
}

/// Upstream's message for conflicts.
fn conflict_text(conflicts: &[Conflict]) -> String {
    if let [conflict] = conflicts {
        return format!("Apply failed with 1 conflict: {}: {}", conflict.message, conflict.field);
    }
    let mut lines = Vec::new();
    let mut current = "";
    for conflict in conflicts {
        if conflict.message != current {
            current = &conflict.message;
            lines.push(format!("{}:", current.replacen("conflict with", "conflicts with", 1)));
        }
        lines.push(format!("- {}", conflict.field));
    }
    format!("Apply failed with {} conflicts: {}", conflicts.len(), lines.join("\n"))
}

/// Server-side apply: merges `applied` into `live` (`None` on create) and returns the new object with its
/// `managedFields`. `applied` is what the client sent ([`crate::read_yaml`]), not a decoded object: fields that decoding
/// adds would be owned. `force` takes fields over instead of reporting conflicts.
///
/// The result has gone through [`decode_value`]; defaulting is the caller's.
///
/// # Errors
/// [`ManagedFieldsError`].
pub fn apply(
    ty: TypeRef,
    live: Option<&Value>,
    applied: &Value,
    writer: Writer<'_>,
    force: bool,
) -> Result<Value, ManagedFieldsError> {
    check_applied(applied, writer)?;
    let node = Node::root(ty);
    let shape = |error: String| ManagedFieldsError::Shape(error);
    validate::validate(node, applied).map_err(|error| {
        shape(format!("failed to create typed patch object ({}): {error}", describe(applied)))
    })?;
    let mut managers = live
        .map_or(Ok(Managers::default()), Managers::read)
        .map_err(|error| shape(format!("failed to decode managed fields: {error}")))?;
    let empty = empty_object(ty, applied);
    let mut live = live.cloned().unwrap_or_else(|| empty.clone());
    strip(&mut live);
    let updater = Updater { node, ignored: ignored(ty, writer.subresource) };
    if managers.0.is_empty() {
        let before = writer_id(Writer { manager: "before-first-apply", ..writer }, false);
        updater.update(&empty, &live, &mut managers, &before, writer.time).map_err(shape)?;
        managers.cap_updates();
    }
    let id = writer_id(writer, true);
    let run = |managers: &mut Managers, force: bool| {
        updater.apply(&live, applied, managers, &id, writer.api_version, force)
    };
    let mut owned = managers.clone();
    let merged = match run(&mut owned, force) {
        Err(Refusal::Conflicts(conflicts)) if writer.manager == last_applied::KUBECTL => {
            let allowed = last_applied::allowed(node, &live, writer.api_version).unwrap_or_default();
            let rest: Vec<OwnedField> =
                conflicts.into_iter().filter(|field| !allowed.has(&field.path)).collect();
            if rest.is_empty() {
                owned = managers;
                run(&mut owned, true)
            } else {
                Err(Refusal::Conflicts(rest))
            }
        }
        merged => merged,
    };
    let merged = merged.map_err(refused)?;
    if let (Some(_), Some(entry)) = (&merged, owned.0.get_mut(&id)) {
        entry.time = writer.time.to_owned();
    }
    let merged = merged.unwrap_or(live);
    let mut object = decode_value(&merged, ty, FieldValidation::Ignore)
        .map_err(|error| {
            shape(format!("failed to convert new object ({}) to proper version: {error}", describe(applied)))
        })?
        .value;
    owned.write(&mut object);
    if writer.manager == last_applied::KUBECTL {
        last_applied::follow(&mut object, applied);
    }
    Ok(object)
}

/// What an apply patch has to be, before it is looked at as an object.
fn check_applied(applied: &Value, writer: Writer<'_>) -> Result<(), ManagedFieldsError> {
    let bad = |text: String| Err(ManagedFieldsError::BadRequest(text));
    let version = applied.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    if version != writer.api_version {
        return bad(format!(
            "Incorrect version specified in apply patch. Specified patch version: {version}, expected: {}",
            writer.api_version
        ));
    }
    if applied.pointer("/metadata/managedFields").is_some_and(|fields| !fields.is_null()) {
        return bad("metadata.managedFields must be nil".into());
    }
    Ok(())
}

/// Bookkeeping of a create (`live` is `None`), update or patch: sets `new.metadata.managedFields`. `new` is the object as it
/// will be stored: defaulted, and with what its resource does not let a request change put back.
///
/// As upstream, a manager that cannot be tracked never fails a write: `managedFields` of the live object are kept then.
pub fn track(ty: TypeRef, live: Option<&Value>, new: &mut Value, writer: Writer<'_>) {
    if !new.get("metadata").is_some_and(Value::is_object) {
        return;
    }
    let of_live = live.and_then(|live| Managers::read(live).ok()).unwrap_or_default();
    let mut managers = if !writer.subresource.is_empty() {
        of_live
    } else if is_reset(new) {
        Managers::default()
    } else {
        // A client that does not know managedFields must not lose them.
        Managers::read(new).ok().filter(|managers| !managers.0.is_empty()).unwrap_or(of_live)
    };
    strip(new);
    let known = live.and_then(|live| live.pointer("/metadata/uid")).and_then(Value::as_str);
    if managers.0.is_empty() && known.is_some_and(|uid| !uid.is_empty()) {
        // An object that nobody tracked so far is tracked from the first apply on.
        return;
    }
    let mut old = live.cloned().unwrap_or_else(|| empty_object(ty, new));
    strip(&mut old);
    let updater = Updater { node: Node::root(ty), ignored: ignored(ty, writer.subresource) };
    if updater.update(&old, new, &mut managers, &writer_id(writer, false), writer.time).is_err() {
        let kept = live.and_then(|live| live.pointer("/metadata/managedFields")).cloned();
        if let (Some(kept), Some(Value::Object(metadata))) = (kept, new.get_mut("metadata")) {
            metadata.insert("managedFields".into(), kept);
        }
        return;
    }
    managers.cap_updates();
    managers.write(new);
}

/// Whether a request asks for `managedFields` to be forgotten.
fn is_reset(object: &Value) -> bool {
    match object.pointer("/metadata/managedFields") {
        Some(Value::Array(entries)) => match entries.as_slice() {
            [] => true,
            [entry] => entry.as_object().is_some_and(Map::is_empty),
            _ => false,
        },
        _ => false,
    }
}

fn strip(object: &mut Value) {
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        metadata.remove("managedFields");
    }
}

/// What an object is before anything is set.
fn empty_object(ty: TypeRef, like: &Value) -> Value {
    let mut empty = zero(&Shape::Object(ty));
    if let Value::Object(fields) = &mut empty {
        for name in ["apiVersion", "kind"] {
            fields.insert(name.into(), like.get(name).cloned().unwrap_or(json!("")));
        }
    }
    empty
}

/// Fields that a request for this (sub)resource cannot change.
fn ignored(ty: TypeRef, subresource: &str) -> FieldSet {
    match subresource {
        "" if ty.field("status").is_some() && ty.field("metadata").is_some() => {
            FieldSet::of_fields(&["status"])
        }
        "status" => FieldSet::of_fields(&["spec"]),
        _ => FieldSet::default(),
    }
}

fn writer_id(writer: Writer<'_>, applies: bool) -> ManagerId {
    ManagerId {
        manager: if writer.manager.is_empty() { "unknown" } else { writer.manager }.to_owned(),
        applies,
        api_version: if applies { String::new() } else { writer.api_version.to_owned() },
        subresource: writer.subresource.to_owned(),
    }
}

/// `namespace/name; group/version, Kind=kind`, as upstream's errors name an object.
fn describe(object: &Value) -> String {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let api_version = text("/apiVersion");
    let slash = if api_version.contains('/') { "" } else { "/" };
    let (namespace, name, kind) = (text("/metadata/namespace"), text("/metadata/name"), text("/kind"));
    format!("{namespace}/{name}; {slash}{api_version}, Kind={kind}")
}

fn refused(refusal: Refusal) -> ManagedFieldsError {
    match refusal {
        Refusal::Shape(text) => ManagedFieldsError::Shape(text),
        Refusal::Conflicts(fields) => {
            let conflicts = fields.into_iter().map(|field| Conflict {
                message: format!("conflict with {}", field.manager.text()),
                field: path_text(&field.path),
            });
            ManagedFieldsError::Conflicts(conflicts.collect())
        }
    }
}

#[cfg(test)]
mod tests;
