//! The way from client-side to server-side apply with kubectl: fields that its last-applied annotation names may be taken
//! over, and the annotation follows what is applied.

use serde_json::Value;

use super::compare::{Comparison, field_set};
use super::node::Node;
use super::set::FieldSet;
use crate::read_json;

/// The manager for which this is done.
pub(super) const KUBECTL: &str = "kubectl";

const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Upstream's limit for all annotations of an object, in bytes.
const MAX_ANNOTATIONS: usize = 256 * 1024;

fn last_applied(object: &Value) -> Option<&str> {
    let text = object.get("metadata")?.get("annotations")?.get(ANNOTATION)?.as_str()?;
    (!text.is_empty()).then_some(text)
}

/// The fields that were applied client-side and have been left alone since.
pub(super) fn allowed(node: Node, live: &Value, api_version: &str) -> Option<FieldSet> {
    let applied = read_json(last_applied(live)?.as_bytes()).ok()?;
    if applied.get("apiVersion").and_then(Value::as_str) != Some(api_version) {
        return None;
    }
    let comparison = Comparison::of(node, &applied, live).ok()?;
    let changed = comparison.modified.union(&comparison.added).union(&comparison.removed);
    Some(field_set(node, &applied).ok()?.difference(&changed))
}

/// Puts what was applied into the annotation, if the object has it.
pub(super) fn follow(object: &mut Value, applied: &Value) {
    if last_applied(object).is_none() {
        return;
    }
    let mut applied = applied.clone();
    if let Some(Value::Object(annotations)) = applied.pointer_mut("/metadata/annotations") {
        annotations.remove(ANNOTATION);
    }
    let text = format!("{applied}\n");
    let Some(Value::Object(annotations)) = object.pointer_mut("/metadata/annotations") else { return };
    let others: usize = annotations
        .iter()
        .filter(|(name, _)| *name != ANNOTATION)
        .map(|(name, value)| name.len() + value.as_str().map_or(0, str::len))
        .sum();
    if others + ANNOTATION.len() + text.len() > MAX_ANNOTATIONS {
        annotations.remove(ANNOTATION);
    } else {
        annotations.insert(ANNOTATION.into(), Value::String(text));
    }
}
