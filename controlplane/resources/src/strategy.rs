//! What is special about a kind.

use jiff::Timestamp;
use kingpost_apimachinery::FieldError;
use serde_json::Value;

use crate::table::Column;

/// The part of an object that a write may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subresource {
    /// The object itself, its status apart.
    None,
    /// The status alone.
    Status,
    /// The number of replicas, written through the object.
    Scale,
    /// A pod's node.
    Binding,
    /// A namespace's finalizers.
    Finalize,
    /// A pod's ephemeral containers.
    EphemeralContainers,
}

/// The rules of a kind (upstream's `rest.RESTCreateStrategy` and `RESTUpdateStrategy`, with defaulting and printing).
pub trait Strategy: Send + Sync {
    /// Fills in what was left out. Applied to everything that is written, so it does not change what it has filled in before.
    fn default(&self, object: &mut Value) {
        let _ = object;
    }

    /// Clears what a new object may not bring, and sets what it starts with.
    fn prepare_for_create(&self, object: &mut Value) {
        let _ = object;
    }

    /// Keeps what this write may not change, and counts the generation.
    fn prepare_for_update(&self, new: &mut Value, old: &Value, subresource: Subresource) {
        let _ = (new, old, subresource);
    }

    /// What is wrong with a new object.
    fn validate_create(&self, object: &Value) -> Vec<FieldError>;

    /// What is wrong with a changed object.
    fn validate_update(&self, new: &Value, old: &Value, subresource: Subresource) -> Vec<FieldError>;

    /// The columns of its table.
    fn columns(&self) -> &'static [Column];

    /// A row of its table.
    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value>;

    /// Fields that can be selected by, beyond `metadata.name` and `metadata.namespace`, with this object's values.
    fn selectable_fields(&self, object: &Value) -> Vec<(&'static str, String)> {
        let _ = object;
        Vec::new()
    }

    /// How long objects live, in seconds; `None` for ever.
    fn ttl_seconds(&self) -> Option<u64> {
        None
    }

    /// How long an object is given to end before it is gone, in seconds; `None` if it goes at once.
    fn grace_period_seconds(&self, object: &Value) -> Option<i64> {
        let _ = object;
        None
    }
}
