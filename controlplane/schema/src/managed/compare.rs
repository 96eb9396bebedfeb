//! What changed between two objects, and which fields an object has.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::node::{Node, Ownership};
use super::set::{FieldSet, Step};

/// The difference of two objects.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    pub(super) removed: FieldSet,
    pub(super) modified: FieldSet,
    pub(super) added: FieldSet,
}

impl Comparison {
    /// Compares two objects of a schema.
    pub(super) fn of(node: Node, old: &Value, new: &Value) -> Result<Self, String> {
        let mut comparison = Self::default();
        comparison.compare(node, Some(old), Some(new), &mut Vec::new())?;
        Ok(comparison)
    }

    /// Without some fields and all below them.
    pub(super) fn ignoring(self, fields: &FieldSet) -> Self {
        Self {
            removed: self.removed.without_trees(fields),
            modified: self.modified.without_trees(fields),
            added: self.added.without_trees(fields),
        }
    }

    fn compare(
        &mut self,
        node: Node,
        old: Option<&Value>,
        new: Option<&Value>,
        path: &mut Vec<Step>,
    ) -> Result<(), String> {
        let leaf = match node.ownership() {
            Ownership::Leaf => true,
            Ownership::Map => no_members(old) && no_members(new),
            Ownership::List => no_items(old) && no_items(new),
        };
        if leaf {
            if let (Some(old), Some(new)) = (old, new)
                && old != new
            {
                self.modified.insert(path);
            }
        } else if node.ownership() == Ownership::Map {
            self.compare_members(node, old, new, path)?;
        } else {
            self.compare_items(node, old, new, path)?;
        }
        if old.is_none() {
            self.added.insert(path);
        } else if new.is_none() {
            self.removed.insert(path);
        }
        Ok(())
    }

    fn compare_members(
        &mut self,
        node: Node,
        old: Option<&Value>,
        new: Option<&Value>,
        path: &mut Vec<Step>,
    ) -> Result<(), String> {
        let empty = Map::new();
        let old = old.and_then(Value::as_object).unwrap_or(&empty);
        let new = new.and_then(Value::as_object).unwrap_or(&empty);
        for name in old.keys().chain(new.keys().filter(|name| !old.contains_key(*name))) {
            path.push(Step::Field(name.clone()));
            self.compare(node.member(name), old.get(name), new.get(name), path)?;
            path.pop();
        }
        Ok(())
    }

    fn compare_items(
        &mut self,
        node: Node,
        old: Option<&Value>,
        new: Option<&Value>,
        path: &mut Vec<Step>,
    ) -> Result<(), String> {
        let mut items: BTreeMap<Step, (Vec<&Value>, Vec<&Value>)> = BTreeMap::new();
        for item in old.and_then(Value::as_array).into_iter().flatten() {
            items.entry(node.step_of(item)?).or_default().0.push(item);
        }
        for item in new.and_then(Value::as_array).into_iter().flatten() {
            items.entry(node.step_of(item)?).or_default().1.push(item);
        }
        for (step, (old, new)) in items {
            path.push(step);
            match (old.as_slice(), new.as_slice()) {
                (old @ ([] | [_]), new @ ([] | [_])) => {
                    self.compare(node.item(), old.first().copied(), new.first().copied(), path)?;
                }
                // Duplicates are owned together.
                (old @ [_, _, ..], new @ [_, _, ..]) => {
                    if old != new {
                        self.modified.insert(path);
                    }
                }
                ([_, _, ..], new) => {
                    if let Some(new) = new.first() {
                        self.compare(node.item(), None, Some(new), path)?;
                    }
                    self.removed.insert(path);
                }
                (old, _) => {
                    if let Some(old) = old.first() {
                        self.compare(node.item(), Some(old), None, path)?;
                    }
                    self.added.insert(path);
                }
            }
            path.pop();
        }
        Ok(())
    }
}

/// Whether a value has no members; null and what is not there have none.
pub(super) fn no_members(value: Option<&Value>) -> bool {
    value.and_then(Value::as_object).is_none_or(Map::is_empty)
}

/// Whether a value has no items.
pub(super) fn no_items(value: Option<&Value>) -> bool {
    value.and_then(Value::as_array).is_none_or(Vec::is_empty)
}

/// The fields that an object has.
pub(super) fn field_set(node: Node, value: &Value) -> Result<FieldSet, String> {
    let mut set = FieldSet::default();
    collect(node, value, &mut Vec::new(), &mut set)?;
    Ok(set)
}

fn collect(node: Node, value: &Value, path: &mut Vec<Step>, set: &mut FieldSet) -> Result<(), String> {
    match (node.ownership(), value) {
        (Ownership::Leaf, _) => set.insert(path),
        (Ownership::Map, Value::Object(fields)) => {
            for (name, value) in fields {
                path.push(Step::Field(name.clone()));
                collect(node.member(name), value, path, set)?;
                if value.is_null() || value.as_object().is_some_and(Map::is_empty) || !node.declares(name) {
                    set.insert(path);
                }
                path.pop();
            }
        }
        (Ownership::List, Value::Array(items)) => {
            let steps = items.iter().map(|item| node.step_of(item)).collect::<Result<Vec<_>, _>>()?;
            for (item, step) in items.iter().zip(&steps) {
                let single = steps.iter().filter(|other| *other == step).count() == 1;
                path.push(step.clone());
                if single {
                    collect(node.item(), item, path, set)?;
                }
                set.insert(path);
                path.pop();
            }
        }
        _ => {}
    }
    Ok(())
}
