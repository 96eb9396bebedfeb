//! Control groups: which layout the machine has, what a container's limits become in it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// A cgroup operation that failed.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// No cgroup file system is mounted where it should be.
    #[error("no cgroup file system at {}", .0.display())]
    NotMounted(PathBuf),
    /// A path that would leave the hierarchy.
    #[error("invalid cgroup path {0:?}")]
    InvalidPath(String),
    /// A limit needs a controller that this machine does not have.
    #[error("{field} needs the {controller} cgroup controller, which is not available")]
    NoController {
        /// The field of `linux.resources`.
        field: String,
        /// The controller.
        controller: &'static str,
    },
    /// A limit that is out of range.
    #[error("{field}: {reason}")]
    InvalidValue {
        /// The field of `linux.resources`.
        field: String,
        /// Why.
        reason: String,
    },
    /// A file of the cgroup could not be used.
    #[error("{operation} {}", path.display())]
    Io {
        /// What was attempted.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

/// The cgroup file systems of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CgroupLayout {
    /// cgroup v2 alone.
    Unified,
    /// v1 controllers with a v2 hierarchy beside them.
    Hybrid,
    /// v1 controllers alone.
    Legacy,
}

/// One cgroup's directory in each hierarchy, by controller (`memory`, `cpu`, …; the v2 hierarchy is `unified`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CgroupPaths {
    paths: BTreeMap<String, PathBuf>,
}

impl CgroupPaths {
    /// The directory that has a controller's files: its v1 hierarchy, else the v2 one.
    #[must_use]
    pub fn controller(&self, name: &str) -> Option<&Path> {
        self.paths.get(name).or_else(|| self.paths.get("unified")).map(PathBuf::as_path)
    }

    /// All hierarchies.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Path)> {
        self.paths.iter().map(|(name, path)| (name.as_str(), path.as_path()))
    }
}
