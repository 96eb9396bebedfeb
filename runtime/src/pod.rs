//! A live pod: requests to its shim.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use oci_spec::runtime::LinuxResources;
use tokio::sync::broadcast;

use crate::cgroup::CgroupPaths;
use crate::error::{Error, Result};
use crate::exec::Exec;
use crate::spec::{
    AttachSpec, Attachment, ContainerSpec, ContainerState, Event, ExecSpec, ExitRecord, Started, TerminalSize,
};

/// Whom a signal goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalTarget<'a> {
    /// The container's first process.
    Init,
    /// All processes in the container's cgroup.
    All,
    /// The process of an exec.
    Exec(&'a str),
}

/// A pod whose shim answers. Cheap to clone; dropping it leaves the pod running.
#[derive(Debug, Clone)]
pub struct Pod {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    id: String,
    events: broadcast::Sender<Event>,
}

impl Pod {
    /// The pod's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.inner.id
    }

    /// The shim's process id.
    #[must_use]
    pub fn shim_pid(&self) -> u32 {
        0
    }

    /// The pod's network namespace, or `None` if it is the host's.
    ///
    /// # Errors
    /// [`Error::Gone`] if the shim is.
    pub async fn network_namespace(&self) -> Result<Option<OwnedFd>> {
        self.gone()
    }

    /// Prepares a container: cgroup, detached mounts, seccomp program. Its process is started by [`Pod::start`].
    ///
    /// # Errors
    /// [`Error::InvalidSpec`] with the field, [`Error::AlreadyExists`], or the step that failed. Nothing is left.
    pub async fn create_container(&self, spec: ContainerSpec) -> Result<()> {
        drop(spec);
        self.gone()
    }

    /// Starts a created container. On failure it is left exited with the error's exit code.
    ///
    /// # Errors
    /// [`Error::Start`] in runc's words; [`Error::WrongState`] if it was started before.
    pub async fn start(&self, container: &str) -> Result<Started> {
        self.gone_for(container)
    }

    /// Sends a signal. A process that has ended already is no error.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::WrongState`] for a container that was not started.
    pub async fn signal(&self, container: &str, signal: i32, target: SignalTarget<'_>) -> Result<()> {
        let _ = (signal, target);
        self.gone_for(container)
    }

    /// Runs a process in a running container.
    ///
    /// # Errors
    /// [`Error::Start`] in runc's words; [`Error::WrongState`] if the container does not run.
    pub async fn exec(&self, container: &str, spec: ExecSpec) -> Result<Exec> {
        drop(spec);
        self.gone_for(container)
    }

    /// Attaches to a running container.
    ///
    /// # Errors
    /// [`Error::WrongState`] if it does not run, or standard input was asked for and it has none.
    pub async fn attach(&self, container: &str, spec: AttachSpec) -> Result<Attachment> {
        let _ = spec;
        self.gone_for(container)
    }

    /// Sets the size of a container's terminal.
    ///
    /// # Errors
    /// [`Error::WrongState`] if it has none.
    pub async fn resize(&self, container: &str, size: TerminalSize) -> Result<()> {
        let _ = size;
        self.gone_for(container)
    }

    /// Ends a container's standard input.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn close_stdin(&self, container: &str) -> Result<()> {
        self.gone_for(container)
    }

    /// Opens a container's log file anew, after it was renamed.
    ///
    /// # Errors
    /// If the file cannot be opened (the old one stays in use).
    pub async fn reopen_log(&self, container: &str) -> Result<()> {
        self.gone_for(container)
    }

    /// Changes the limits of a container's cgroup; absent fields stay.
    ///
    /// # Errors
    /// [`Error::Cgroup`].
    pub async fn update_resources(&self, container: &str, resources: &LinuxResources) -> Result<()> {
        let _ = resources;
        self.gone_for(container)
    }

    /// Changes the limits of the pod's cgroup.
    ///
    /// # Errors
    /// [`Error::Cgroup`]; [`Error::InvalidSpec`] if the pod has no cgroup parent.
    pub async fn update_pod_resources(&self, resources: &LinuxResources) -> Result<()> {
        let _ = resources;
        self.gone()
    }

    /// A container's cgroup in each hierarchy, to read statistics from.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn container_cgroup(&self, container: &str) -> Result<CgroupPaths> {
        self.gone_for(container)
    }

    /// The pod's cgroup in each hierarchy, or `None` without a cgroup parent.
    #[must_use]
    pub fn pod_cgroup(&self) -> Option<CgroupPaths> {
        None
    }

    /// Kills a container if it runs, waits for its end, removes its cgroup and the shim's memory of it.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn delete_container(&self, container: &str) -> Result<()> {
        self.gone_for(container)
    }

    /// All containers, in the order of their creation.
    ///
    /// # Errors
    /// [`Error::Gone`].
    pub async fn states(&self) -> Result<Vec<ContainerState>> {
        self.gone()
    }

    /// One container.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn state(&self, container: &str) -> Result<ContainerState> {
        self.gone_for(container)
    }

    /// Waits until a container has ended.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Gone`].
    pub async fn wait(&self, container: &str) -> Result<ExitRecord> {
        self.gone_for(container)
    }

    /// Events from now on. A receiver that lags is told so by the channel and must read [`Pod::states`].
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.inner.events.subscribe()
    }

    /// Ends the pod: kills all, waits, removes cgroups, mounts, directory and the shim. Idempotent.
    ///
    /// # Errors
    /// If something cannot be removed; calling again, or [`crate::Gone::clean_up`], carries on.
    pub async fn destroy(&self) -> Result<()> {
        self.gone()
    }

    fn gone<T>(&self) -> Result<T> {
        Err(Error::Gone { pod: self.inner.id.clone() })
    }

    fn gone_for<T>(&self, _container: &str) -> Result<T> {
        self.gone()
    }
}
