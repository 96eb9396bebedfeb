//! Reading the objects that decisions depend on.

use serde_json::Value;

/// Reads objects from memory. Implemented by the API server's watch cache.
pub trait ObjectReader: Send + Sync {
    /// One object; `namespace` is empty for cluster-scoped resources.
    fn get(&self, group: &str, resource: &str, namespace: &str, name: &str) -> Option<Value>;

    /// All objects of a resource, in `namespace` or, if that is empty, everywhere.
    fn list(&self, group: &str, resource: &str, namespace: &str) -> Vec<Value>;

    /// A number that changes whenever any object of the resource does, so that what was derived from them can be kept.
    fn generation(&self, group: &str, resource: &str) -> u64;
}
