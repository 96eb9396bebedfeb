//! A live pod: requests to its shim.

mod create;
mod resources;

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use kingpost_shim::{Reply, Request};
use oci_spec::runtime::LinuxResources;
use rustix::io::Errno;
use tokio::sync::broadcast;

use crate::cgroup::{self, CgroupPaths};
use crate::connection::{Answer, Connection};
use crate::error::{Error, Result};
use crate::exec::{self, Exec};
use crate::gone::remove_all;
use crate::plan::NEWNET;
use crate::records::{ContainerRecord, PodDirectory, PodRecord, check_id};
use crate::runtime::{Shared, blocking};
use crate::spec::{
    AttachSpec, Attachment, ContainerSpec, ContainerState, Event, ExecSpec, ExitRecord, Started, Status,
    TerminalSize,
};
use crate::{logs, wire};

pub(crate) use create::create;

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
    pub(crate) shared: Arc<Shared>,
    id: String,
    pub(crate) record: PodRecord,
    pub(crate) directory: PodDirectory,
    pub(crate) connection: Connection,
    shim_pid: u32,
    events: broadcast::Sender<Event>,
}

impl Pod {
    pub(crate) fn new(
        shared: Arc<Shared>,
        id: String,
        record: PodRecord,
        connection: Connection,
        shim_pid: u32,
        events: broadcast::Sender<Event>,
    ) -> Self {
        let directory = PodDirectory::new(&shared.config.state_dir, &id);
        Self { inner: Arc::new(Inner { shared, id, record, directory, connection, shim_pid, events }) }
    }

    /// The pod's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.inner.id
    }

    /// The shim's process id.
    #[must_use]
    pub fn shim_pid(&self) -> u32 {
        self.inner.shim_pid
    }

    /// The pod's network namespace, or `None` if it is the host's.
    ///
    /// # Errors
    /// [`Error::Gone`] if the shim is.
    pub async fn network_namespace(&self) -> Result<Option<OwnedFd>> {
        self.namespace(NEWNET).await
    }

    pub(crate) async fn namespace(&self, kind: u64) -> Result<Option<OwnedFd>> {
        match self.request("namespaces", &Request::Namespaces, Vec::new()).await? {
            (Reply::Namespaces { kinds }, fds) => {
                Ok(kinds.into_iter().zip(fds).find(|(found, _)| *found == kind).map(|(_, fd)| fd))
            }
            (reply, _) => Err(self.inner.connection.unexpected("namespaces", &reply)),
        }
    }

    /// Prepares a container: cgroup, detached mounts, seccomp program. Its process is started by [`Pod::start`].
    ///
    /// # Errors
    /// [`Error::InvalidSpec`] with the field, [`Error::AlreadyExists`], or the step that failed. Nothing is left.
    pub async fn create_container(&self, spec: ContainerSpec) -> Result<()> {
        create::container(self, spec).await
    }

    /// Starts a created container. On failure it is left exited with the error's exit code.
    ///
    /// # Errors
    /// [`Error::Start`] in runc's words; [`Error::WrongState`] if it was started before.
    pub async fn start(&self, container: &str) -> Result<Started> {
        match self.request("start", &Request::Start { id: container.into() }, Vec::new()).await? {
            (Reply::Started { pid, at, warnings, .. }, _) => {
                for warning in &warnings {
                    tracing::warn!(pod = self.id(), container, warning, "started with less than asked for");
                }
                Ok(Started { pid, at: wire::time(at), warnings })
            }
            (reply, _) => Err(self.refusal("start", container, &reply)),
        }
    }

    /// Sends a signal. A process that has ended already is no error.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::WrongState`] for a container that was not started.
    pub async fn signal(&self, container: &str, signal: i32, target: SignalTarget<'_>) -> Result<()> {
        let exec = match target {
            SignalTarget::Exec(exec) => Some(exec.to_owned()),
            _ => None,
        };
        let all = target == SignalTarget::All;
        let request = Request::Signal { id: container.into(), exec, signal, all };
        self.simple("signal", container, &request, Vec::new()).await
    }

    /// Runs a process in a running container.
    ///
    /// # Errors
    /// [`Error::Start`] in runc's words; [`Error::WrongState`] if the container does not run.
    pub async fn exec(&self, container: &str, spec: ExecSpec) -> Result<Exec> {
        exec::start(self, container, spec).await
    }

    /// Attaches to a running container.
    ///
    /// # Errors
    /// [`Error::WrongState`] if it does not run, [`Error::Shim`] if standard input was asked for and it has none.
    pub async fn attach(&self, container: &str, spec: AttachSpec) -> Result<Attachment> {
        let AttachSpec { stdin, stdout, stderr } = spec;
        let request = Request::Attach { id: container.into(), stdin, stdout, stderr };
        match self.request("attach", &request, Vec::new()).await? {
            (Reply::Attached { terminal }, fds) => {
                let mut fds = fds.into_iter();
                Ok(Attachment {
                    stdin: if stdin { fds.next() } else { None },
                    stdout: if stdout { fds.next() } else { None },
                    stderr: if stderr && !terminal { fds.next() } else { None },
                    terminal,
                })
            }
            (reply, _) => Err(self.refusal("attach", container, &reply)),
        }
    }

    /// Sets the size of a container's terminal.
    ///
    /// # Errors
    /// [`Error::WrongState`] if it has none.
    pub async fn resize(&self, container: &str, size: TerminalSize) -> Result<()> {
        let request = Request::Resize { id: container.into(), rows: size.rows, columns: size.columns };
        self.simple("resize", container, &request, Vec::new()).await
    }

    /// Ends a container's standard input.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn close_stdin(&self, container: &str) -> Result<()> {
        self.simple("close stdin", container, &Request::CloseStdin { id: container.into() }, Vec::new()).await
    }

    /// Opens a container's log file anew, after it was renamed.
    ///
    /// # Errors
    /// If the file cannot be opened (the old one stays in use), or the container has none.
    pub async fn reopen_log(&self, container: &str) -> Result<()> {
        let record = self.container_record(container).await?;
        let Some((directory, path)) = record.log else {
            return Err(Error::invalid("log", format!("container {container} has none")));
        };
        let file = blocking(move || logs::open(&directory, &path)).await?;
        self.simple("reopen log", container, &Request::ReopenLog { id: container.into() }, vec![file]).await
    }

    /// Changes the limits of a container's cgroup; absent fields stay.
    ///
    /// # Errors
    /// [`Error::Cgroup`].
    pub async fn update_resources(&self, container: &str, resources: &LinuxResources) -> Result<()> {
        let record = self.container_record(container).await?;
        resources::update(&self.inner.shared, record.cgroup, resources.clone()).await
    }

    /// Changes the limits of the pod's cgroup.
    ///
    /// # Errors
    /// [`Error::Cgroup`]; [`Error::InvalidSpec`] if the pod has no cgroup parent.
    pub async fn update_pod_resources(&self, resources: &LinuxResources) -> Result<()> {
        let Some(parent) = self.inner.record.cgroup_parent.clone() else {
            return Err(Error::invalid("cgroup_parent", "the pod has none"));
        };
        resources::update(&self.inner.shared, parent, resources.clone()).await
    }

    /// A container's cgroup in each hierarchy, to read statistics from.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn container_cgroup(&self, container: &str) -> Result<CgroupPaths> {
        let record = self.container_record(container).await?;
        Ok(self.inner.shared.hierarchies.paths(&record.cgroup)?)
    }

    /// The pod's cgroup in each hierarchy, or `None` without a cgroup parent.
    #[must_use]
    pub fn pod_cgroup(&self) -> Option<CgroupPaths> {
        let parent = self.inner.record.cgroup_parent.as_ref()?;
        self.inner.shared.hierarchies.paths(parent).ok()
    }

    /// Kills a container if it runs, waits for its end, removes its cgroup and the shim's memory of it.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn delete_container(&self, container: &str) -> Result<()> {
        let mut events = self.events();
        if let Status::Running { .. } = self.state(container).await?.status {
            const SIGKILL: i32 = 9;
            self.signal(container, SIGKILL, SignalTarget::Init).await?;
            self.signal(container, SIGKILL, SignalTarget::All).await?;
            self.wait_with(container, &mut events).await?;
        }
        loop {
            let request = Request::Delete { id: container.into() };
            match self.request("delete", &request, Vec::new()).await? {
                (Reply::Done, _) => break,
                // Its last output is being logged; its end is about to be announced.
                (Reply::WrongState { .. }, _) => self.next_exit(container, &mut events).await?,
                (reply, _) => return Err(self.refusal("delete", container, &reply)),
            }
        }
        let record = self.container_record(container).await?;
        let (shared, directory, id) =
            (self.inner.shared.clone(), self.inner.directory.clone(), container.to_owned());
        blocking(move || {
            cgroup::remove(&shared.hierarchies.paths(&record.cgroup)?)?;
            directory.remove_container(&id)
        })
        .await
    }

    /// All containers, in the order of their creation.
    ///
    /// # Errors
    /// [`Error::Gone`].
    pub async fn states(&self) -> Result<Vec<ContainerState>> {
        match self.request("states", &Request::States, Vec::new()).await? {
            (Reply::States(records), _) => Ok(records.into_iter().map(wire::container_state).collect()),
            (reply, _) => Err(self.inner.connection.unexpected("states", &reply)),
        }
    }

    /// One container.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn state(&self, container: &str) -> Result<ContainerState> {
        let found = self.states().await?.into_iter().find(|state| state.id == container);
        found.ok_or_else(|| not_found(container))
    }

    /// Waits until a container has ended.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Gone`].
    pub async fn wait(&self, container: &str) -> Result<ExitRecord> {
        let mut events = self.events();
        self.wait_with(container, &mut events).await
    }

    async fn wait_with(
        &self,
        container: &str,
        events: &mut broadcast::Receiver<Event>,
    ) -> Result<ExitRecord> {
        loop {
            if let Status::Exited { exit, .. } = self.state(container).await?.status {
                return Ok(exit);
            }
            self.next_exit(container, events).await?;
        }
    }

    /// Waits for the announcement of a container's end, or for having missed events.
    async fn next_exit(&self, container: &str, events: &mut broadcast::Receiver<Event>) -> Result<()> {
        loop {
            match events.recv().await {
                Ok(Event::Exited { container: ended, exec: None, .. }) if ended == container => return Ok(()),
                Ok(Event::Gone) | Err(broadcast::error::RecvError::Closed) => {
                    return Err(Error::Gone { pod: self.id().into() });
                }
                Ok(_) => {}
                Err(broadcast::error::RecvError::Lagged(_)) => return Ok(()),
            }
        }
    }

    /// Events from now on. A receiver that lags is told so by the channel and must read [`Pod::states`].
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.inner.events.subscribe()
    }

    /// Resolves when the shim is gone: nothing more will come from this pod.
    pub async fn gone(&self) {
        self.inner.connection.closed().await;
    }

    /// Ends the pod: kills all, waits, removes cgroups, mounts, directory and the shim. Idempotent.
    ///
    /// # Errors
    /// If something cannot be removed; calling again, or [`crate::Gone::clean_up`], carries on.
    pub async fn destroy(&self) -> Result<()> {
        self.end_shim().await?;
        let (shared, directory) = (self.inner.shared.clone(), self.inner.directory.clone());
        blocking(move || remove_all(&shared, &directory)).await
    }

    /// Has the shim kill all and end itself. One that is gone has ended.
    pub(crate) async fn end_shim(&self) -> Result<()> {
        match self.request("destroy", &Request::Destroy, Vec::new()).await {
            Ok((Reply::Done, _)) => self.inner.connection.closed().await,
            Err(Error::Gone { .. }) => {}
            Ok((reply, _)) => return Err(self.inner.connection.unexpected("destroy", &reply)),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Whether the shim has made the pod's namespaces.
    pub(crate) async fn is_made(&self) -> Result<bool> {
        match self.request("namespaces", &Request::Namespaces, Vec::new()).await? {
            (Reply::Namespaces { .. }, _) => Ok(true),
            _ => Ok(false),
        }
    }

    pub(crate) async fn request(
        &self,
        operation: &'static str,
        request: &Request,
        fds: Vec<OwnedFd>,
    ) -> Result<Answer> {
        self.inner.connection.request(operation, request, fds).await
    }

    async fn simple(
        &self,
        operation: &'static str,
        container: &str,
        request: &Request,
        fds: Vec<OwnedFd>,
    ) -> Result<()> {
        match self.request(operation, request, fds).await? {
            (Reply::Done, _) => Ok(()),
            (reply, _) => Err(self.refusal(operation, container, &reply)),
        }
    }

    pub(crate) fn refusal(&self, operation: &'static str, container: &str, reply: &Reply) -> Error {
        match reply {
            Reply::NotFound => not_found(container),
            Reply::Exists => Error::AlreadyExists { kind: "container", id: container.into() },
            Reply::WrongState { state } => Error::WrongState {
                id: container.into(),
                operation,
                state: match state {
                    0 => "created",
                    1 => "running",
                    _ => "exited",
                },
            },
            Reply::Failed(failure) => Error::Start(wire::start_error(failure)),
            other => self.inner.connection.unexpected(operation, other),
        }
    }

    pub(crate) async fn container_record(&self, container: &str) -> Result<ContainerRecord> {
        check_id("container", container)?;
        let (directory, id) = (self.inner.directory.clone(), container.to_owned());
        let record = blocking(move || directory.read_container(&id)).await?;
        record.ok_or_else(|| not_found(container))
    }
}

fn not_found(container: &str) -> Error {
    Error::NotFound { kind: "container", id: container.into() }
}

/// Makes a descriptor that came from elsewhere non-blocking.
pub(crate) fn set_nonblocking(fd: impl AsFd) -> std::result::Result<(), Errno> {
    rustix::io::ioctl_fionbio(fd, true)
}
