//! Control groups: which layout the machine has, what a container's limits become in it.

mod create;
mod devices;
mod join;
mod layout;
mod limits;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

pub(crate) use create::{create, remove, update};
pub(crate) use join::{oom_files, open_entry};
pub use layout::CgroupLayout;
pub(crate) use layout::{Hierarchies, Hierarchy};

/// A cgroup operation that failed.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// No cgroup file system is mounted where it should be.
    #[error("no cgroup file system below {}", .0.display())]
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
        controller: String,
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

impl CgroupError {
    fn io(operation: &'static str, path: impl Into<PathBuf>, source: impl Into<io::Error>) -> Self {
        Self::Io { operation, path: path.into(), source: source.into() }
    }
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
        self.paths.get(name).or_else(|| self.paths.get(UNIFIED)).map(PathBuf::as_path)
    }

    /// All hierarchies. Controllers that share one have the same directory.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Path)> {
        self.paths.iter().map(|(name, path)| (name.as_str(), path.as_path()))
    }

    /// The directories, each once.
    pub(crate) fn directories(&self) -> Vec<&Path> {
        let mut directories: Vec<&Path> = self.paths.values().map(PathBuf::as_path).collect();
        directories.sort_unstable();
        directories.dedup();
        directories
    }

    /// A directory whose `cgroup.procs` lists all processes: v2's has `cgroup.kill`.
    pub(crate) fn for_killing(&self) -> Option<&Path> {
        [UNIFIED, "freezer", "pids", "memory", "devices"]
            .iter()
            .find_map(|name| self.paths.get(*name))
            .or_else(|| self.paths.values().next())
            .map(PathBuf::as_path)
    }
}

/// The name of the v2 hierarchy among controllers.
pub(crate) const UNIFIED: &str = "unified";
