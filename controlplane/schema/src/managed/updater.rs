//! How ownership moves with a write: `structured-merge-diff/merge.Updater` for objects of one version.

use serde_json::Value;

use super::compare::{Comparison, field_set};
use super::managers::{ManagerId, Managers, Owned};
use super::merge::{merge, remove};
use super::node::Node;
use super::set::{FieldSet, Step};

/// A field that another manager owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OwnedField {
    pub(super) manager: ManagerId,
    pub(super) path: Vec<Step>,
}

/// Why ownership cannot move.
pub(super) enum Refusal {
    Conflicts(Vec<OwnedField>),
    Shape(String),
}

impl From<String> for Refusal {
    fn from(text: String) -> Self {
        Self::Shape(text)
    }
}

/// The rules of one write.
pub(super) struct Updater {
    pub(super) node: Node,
    /// Fields that the written (sub)resource does not change, whatever a request says.
    pub(super) ignored: FieldSet,
}

impl Updater {
    /// Takes what changed from the other managers, unless they may object.
    fn take_changes(
        &self,
        managers: &mut Managers,
        comparison: &Comparison,
        writer: &ManagerId,
        force: bool,
    ) -> Result<(), Refusal> {
        let written = comparison.modified.union(&comparison.added);
        let mut conflicts = Vec::new();
        for (id, owned) in managers.0.iter().filter(|(id, _)| *id != writer) {
            let taken = owned.set.intersection(&written);
            conflicts.extend(taken.paths().into_iter().map(|path| OwnedField { manager: id.clone(), path }));
        }
        if !force && !conflicts.is_empty() {
            return Err(Refusal::Conflicts(conflicts));
        }
        for (_, owned) in managers.0.iter_mut().filter(|(id, _)| *id != writer) {
            owned.set =
                owned.set.difference(&owned.set.intersection(&written)).difference(&comparison.removed);
        }
        managers.0.retain(|_, owned| !owned.set.is_empty());
        Ok(())
    }

    /// A create, update or patch: the writer owns what it changed.
    pub(super) fn update(
        &self,
        live: &Value,
        new: &Value,
        managers: &mut Managers,
        writer: &ManagerId,
        time: &str,
    ) -> Result<(), String> {
        let comparison = Comparison::of(self.node, live, new)?.ignoring(&self.ignored);
        // Only conflicts can be refused, and nobody is asked.
        let nobody = ManagerId { manager: "\0".into(), ..writer.clone() };
        let _ = self.take_changes(managers, &comparison, &nobody, true);
        let changed = comparison
            .modified
            .union(&comparison.added)
            .without_trees(&self.ignored)
            .difference(&untracked());
        if changed.is_empty() {
            return Ok(());
        }
        let set = changed.union(&managers.set_of(writer));
        let api_version = writer.api_version.clone();
        managers.0.insert(writer.clone(), Owned { set, api_version, time: time.to_owned() });
        Ok(())
    }

    /// Server-side apply. Returns the merged object, or `None` when it is what was there.
    pub(super) fn apply(
        &self,
        live: &Value,
        applied: &Value,
        managers: &mut Managers,
        writer: &ManagerId,
        api_version: &str,
        force: bool,
    ) -> Result<Option<Value>, Refusal> {
        let merged = merge(self.node, Some(live), Some(applied))
            .map_err(|error| format!("failed to merge config: {error}"))?
            .unwrap_or(Value::Null);
        let last = managers.0.get(writer).cloned();
        let set = field_set(self.node, applied)?.without_trees(&self.ignored);
        let time = last.as_ref().map(|owned| owned.time.clone()).unwrap_or_default();
        managers.0.insert(writer.clone(), Owned { set, api_version: api_version.to_owned(), time });
        let pruned = match last {
            Some(last) if !last.set.is_empty() => self.prune(merged, managers, &last.set)?,
            _ => merged,
        };
        let comparison = Comparison::of(self.node, live, &pruned)?.ignoring(&self.ignored);
        self.take_changes(managers, &comparison, writer, force)?;
        if let Some(owned) = managers.0.get_mut(writer) {
            owned.set = owned.set.difference(&untracked());
        }
        managers.0.retain(|_, owned| !owned.set.is_empty());
        Ok((pruned != *live).then_some(pruned))
    }

    /// Removes what the writer applied last time and does not any more, unless somebody else owns it.
    fn prune(&self, merged: Value, managers: &Managers, last: &FieldSet) -> Result<Value, String> {
        let named = |set: &FieldSet| set.with_named_fields(self.node);
        let last = named(last);
        let everything = named(&field_set(self.node, &merged)?);
        let pruned = remove(self.node, &merged, &last);
        // What others own stays.
        let kept = named(&field_set(self.node, &pruned)?).union(&named(&managers.all_owned()));
        let pruned = remove(self.node, &merged, &everything.difference(&kept));
        // And so does what nobody owned, or what only hung on something that went.
        let kept = named(&field_set(self.node, &pruned)?);
        Ok(remove(self.node, &merged, &everything.difference(&kept).intersection(&last)))
    }
}

/// What is never tracked.
fn untracked() -> FieldSet {
    FieldSet::of_fields(&[
        "apiVersion",
        "kind",
        "metadata",
        "metadata.name",
        "metadata.namespace",
        "metadata.creationTimestamp",
        "metadata.selfLink",
        "metadata.uid",
        "metadata.clusterName",
        "metadata.generation",
        "metadata.managedFields",
        "metadata.resourceVersion",
    ])
}
