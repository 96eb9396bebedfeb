//! Merging an applied configuration into an object, and removing fields from one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Map, Value};

use super::compare::{no_items, no_members};
use super::node::{Node, Ownership};
use super::set::{FieldSet, Step};

/// Merges `new` into `old`: what `new` says wins. `None` when nothing is left.
pub(super) fn merge(node: Node, old: Option<&Value>, new: Option<&Value>) -> Result<Option<Value>, String> {
    let leaf = match node.ownership() {
        Ownership::Leaf => true,
        Ownership::Map => no_members(old) && no_members(new),
        Ownership::List => no_items(old) && no_items(new),
    };
    if leaf {
        return Ok(new.or(old).cloned());
    }
    if node.ownership() == Ownership::Map {
        merge_members(node, old, new)
    } else {
        merge_items(node, old, new)
    }
}

fn merge_members(node: Node, old: Option<&Value>, new: Option<&Value>) -> Result<Option<Value>, String> {
    let empty = Map::new();
    let old = old.and_then(Value::as_object).unwrap_or(&empty);
    let new = new.and_then(Value::as_object).unwrap_or(&empty);
    let mut out = Map::new();
    for name in old.keys().chain(new.keys().filter(|name| !old.contains_key(*name))) {
        if let Some(value) = merge(node.member(name), old.get(name), new.get(name))? {
            out.insert(name.clone(), value);
        }
    }
    Ok((!out.is_empty()).then_some(Value::Object(out)))
}

/// The items of a list with the steps that lead to them.
struct Indexed<'a> {
    items: Vec<&'a Value>,
    steps: Vec<Step>,
    /// Items by step; duplicates have none.
    single: BTreeMap<Step, Option<&'a Value>>,
}

fn index<'a>(node: Node, list: Option<&'a Value>) -> Result<Indexed<'a>, String> {
    let items: Vec<&Value> = list.and_then(Value::as_array).into_iter().flatten().collect();
    let steps = items.iter().map(|item| node.step_of(item)).collect::<Result<Vec<_>, _>>()?;
    let mut single: BTreeMap<Step, Option<&Value>> = BTreeMap::new();
    for (item, step) in items.iter().zip(&steps) {
        single.entry(step.clone()).and_modify(|found| *found = None).or_insert(Some(item));
    }
    Ok(Indexed { items, steps, single })
}

/// Items of `new` in their order, with those that only `old` has in between where they stood.
fn merge_items(node: Node, old: Option<&Value>, new: Option<&Value>) -> Result<Option<Value>, String> {
    let (old, new) = (index(node, old)?, index(node, new)?);
    let mut shared: VecDeque<&Step> =
        new.steps.iter().filter(|step| old.single.contains_key(*step)).collect();
    let mut next_shared = shared.pop_front();
    let mut merged: BTreeSet<&Step> = BTreeSet::new();
    let mut out = Vec::new();
    let (mut l, mut r) = (0, 0);
    let both = |step: &Step| {
        let (old, new) = (old.single.get(step).copied().flatten(), new.single.get(step).copied().flatten());
        merge(node.item(), old, new)
    };
    while l < old.steps.len() || r < new.steps.len() {
        if let (Some(left), Some(right)) = (old.steps.get(l), new.steps.get(r)) {
            if left == right {
                merged.insert(left);
                out.extend(both(left)?);
                (l, r) = (l + 1, r + 1);
                next_shared = shared.pop_front();
                continue;
            }
            if new.single.contains_key(left) && next_shared.is_some_and(|next| next != left) {
                // Shared, and its turn is another one.
                l += 1;
                continue;
            }
        }
        if let Some(left) = old.steps.get(l) {
            if !new.single.contains_key(left) {
                out.extend(merge(node.item(), old.items.get(l).copied(), None)?);
                l += 1;
                continue;
            }
            if merged.contains(left) {
                l += 1;
            }
        }
        if let Some(right) = new.steps.get(r) {
            merged.insert(right);
            out.extend(both(right)?);
            r += 1;
            if next_shared == Some(right) {
                next_shared = shared.pop_front();
            }
        }
    }
    Ok((!out.is_empty()).then_some(Value::Array(out)))
}

/// Removes the paths of a set from a value. What is left empty by that becomes null.
pub(super) fn remove(node: Node, value: &Value, paths: &FieldSet) -> Value {
    match (node.ownership(), value) {
        (Ownership::Map, Value::Object(fields)) => {
            let mut out = Map::new();
            for (name, value) in fields {
                let step = Step::Field(name.clone());
                if paths.members.contains(&step) {
                    continue;
                }
                let value = match paths.children.get(&step) {
                    Some(below) => remove(node.member(name), value, below),
                    None => value.clone(),
                };
                out.insert(name.clone(), value);
            }
            if out.is_empty() { Value::Null } else { Value::Object(out) }
        }
        (Ownership::List, Value::Array(items)) => {
            let mut out = Vec::new();
            for item in items {
                // The list was indexed before, so every item has a step.
                let Ok(step) = node.step_of(item) else { continue };
                if paths.members.contains(&step) {
                    continue;
                }
                out.push(match paths.children.get(&step) {
                    Some(below) => remove(node.item(), item, below),
                    None => item.clone(),
                });
            }
            if out.is_empty() { Value::Null } else { Value::Array(out) }
        }
        (Ownership::Leaf, _) => value.clone(),
        _ => Value::Null,
    }
}
