//! An entry of the table of resources.

use std::fmt;

use crate::strategy::Strategy;

/// A resource and what can be done with it.
pub struct Resource {
    /// API group, empty for core.
    pub group: &'static str,
    /// Version.
    pub version: &'static str,
    /// Plural name, as in paths.
    pub plural: &'static str,
    /// Singular name.
    pub singular: &'static str,
    /// Kind.
    pub kind: &'static str,
    /// Short names, as kubectl takes them.
    pub short_names: &'static [&'static str],
    /// Categories, such as `all`.
    pub categories: &'static [&'static str],
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// Verbs, in the order of discovery.
    pub verbs: &'static [&'static str],
    /// Subresources.
    pub subresources: &'static [SubresourceInfo],
    /// What is special about it.
    pub strategy: &'static dyn Strategy,
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}/{}", self.plural, self.group, self.version)
    }
}

/// A subresource as discovery lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubresourceInfo {
    /// Name, `status`.
    pub name: &'static str,
    /// Group of its kind.
    pub group: &'static str,
    /// Version of its kind.
    pub version: &'static str,
    /// Its kind; that of the resource for `status`.
    pub kind: &'static str,
    /// Verbs.
    pub verbs: &'static [&'static str],
}

/// What every stored kind can do.
pub(crate) const ALL_VERBS: &[&str] =
    &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

impl SubresourceInfo {
    const fn new(
        name: &'static str,
        group: &'static str,
        kind: &'static str,
        verbs: &'static [&'static str],
    ) -> Self {
        Self { name, group, version: "v1", kind, verbs }
    }

    pub(crate) const fn status(group: &'static str, kind: &'static str) -> Self {
        Self::new("status", group, kind, &["get", "patch", "update"])
    }

    pub(crate) const fn scale() -> Self {
        Self::new("scale", "autoscaling", "Scale", &["get", "patch", "update"])
    }

    pub(crate) const fn create(name: &'static str, group: &'static str, kind: &'static str) -> Self {
        Self::new(name, group, kind, &["create"])
    }

    pub(crate) const fn update(name: &'static str, kind: &'static str) -> Self {
        Self::new(name, "", kind, &["update"])
    }

    pub(crate) const fn get(name: &'static str, kind: &'static str) -> Self {
        Self::new(name, "", kind, &["get"])
    }

    pub(crate) const fn connect(name: &'static str, kind: &'static str) -> Self {
        Self::new(name, "", kind, &["create", "get"])
    }
}
