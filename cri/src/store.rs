//! Sandboxes and containers in memory: by id, by unique prefix of an id, and by name.

mod names;
mod object;

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::error::{CriError, Result};

pub(crate) use names::{Names, container_name, sandbox_name};
pub(crate) use object::{Container, Sandbox};

/// Objects of one kind by id.
#[derive(Debug)]
pub(crate) struct Index<T> {
    kind: &'static str,
    objects: RwLock<BTreeMap<String, Arc<T>>>,
}

impl<T> Index<T> {
    fn new(kind: &'static str) -> Self {
        Self { kind, objects: RwLock::default() }
    }

    pub(crate) fn insert(&self, id: &str, object: Arc<T>) {
        self.objects.write().insert(id.to_owned(), object);
    }

    pub(crate) fn remove(&self, id: &str) {
        self.objects.write().remove(id);
    }

    /// All objects, in the order of their ids.
    pub(crate) fn all(&self) -> Vec<Arc<T>> {
        self.objects.read().values().cloned().collect()
    }

    /// The object of an id, or of the only id that begins so.
    pub(crate) fn find(&self, id: &str) -> Option<Arc<T>> {
        if id.is_empty() {
            return None;
        }
        let objects = self.objects.read();
        let mut candidates = objects.range(id.to_owned()..).take_while(|(known, _)| known.starts_with(id));
        let (known, object) = candidates.next()?;
        let ambiguous = known != id && candidates.next().is_some();
        (!ambiguous).then(|| Arc::clone(object))
    }

    /// As [`Index::find`], with the error that a request gets.
    pub(crate) fn get(&self, id: &str) -> Result<Arc<T>> {
        self.find(id).ok_or_else(|| CriError::NotFound { kind: self.kind, id: id.to_owned() })
    }
}

/// All objects of the node.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) sandboxes: Index<Sandbox>,
    pub(crate) containers: Index<Container>,
    pub(crate) names: Names,
}

impl Store {
    pub(crate) fn new() -> Self {
        Self {
            sandboxes: Index::new("sandbox"),
            containers: Index::new("container"),
            names: Names::default(),
        }
    }

    /// The containers of a sandbox, the oldest first.
    pub(crate) fn containers_of(&self, sandbox_id: &str) -> Vec<Arc<Container>> {
        let mut containers = self.containers.all();
        containers.retain(|container| container.record.get().sandbox_id == sandbox_id);
        containers.sort_by_key(|container| container.record.get().created_at);
        containers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unique_prefixes_find_and_ambiguous_ones_do_not() {
        let index = Index::new("thing");
        for id in ["abc1", "abc2", "abd", "ab"] {
            index.insert(id, Arc::new(id));
        }
        assert_eq!(index.find("abc1").as_deref(), Some(&"abc1"));
        assert_eq!(index.find("abd").as_deref(), Some(&"abd"));
        assert_eq!(index.find("ab").as_deref(), Some(&"ab"), "an exact id wins");
        assert!(index.find("abc").is_none());
        assert!(index.find("").is_none());
        assert!(index.get("x").unwrap_err().to_string().contains("thing \"x\" not found"));
    }
}
