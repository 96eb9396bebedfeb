//! Sets of field paths, as `structured-merge-diff/fieldpath` has them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use super::node::Node;

/// A scalar within a path: a key of a list of objects, or an item of a list of scalars.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scalar {
    /// A number that is no integer, as text.
    Float(String),
    Int(i64),
    Text(String),
    Bool(bool),
    Null,
}

impl Scalar {
    /// The scalar of a value; `None` for lists and objects.
    pub(super) fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => {
                number.as_i64().map_or_else(|| Self::Float(number.to_string()), Self::Int)
            }
            Value::String(text) => Self::Text(text.clone()),
            Value::Array(_) | Value::Object(_) => return None,
        })
    }

    /// JSON of the scalar.
    pub(super) fn json(&self) -> String {
        match self {
            Self::Float(text) => text.clone(),
            Self::Int(value) => value.to_string(),
            Self::Text(text) => Value::String(text.clone()).to_string(),
            Self::Bool(value) => value.to_string(),
            Self::Null => "null".into(),
        }
    }
}

/// A step of a path. The order is upstream's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// A field or a key of a map.
    Field(String),
    /// An item of a list of objects, by its keys, which are sorted.
    Key(Vec<(String, Scalar)>),
    /// An item of a list of scalars.
    Value(Scalar),
    /// An item by its place.
    Index(i64),
}

impl fmt::Display for Step {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(out, ".{name}"),
            Self::Key(keys) => {
                let keys: Vec<String> =
                    keys.iter().map(|(name, value)| format!("{name}={}", value.json())).collect();
                write!(out, "[{}]", keys.join(","))
            }
            Self::Value(value) => write!(out, "[={}]", value.json()),
            Self::Index(index) => write!(out, "[{index}]"),
        }
    }
}

/// A path as conflicts name it: `.spec.containers[name="a"].image`.
pub(super) fn path_text(path: &[Step]) -> String {
    path.iter().map(Step::to_string).collect()
}

/// A set of paths, as a tree.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct FieldSet {
    /// Paths of one step.
    pub(super) members: BTreeSet<Step>,
    /// Longer paths by their first step; no set here is empty.
    pub(super) children: BTreeMap<Step, FieldSet>,
}

impl FieldSet {
    /// A set of fields, each given with dots between its steps.
    pub(super) fn of_fields(paths: &[&str]) -> Self {
        let mut set = Self::default();
        for path in paths {
            let steps: Vec<Step> = path.split('.').map(|name| Step::Field(name.to_owned())).collect();
            set.insert(&steps);
        }
        set
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty() && self.children.is_empty()
    }

    pub(super) fn insert(&mut self, path: &[Step]) {
        match path {
            [] => {}
            [last] => {
                self.members.insert(last.clone());
            }
            [first, rest @ ..] => self.children.entry(first.clone()).or_default().insert(rest),
        }
    }

    pub(super) fn has(&self, path: &[Step]) -> bool {
        match path {
            [] => false,
            [last] => self.members.contains(last),
            [first, rest @ ..] => self.children.get(first).is_some_and(|child| child.has(rest)),
        }
    }

    pub(super) fn union(&self, other: &Self) -> Self {
        let mut union = self.clone();
        union.members.extend(other.members.iter().cloned());
        for (step, child) in &other.children {
            let merged = union.children.get(step).map_or_else(|| child.clone(), |mine| mine.union(child));
            union.children.insert(step.clone(), merged);
        }
        union
    }

    pub(super) fn intersection(&self, other: &Self) -> Self {
        let children = self.children.iter().filter_map(|(step, child)| {
            let common = child.intersection(other.children.get(step)?);
            (!common.is_empty()).then(|| (step.clone(), common))
        });
        Self {
            members: self.members.intersection(&other.members).cloned().collect(),
            children: children.collect(),
        }
    }

    /// Without the paths of `other`.
    pub(super) fn difference(&self, other: &Self) -> Self {
        let children = self.children.iter().filter_map(|(step, child)| {
            let rest = match other.children.get(step) {
                Some(taken) => child.difference(taken),
                None => child.clone(),
            };
            (!rest.is_empty()).then(|| (step.clone(), rest))
        });
        Self {
            members: self.members.difference(&other.members).cloned().collect(),
            children: children.collect(),
        }
    }

    /// Without the paths of `other` and all that is below them.
    pub(super) fn without_trees(&self, other: &Self) -> Self {
        let children = self.children.iter().filter_map(|(step, child)| {
            if other.members.contains(step) {
                return None;
            }
            let rest = match other.children.get(step) {
                Some(taken) => child.without_trees(taken),
                None => child.clone(),
            };
            (!rest.is_empty()).then(|| (step.clone(), rest))
        });
        Self {
            members: self.members.difference(&other.members).cloned().collect(),
            children: children.collect(),
        }
    }

    /// Adds the declared fields that only have members below them.
    pub(super) fn with_named_fields(&self, node: Node) -> Self {
        let mut members = self.members.clone();
        let children = self.children.iter().map(|(step, child)| {
            if matches!(step, Step::Field(name) if node.declares(name)) {
                members.insert(step.clone());
            }
            (step.clone(), child.with_named_fields(node.below(step)))
        });
        let children = children.collect();
        Self { members, children }
    }

    /// All paths, in order.
    pub(super) fn paths(&self) -> Vec<Vec<Step>> {
        let mut paths: Vec<Vec<Step>> = self.members.iter().map(|step| vec![step.clone()]).collect();
        for (step, child) in &self.children {
            paths.extend(child.paths().into_iter().map(|mut path| {
                path.insert(0, step.clone());
                path
            }));
        }
        paths.sort();
        paths
    }
}
