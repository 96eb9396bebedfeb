//! A place in the schema, as server-side apply sees it.

use serde_json::Value;

use super::set::{Scalar, Step};
use crate::table::{Field, ListKind, Shape, TypeRef};

/// The schema of a value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    shape: Option<Shape>,
    list: ListKind,
    atomic: bool,
}

/// How a value is owned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ownership {
    /// As a whole.
    Leaf,
    /// Field by field, or key by key.
    Map,
    /// Item by item.
    List,
}

impl Node {
    /// The root of an object.
    pub(super) fn root(ty: TypeRef) -> Self {
        Self::of_element(&Shape::Object(ty))
    }

    fn of_field(field: &'static Field) -> Self {
        let atomic = field.atomic || matches!(field.shape, Shape::Object(ty) if ty.atomic);
        Self { shape: Some(field.shape), list: field.list, atomic }
    }

    fn of_element(shape: &Shape) -> Self {
        let atomic = matches!(shape, Shape::Object(ty) if ty.atomic);
        Self { shape: Some(*shape), list: ListKind::Atomic, atomic }
    }

    const UNKNOWN: Self = Self { shape: None, list: ListKind::Atomic, atomic: false };

    /// How a value here is owned.
    pub(super) fn ownership(self) -> Ownership {
        match self.shape {
            Some(Shape::Object(_) | Shape::Map(_)) if !self.atomic => Ownership::Map,
            Some(Shape::List(_)) if self.list != ListKind::Atomic => Ownership::List,
            _ => Ownership::Leaf,
        }
    }

    /// The shape of values here; `None` when the schema does not know.
    pub(super) fn shape(self) -> Option<Shape> {
        self.shape
    }

    /// Whether a struct here has that field.
    pub(super) fn declares(self, name: &str) -> bool {
        matches!(self.shape, Some(Shape::Object(ty)) if ty.field(name).is_some())
    }

    /// The schema of a field or of a map's value.
    pub(super) fn member(self, name: &str) -> Self {
        match self.shape {
            Some(Shape::Object(ty)) => ty.field(name).map_or(Self::UNKNOWN, Self::of_field),
            Some(Shape::Map(element)) => Self::of_element(element),
            _ => Self::UNKNOWN,
        }
    }

    /// The schema of a list's items.
    pub(super) fn item(self) -> Self {
        match self.shape {
            Some(Shape::List(element) | Shape::Items(element)) => Self::of_element(element),
            _ => Self::UNKNOWN,
        }
    }

    /// The schema below a step of a path.
    pub(super) fn below(self, step: &Step) -> Self {
        match step {
            Step::Field(name) => self.member(name),
            Step::Key(_) | Step::Value(_) | Step::Index(_) => self.item(),
        }
    }

    /// What tells a list's item from the others; the errors are upstream's.
    pub(super) fn step_of(self, item: &Value) -> Result<Step, String> {
        let ListKind::Map(keys) = self.list else {
            return match (item, Scalar::of(item)) {
                (Value::Null, _) => {
                    Err("associative list without keys has an element that's an explicit null".into())
                }
                (_, Some(scalar)) => Ok(Step::Value(scalar)),
                (Value::Array(_), _) => Err("not supported: associative list with lists as elements".into()),
                _ => Err("associative list without keys has an element that's a map type".into()),
            };
        };
        let Value::Object(fields) = item else {
            return Err(match item {
                Value::Null => "associative list with keys may not have a null element".into(),
                _ => "associative list with keys may not have non-map elements".into(),
            });
        };
        let mut step = Vec::with_capacity(keys.len());
        for key in keys {
            let set = fields.get(*key).cloned();
            if let Some(value) = set.or_else(|| self.item().key_default(key)) {
                step.push(((*key).to_owned(), Scalar::of(&value).unwrap_or(Scalar::Null)));
            }
        }
        if step.is_empty() {
            let keys: Vec<String> = keys.iter().map(|key| format!("{key:?}")).collect();
            return Err(format!(
                "associative list with keys has an element that omits all key fields [{}] (and doesn't have default \
                 values for any key fields)",
                keys.join(" ")
            ));
        }
        step.sort();
        Ok(Step::Key(step))
    }

    /// Upstream's schema default of a key.
    fn key_default(self, key: &str) -> Option<Value> {
        let Some(Shape::Object(ty)) = self.shape else { return None };
        serde_json::from_str(ty.field(key)?.default).ok()
    }
}
