//! The pods of one state directory: starting them, finding them again, clearing up after them.

use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;

use crate::cgroup::{self, CgroupLayout, Hierarchies};
use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::gone::Gone;
use crate::launch;
use crate::pod::{self, Pod};
use crate::records::{self, PodDirectory};
use crate::spec::PodSpec;

/// Events that a receiver may be behind.
pub(crate) const EVENTS: usize = 1024;

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
    pub(crate) hierarchies: Hierarchies,
    /// The shim's program, sealed.
    pub(crate) program: OwnedFd,
    /// What processes get that name no `oom_score_adj`: this process's own.
    pub(crate) oom_score_adj: i32,
}

/// What [`Runtime::reconnect`] found.
#[derive(Debug)]
pub enum Reconnected {
    /// The shim is alive.
    Live(Pod),
    /// The shim is dead; its containers may not be.
    Gone(Gone),
}

impl Runtime {
    /// Opens the state directory (made with mode 0700), detects the cgroup layout and loads the shim binary.
    ///
    /// # Errors
    /// If the shim binary cannot be read, the state directory cannot be made, or no cgroup file system is mounted.
    pub async fn new(config: RuntimeConfig) -> Result<Self> {
        let shared = blocking(move || {
            let hierarchies = Hierarchies::detect(&config.cgroup_root)?;
            make_private(&config.state_dir)?;
            cgroup::create(&hierarchies, &config.shim_cgroup, None)?;
            let program = launch::seal_program(&config.shim_binary)?;
            Ok(Shared { hierarchies, program, oom_score_adj: launch::own_oom_score_adj(), config })
        });
        Ok(Self { shared: Arc::new(shared.await?) })
    }

    /// The state directory.
    #[must_use]
    pub fn state_dir(&self) -> &Path {
        &self.shared.config.state_dir
    }

    /// The machine's cgroup layout.
    #[must_use]
    pub fn cgroup_layout(&self) -> CgroupLayout {
        self.shared.hierarchies.layout()
    }

    /// A cgroup's directory in each hierarchy, to read statistics from.
    ///
    /// # Errors
    /// If the path is not absolute within the hierarchies.
    pub fn cgroup_paths(&self, cgroup: &str) -> Result<cgroup::CgroupPaths> {
        Ok(self.shared.hierarchies.paths(cgroup)?)
    }

    /// Makes the pod's namespaces and cgroup and starts its shim.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] if a pod of this id has a directory; else what failed. Nothing is left behind.
    pub async fn create_pod(&self, spec: PodSpec) -> Result<Pod> {
        pod::create(&self.shared, spec).await
    }

    /// Takes over a pod that an earlier process started.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the state directory has no such pod.
    pub async fn reconnect(&self, id: &str) -> Result<Reconnected> {
        records::check_id("pod", id)?;
        let directory = PodDirectory::new(&self.shared.config.state_dir, id);
        if !directory.path().is_dir() {
            return Err(Error::NotFound { kind: "pod", id: id.into() });
        }
        let gone = || Ok(Reconnected::Gone(Gone::new(self.shared.clone(), id.into())));
        let Some(record) = directory.read_pod()? else { return gone() };
        let (events, _) = broadcast::channel(EVENTS);
        let timeout = self.shared.config.request_timeout;
        match Connection::open(id, directory.path(), timeout, events.clone()).await {
            Ok((connection, pid)) => {
                let pod = Pod::new(self.shared.clone(), id.into(), record, connection, pid, events);
                // A shim whose pod was never made (the daemon died in between) is of no use.
                if pod.is_made().await? {
                    return Ok(Reconnected::Live(pod));
                }
                pod.end_shim().await?;
                gone()
            }
            Err(Error::Gone { .. }) => gone(),
            Err(error) => Err(error),
        }
    }

    /// The ids of all pods in the state directory, alive or not.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub async fn list(&self) -> Result<Vec<String>> {
        let directory = self.shared.config.state_dir.clone();
        blocking(move || records::list(&directory)).await
    }
}

fn make_private(directory: &Path) -> Result<()> {
    let failed = |error| Error::io("create", directory, error);
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    // It may have been there with other permissions, and an umask only takes away.
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700)).map_err(failed)
}

/// Runs what may block on a thread for that.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::io("run", "a blocking task", std::io::Error::other(error))),
    }
}
