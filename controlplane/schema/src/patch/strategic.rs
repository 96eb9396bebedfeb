//! Strategic merge patch: `k8s.io/apimachinery/pkg/util/strategicpatch`, over the table instead of struct tags.

use serde_json::{Map, Value};

use super::PatchError;
use super::order::{partition, position_of_key, weave};
use crate::go_text;
use crate::table::{Field, PatchKind, Shape, TypeRef};

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const SET_ORDER: &str = "$setElementOrder";
const DELETE_FROM: &str = "$deleteFromPrimitiveList";

type Object = Map<String, Value>;
type Result<T> = std::result::Result<T, PatchError>;

/// Merges a patch into an object of a type of the table.
pub(super) fn merge_object(ty: TypeRef, original: Object, patch: Object) -> Result<Object> {
    merge(original, patch, &Shape::Object(ty))
}

/// What the table says of a field that is merged.
struct Target {
    shape: &'static Shape,
    kind: PatchKind,
    merge_key: &'static str,
}

impl Target {
    fn merges_lists(&self) -> bool {
        matches!(self.kind, PatchKind::Merge | PatchKind::MergeRetainKeys)
    }
}

fn failed<T>(text: impl Into<String>) -> Result<T> {
    Err(PatchError::Failed(text.into()))
}

fn bad<T>(text: &str) -> Result<T> {
    Err(PatchError::BadRequest(text.to_owned()))
}

/// Upstream's error for a value of the wrong Go type.
pub(super) fn wrong_type(expected: &Value, actual: &Value) -> PatchError {
    PatchError::Failed(format!(
        "expected a {}, but received a {}",
        go_text::type_name(expected),
        go_text::type_name(actual)
    ))
}

pub(super) fn no_merge_key(item: &Value, key: &str) -> PatchError {
    PatchError::Failed(format!("map: {} does not contain declared merge key: {key}", go_text::value(item)))
}

pub(super) fn merge_value<'a>(item: &'a Value, merge_key: &str) -> &'a Value {
    item.get(merge_key).unwrap_or(&Value::Null)
}

/// `reflect.Kind` of a shape.
fn go_kind(shape: &Shape) -> &'static str {
    match shape {
        Shape::String => "string",
        Shape::Bool => "bool",
        Shape::Int32 => "int32",
        Shape::Int64 => "int64",
        Shape::Float64 => "float64",
        Shape::Bytes | Shape::List(_) | Shape::Items(_) => "slice",
        Shape::Map(_) => "map",
        _ => "struct",
    }
}

fn lookup(schema: &Shape, name: &str) -> Result<Target> {
    let Shape::Object(ty) = schema else {
        let kind = go_kind(schema);
        return failed(format!("merging an object in json but data type is not struct, instead is: {kind}"));
    };
    let folded = || ty.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name));
    let field: &'static Field = match ty.field(name).or_else(folded) {
        Some(field) => field,
        None => {
            let ty = ty.short_name();
            return failed(format!("unable to find api field in struct {ty} for the json field {name:?}"));
        }
    };
    Ok(Target { shape: &field.shape, kind: field.patch, merge_key: field.merge_key })
}

/// As [`lookup`], with the shape of the list's elements.
fn lookup_list(schema: &Shape, name: &str) -> Result<Target> {
    let target = lookup(schema, name)?;
    match target.shape {
        Shape::List(element) | Shape::Items(element) => Ok(Target { shape: element, ..target }),
        _ => failed("expected slice or array type, but got: struct"),
    }
}

fn merge(mut original: Object, mut patch: Object, schema: &Shape) -> Result<Object> {
    if let Some(directive) = patch.get(DIRECTIVE) {
        return match directive.as_str() {
            Some("replace") => {
                patch.remove(DIRECTIVE);
                Ok(patch)
            }
            Some("delete") => Ok(Object::new()),
            _ => Err(unknown_directive(directive, &patch)),
        };
    }
    retain_keys(&mut original, &mut patch)?;
    merge_ordered_lists(&mut original, &mut patch, schema)?;
    for (key, value) in patch {
        merge_member(&mut original, key, value, schema)?;
    }
    Ok(original)
}

fn unknown_directive(directive: &Value, patch: &Object) -> PatchError {
    let (directive, patch) = (go_text::value(directive), go_text::value(&Value::Object(patch.clone())));
    PatchError::Failed(format!("unknown patch type: {directive} in map: {patch}"))
}

fn merge_member(original: &mut Object, key: String, value: Value, schema: &Shape) -> Result<()> {
    let (key, deletes) = match key.strip_prefix(DELETE_FROM) {
        Some(rest) => match rest.strip_prefix('/') {
            Some(name) => (name.to_owned(), true),
            None => return bad("invalid patch format of primitive list"),
        },
        None => (key, false),
    };
    if value.is_null() {
        original.remove(&key);
        return Ok(());
    }
    let merged = match (original.remove(&key), value) {
        (None, _) if deletes => return Ok(()),
        (Some(Value::Object(old)), Value::Object(new)) => {
            let target = lookup(schema, &key)?;
            let merged = if target.kind == PatchKind::Replace { new } else { merge(old, new, target.shape)? };
            Some(Value::Object(merged))
        }
        (Some(Value::Array(old)), Value::Array(new)) => {
            let target = lookup_list(schema, &key)?;
            Some(Value::Array(merge_list(old, new, &target, deletes)?))
        }
        (Some(old), _) if deletes => Some(old),
        (_, new) => without_directives(without_nulls(new)),
    };
    if let Some(merged) = merged {
        original.insert(key, merged);
    }
    Ok(())
}

/// `$retainKeys`: what it does not name goes.
fn retain_keys(original: &mut Object, patch: &mut Object) -> Result<()> {
    const FORMAT: &str = "invalid patch format of retainKeys";
    let keys = match patch.remove(RETAIN_KEYS) {
        None => return Ok(()),
        Some(Value::Array(keys)) => keys,
        Some(_) => return bad(FORMAT),
    };
    let named = |key: &String| keys.iter().any(|name| name.as_str() == Some(key));
    for (key, value) in patch.iter() {
        if !value.is_null() && !key.starts_with(DELETE_FROM) && !key.starts_with(SET_ORDER) && !named(key) {
            return bad(FORMAT);
        }
    }
    original.retain(|key, _| named(key));
    Ok(())
}

/// `$setElementOrder/x`: merges the list `x` and puts it into that order.
fn merge_ordered_lists(original: &mut Object, patch: &mut Object, schema: &Shape) -> Result<()> {
    let directives: Vec<String> = patch.keys().filter(|key| key.starts_with(SET_ORDER)).cloned().collect();
    for directive in directives {
        let order = match patch.remove(&directive) {
            Some(Value::Array(order)) => order,
            other => return Err(wrong_type(&Value::Array(Vec::new()), &other.unwrap_or_default())),
        };
        let Some(name) = directive.strip_prefix(SET_ORDER).and_then(|rest| rest.strip_prefix('/')) else {
            return bad("invalid patch format of setElementOrder list");
        };
        let old = original.get(name).map(as_list).transpose()?;
        let new = patch.get(name).map(as_list).transpose()?;
        let target = lookup_list(schema, name)?;
        check_order(new.as_deref().unwrap_or_default(), &order, target.merge_key)?;
        let of_maps = [&old, &new].into_iter().flatten().map(Vec::as_slice).collect::<Vec<_>>();
        let of_maps = elements_are_maps(&of_maps);
        let mut server_order = old.clone().unwrap_or_default();
        if target.merges_lists() {
            shift_order(&mut server_order, new.as_deref().unwrap_or_default(), target.merge_key);
        }
        let merged = match (old, new) {
            (Some(old), None) => old,
            (None, Some(new)) => new.into_iter().filter_map(without_directives).collect(),
            (Some(old), Some(new)) => merge_list(old, new, &target, false)?,
            (None, None) => continue,
        };
        let (named, others) = partition(merged, &order, target.merge_key)?;
        let woven = weave(named, others, &order, &server_order, target.merge_key, of_maps?)?;
        original.insert(name.to_owned(), Value::Array(woven));
        patch.remove(name);
    }
    Ok(())
}

/// What upstream takes for the server's order after a merge of maps: it deletes and appends in the array of the old list
/// and then reads as many places of it as the old list had, so that new items stand in the places of deleted ones.
fn shift_order(places: &mut [Value], patch: &[Value], merge_key: &str) {
    if merge_key.is_empty() {
        return;
    }
    let directive = |item: &Value| item.get(DIRECTIVE).and_then(Value::as_str).map(str::to_owned);
    let mut live = places.len();
    let find = |places: &[Value], live: usize, key: &Value| {
        places.iter().take(live).position(|item| merge_value(item, merge_key) == key)
    };
    for item in patch.iter().filter(|item| directive(item).as_deref() == Some("delete")) {
        while let Some(place) = find(places, live, merge_value(item, merge_key)) {
            live -= 1;
            let last = places.get(live).cloned().unwrap_or_default();
            if let Some(moved) = places.get_mut(place..=live) {
                moved.rotate_left(1);
            }
            if let Some(stale) = places.get_mut(live) {
                *stale = last;
            }
        }
    }
    if patch.iter().any(|item| directive(item).is_some_and(|name| name == "replace")) {
        return;
    }
    for item in patch.iter().filter(|item| directive(item).is_none()) {
        if find(places, live, merge_value(item, merge_key)).is_none()
            && let Some(place) = places.get_mut(live)
        {
            *place = item.clone();
            live += 1;
        }
    }
}

fn as_list(value: &Value) -> Result<Vec<Value>> {
    match value {
        Value::Array(items) => Ok(items.clone()),
        other => Err(wrong_type(&Value::Array(Vec::new()), other)),
    }
}

/// The items of the patch have to stand in the order list, in the same order.
fn check_order(patch: &[Value], order: &[Value], merge_key: &str) -> Result<()> {
    if order.is_empty() || patch.is_empty() {
        return Ok(());
    }
    let mut kept = Vec::new();
    for item in patch {
        match item {
            Value::Object(fields) if !merge_key.is_empty() => {
                if fields.get(DIRECTIVE).is_none() {
                    kept.push(item);
                }
            }
            _ if !merge_key.is_empty() => return Err(wrong_type(&Value::Object(Object::new()), item)),
            _ => kept.push(item),
        }
    }
    let mut kept = kept.into_iter().peekable();
    for place in order {
        let Some(item) = kept.peek() else { return Ok(()) };
        let same = if merge_key.is_empty() {
            *item == place
        } else {
            for map in [*item, place] {
                if map.get(merge_key).is_none() {
                    return Err(no_merge_key(map, merge_key));
                }
            }
            merge_value(item, merge_key) == merge_value(place, merge_key)
        };
        if same {
            kept.next();
        }
    }
    if kept.peek().is_none() {
        return Ok(());
    }
    let (patch, order) =
        (go_text::value(&Value::Array(patch.to_vec())), go_text::value(&Value::Array(order.to_vec())));
    failed(format!("The order in patch list:\n{patch}\n doesn't match {SET_ORDER} list:\n{order}\n"))
}

fn merge_list(old: Vec<Value>, new: Vec<Value>, target: &Target, deletes: bool) -> Result<Vec<Value>> {
    if !target.merges_lists() && !deletes {
        return Ok(new);
    }
    if old.is_empty() && new.is_empty() {
        return Ok(old);
    }
    let of_maps = elements_are_maps(&[&old, &new])?;
    if !of_maps {
        if deletes {
            return Ok(old.into_iter().filter(|item| !new.contains(item)).collect());
        }
        let both = deduplicated(old.iter().chain(&new).cloned().collect());
        let (named, others) = partition(both, &new, "")?;
        return weave(named, others, &new, &old, "", false);
    }
    if target.merge_key.is_empty() {
        return failed(format!("cannot merge lists without merge key for {}", go_kind(target.shape)));
    }
    let (old, new) = apply_item_directives(old, new, target.merge_key)?;
    let merged = merge_items(old.clone(), &new, target)?;
    let (named, others) = partition(merged, &new, target.merge_key)?;
    weave(named, others, &new, &old, target.merge_key, true)
}

/// Removes what the patch deletes, and returns the list to merge into with the items to merge.
fn apply_item_directives(
    mut old: Vec<Value>,
    new: Vec<Value>,
    merge_key: &str,
) -> Result<(Vec<Value>, Vec<Value>)> {
    let mut items = Vec::new();
    let mut replace = false;
    for item in new {
        let Some(directive) = item.get(DIRECTIVE) else {
            items.push(item);
            continue;
        };
        match directive.as_str() {
            Some("delete") => {
                let key = item.get(merge_key).ok_or_else(|| no_merge_key(&item, merge_key))?;
                while let Some(place) = position_of_key(&old, merge_key, key)? {
                    old.remove(place);
                }
            }
            Some("replace") => replace = true,
            Some("merge") => return failed("merging lists cannot yet be specified in the patch"),
            _ => return Err(unknown_directive(directive, item.as_object().unwrap_or(&Object::new()))),
        }
    }
    Ok(if replace { (items, Vec::new()) } else { (old, items) })
}

fn merge_items(mut merged: Vec<Value>, new: &[Value], target: &Target) -> Result<Vec<Value>> {
    for item in new {
        let Value::Object(fields) = item else { return Err(wrong_type(&Value::Object(Object::new()), item)) };
        let key = fields.get(target.merge_key).ok_or_else(|| no_merge_key(item, target.merge_key))?;
        let place = position_of_key(&merged, target.merge_key, key)?;
        match place.and_then(|place| merged.get_mut(place)) {
            Some(slot) => {
                let old = slot.as_object_mut().map(std::mem::take).unwrap_or_default();
                *slot = Value::Object(merge(old, fields.clone(), target.shape)?);
            }
            None => merged.push(item.clone()),
        }
    }
    Ok(merged)
}

/// Whether the elements of all lists are maps; they have to be of one type.
fn elements_are_maps(lists: &[&[Value]]) -> Result<bool> {
    let mut first: Option<&Value> = None;
    for item in lists.iter().flat_map(|list| list.iter()) {
        match first {
            None if item.is_array() => {
                return Err(PatchError::Unprocessable("lists of lists are not supported".into()));
            }
            None => first = Some(item),
            Some(first) if go_text::type_name(first) != go_text::type_name(item) => {
                let lists = Value::Array(lists.iter().map(|list| Value::Array(list.to_vec())).collect());
                return failed(format!("list element types are not identical: {}", go_text::value(&lists)));
            }
            Some(_) => {}
        }
    }
    match first {
        Some(item) => Ok(item.is_object()),
        None => failed("no elements in any of the given slices"),
    }
}

/// Upstream's way of dropping duplicates: the last item takes the place of one.
fn deduplicated(mut items: Vec<Value>) -> Vec<Value> {
    let mut at = 0;
    while at < items.len() {
        let mut other = at + 1;
        while other < items.len() {
            if items.get(at) == items.get(other) {
                items.swap_remove(other);
            } else {
                other += 1;
            }
        }
        at += 1;
    }
    items
}

/// Drops nulls from what a patch adds.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields.into_iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k, without_nulls(v))).collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

/// Drops maps that are directives from what a patch adds; `None` when the value itself is one.
fn without_directives(value: Value) -> Option<Value> {
    Some(match value {
        Value::Object(fields) => {
            if fields.contains_key(DIRECTIVE) {
                return None;
            }
            let kept = fields.into_iter().filter_map(|(k, v)| without_directives(v).map(|v| (k, v)));
            Value::Object(kept.collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().filter_map(without_directives).collect()),
        other => other,
    })
}
