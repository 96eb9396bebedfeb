//! Who owns whom.

use std::collections::{HashMap, HashSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use parking_lot::RwLock;

/// Finalizers by which deletion policies are remembered on an object.
pub(super) const FOREGROUND: &str = "foregroundDeletion";
pub(super) const ORPHAN: &str = "orphan";

/// An object as the graph knows it.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Its kind, as an index into the watched kinds.
    pub(super) kind: usize,
    pub(super) namespace: Option<String>,
    pub(super) name: String,
    pub(super) owners: Vec<OwnerReference>,
    pub(super) finalizers: Vec<String>,
    pub(super) deleting: bool,
}

impl Node {
    pub(super) fn new(kind: usize, meta: &ObjectMeta) -> Self {
        Self {
            kind,
            namespace: meta.namespace.clone(),
            name: meta.name.clone().unwrap_or_default(),
            owners: meta.owner_references.clone().unwrap_or_default(),
            finalizers: meta.finalizers.clone().unwrap_or_default(),
            deleting: meta.deletion_timestamp.is_some(),
        }
    }

    /// Whether its deletion waits for its dependents.
    pub(super) fn deletes_in_foreground(&self) -> bool {
        self.deleting && self.finalizers.iter().any(|finalizer| finalizer == FOREGROUND)
    }

    /// Whether its deletion lets its dependents live.
    pub(super) fn orphans(&self) -> bool {
        self.deleting && self.finalizers.iter().any(|finalizer| finalizer == ORPHAN)
    }

    /// Whether it keeps that owner from being deleted in the foreground.
    pub(super) fn blocks(&self, owner: &str) -> bool {
        self.owners
            .iter()
            .any(|reference| reference.uid == owner && reference.block_owner_deletion == Some(true))
    }
}

/// All objects by uid, and the dependents of each uid that is named as an owner, known or not.
#[derive(Default)]
pub(super) struct Graph {
    inner: RwLock<Inner>,
}

#[derive(Default)]
struct Inner {
    nodes: HashMap<String, Node>,
    dependents: HashMap<String, HashSet<String>>,
}

impl Graph {
    /// Takes an object in; the result are the uids that are worth a look now.
    pub(super) fn apply(&self, uid: &str, node: Node) -> Vec<String> {
        let mut inner = self.inner.write();
        let former = inner.unlink(uid);
        for owner in &node.owners {
            inner.dependents.entry(owner.uid.clone()).or_default().insert(uid.to_owned());
        }
        let mut look = Vec::new();
        let owners_changed = former.as_ref().is_none_or(|former| former.owners != node.owners);
        let owner_missing = || {
            node.owners
                .iter()
                .any(|owner| inner.nodes.get(&owner.uid).is_none_or(Node::deletes_in_foreground))
        };
        if node.deletes_in_foreground() || node.orphans() || (owners_changed && owner_missing()) {
            look.push(uid.to_owned());
        }
        // An owner that waits for its dependents may have waited for this one's block.
        for owner in former.iter().flat_map(|former| &former.owners) {
            if inner.nodes.get(&owner.uid).is_some_and(Node::deletes_in_foreground) {
                look.push(owner.uid.clone());
            }
        }
        // Dependents of an owner that begins to wait are to go.
        if node.deletes_in_foreground() {
            look.extend(inner.dependents.get(uid).into_iter().flatten().cloned());
        }
        inner.nodes.insert(uid.to_owned(), node);
        look
    }

    /// Forgets an object that is gone; the result are the uids that are worth a look now.
    pub(super) fn remove(&self, uid: &str) -> Vec<String> {
        let mut inner = self.inner.write();
        let Some(former) = inner.unlink(uid) else { return Vec::new() };
        inner.nodes.remove(uid);
        let mut look: Vec<_> = inner.dependents.get(uid).into_iter().flatten().cloned().collect();
        let waiting =
            |owner: &&OwnerReference| inner.nodes.get(&owner.uid).is_some_and(Node::deletes_in_foreground);
        look.extend(former.owners.iter().filter(waiting).map(|owner| owner.uid.clone()));
        look
    }

    /// The object of that uid.
    pub(super) fn get(&self, uid: &str) -> Option<Node> {
        self.inner.read().nodes.get(uid).cloned()
    }

    /// The objects that name this uid as an owner.
    pub(super) fn dependents(&self, uid: &str) -> Vec<(String, Node)> {
        let inner = self.inner.read();
        let uids = inner.dependents.get(uid).into_iter().flatten();
        uids.filter_map(|uid| Some((uid.clone(), inner.nodes.get(uid)?.clone()))).collect()
    }

    /// The uids of all objects of a kind.
    pub(super) fn of_kind(&self, kind: usize) -> HashSet<String> {
        let inner = self.inner.read();
        inner.nodes.iter().filter(|(_, node)| node.kind == kind).map(|(uid, _)| uid.clone()).collect()
    }
}

impl Inner {
    /// Takes an object out of its owners' lists.
    fn unlink(&mut self, uid: &str) -> Option<Node> {
        let former = self.nodes.get(uid).cloned()?;
        for owner in &former.owners {
            if let Some(dependents) = self.dependents.get_mut(&owner.uid) {
                dependents.remove(uid);
                if dependents.is_empty() {
                    self.dependents.remove(&owner.uid);
                }
            }
        }
        Some(former)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(owner: Option<&str>, finalizers: &[&str], deleting: bool) -> Node {
        let owner = owner.map(|uid| OwnerReference { uid: uid.to_owned(), ..OwnerReference::default() });
        Node {
            kind: 0,
            namespace: None,
            name: String::new(),
            owners: owner.into_iter().collect(),
            finalizers: finalizers.iter().map(|finalizer| (*finalizer).to_owned()).collect(),
            deleting,
        }
    }

    #[test]
    fn the_end_of_an_owner_calls_for_its_dependents() {
        let graph = Graph::default();
        assert!(graph.apply("owner", node(None, &[], false)).is_empty());
        assert!(graph.apply("child", node(Some("owner"), &[], false)).is_empty());
        assert_eq!(graph.remove("owner"), ["child"]);
    }

    #[test]
    fn an_object_that_names_an_unknown_owner_is_looked_at() {
        let graph = Graph::default();
        assert_eq!(graph.apply("child", node(Some("nobody"), &[], false)), ["child"]);
        assert!(
            graph.apply("child", node(Some("nobody"), &[], false)).is_empty(),
            "again for a change of something else"
        );
    }

    #[test]
    fn a_foreground_deletion_is_looked_at_again_when_a_dependent_ends() {
        let graph = Graph::default();
        graph.apply("owner", node(None, &[], false));
        graph.apply("child", node(Some("owner"), &[], false));
        assert_eq!(graph.apply("owner", node(None, &[FOREGROUND], true)), ["owner", "child"]);
        assert_eq!(graph.remove("child"), ["owner"]);
    }
}
