//! The pods of one state directory: starting them, finding them again, clearing up after them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::pod::Pod;
use crate::spec::{ContainerState, PodSpec};

/// Where the runtime finds and keeps things.
#[derive(Debug, Clone)]
pub struct RuntimeConfig {
    /// The `kingpost-runtime` binary. It is copied into a sealed memory file once, which all shims run from.
    pub shim_binary: PathBuf,
    /// Directory of sockets, exit records and handles: one subdirectory per pod. Must be cleared by a reboot.
    pub state_dir: PathBuf,
    /// The cgroup of all shims, absolute within each hierarchy, outside service and pods.
    pub shim_cgroup: String,
    /// Where the cgroup file systems are mounted.
    pub cgroup_root: PathBuf,
    /// How long a shim may take to answer.
    pub request_timeout: Duration,
}

impl Default for RuntimeConfig {
    fn default() -> Self {
        Self {
            shim_binary: PathBuf::from("/usr/libexec/kingpost/kingpost-runtime"),
            state_dir: PathBuf::from("/run/kingpost/shim"),
            shim_cgroup: "/kingpost-shims".into(),
            cgroup_root: PathBuf::from("/sys/fs/cgroup"),
            request_timeout: Duration::from_secs(30),
        }
    }
}

/// Starts pods and finds them again. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Runtime {
    pub(crate) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: RuntimeConfig,
}

/// What [`Runtime::reconnect`] found.
#[derive(Debug)]
pub enum Reconnected {
    /// The shim is alive.
    Live(Pod),
    /// The shim is dead; its containers may not be.
    Gone(Gone),
}

/// A pod without its shim: what is left of it.
#[derive(Debug)]
pub struct Gone {
    shared: Arc<Shared>,
    id: String,
}

impl Gone {
    /// The pod.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Kills what still runs in the pod's cgroups, removes these, its mounts and its directory, and returns the
    /// last known states of its containers: those whose exit was recorded have it, the others are reported as
    /// exited with code 255 at the time of this call.
    ///
    /// # Errors
    /// If something cannot be removed; calling again carries on.
    pub async fn clean_up(self) -> Result<Vec<ContainerState>> {
        Err(Error::Gone { pod: self.id })
    }
}

impl Runtime {
    /// Opens the state directory (made with mode 0700), detects the cgroup layout and loads the shim binary.
    ///
    /// # Errors
    /// If the shim binary cannot be read, the state directory cannot be made, or no cgroup file system is mounted.
    pub async fn new(config: RuntimeConfig) -> Result<Self> {
        Ok(Self { shared: Arc::new(Shared { config }) })
    }

    /// The state directory.
    #[must_use]
    pub fn state_dir(&self) -> &Path {
        &self.shared.config.state_dir
    }

    /// Makes the pod's namespaces and cgroup and starts its shim.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] if a pod of this id has a directory; else what failed. Nothing is left behind.
    pub async fn create_pod(&self, spec: PodSpec) -> Result<Pod> {
        Err(Error::Gone { pod: spec.id })
    }

    /// Takes over a pod that an earlier process started.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the state directory has no such pod.
    pub async fn reconnect(&self, id: &str) -> Result<Reconnected> {
        Ok(Reconnected::Gone(Gone { shared: self.shared.clone(), id: id.into() }))
    }

    /// The ids of all pods in the state directory, alive or not.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub async fn list(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}
