//! Records of sandboxes and containers: what has to be known again after this process, or the machine, ends.
//!
//! A record is a protobuf message of our own in a file that is replaced atomically, and it is written *before*
//! the step that it announces. So each phase can be replayed: whoever finds `Preparing` or `Creating` removes what
//! there is, whoever finds `Stopping` or `Removing` carries on. Numbers of fields are never used again.

mod disk;
mod recorded;

use kingpost_proto::cri::{ContainerConfig, LinuxContainerUser, PodSandboxConfig};

pub(crate) use disk::{Durability, Records};
pub(crate) use recorded::Recorded;

/// A record could not be written, read or removed.
#[derive(Debug, thiserror::Error)]
#[error("{operation} {}", path.display())]
pub(crate) struct RecordError {
    pub(crate) operation: &'static str,
    pub(crate) path: std::path::PathBuf,
    #[source]
    pub(crate) source: std::io::Error,
}

/// Where in its life a sandbox is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum SandboxPhase {
    /// Being made; nobody was told its id.
    Preparing = 0,
    /// Containers can be created in it.
    Ready = 1,
    /// Being stopped; the end of its containers may not be recorded yet.
    Stopping = 2,
    /// Stopped, or ended by itself or by a reboot.
    NotReady = 3,
    /// Being removed with its containers.
    Removing = 4,
}

/// A sandbox.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SandboxRecord {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    #[prost(message, optional, tag = "2")]
    pub(crate) config: Option<PodSandboxConfig>,
    #[prost(string, tag = "3")]
    pub(crate) runtime_handler: String,
    /// Nanoseconds since 1970.
    #[prost(int64, tag = "4")]
    pub(crate) created_at: i64,
    #[prost(enumeration = "SandboxPhase", tag = "5")]
    pub(crate) phase: i32,
    /// The pod's addresses, the primary one first; empty on the host network.
    #[prost(string, repeated, tag = "6")]
    pub(crate) ips: Vec<String>,
    /// The pod's cgroup, absolute within each hierarchy.
    #[prost(string, tag = "7")]
    pub(crate) cgroup_parent: String,
}

/// Where in its life a container is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum ContainerPhase {
    /// Being made; nobody was told its id.
    Creating = 0,
    /// Can be started.
    Created = 1,
    /// Its process is being started.
    Starting = 2,
    /// Its process runs.
    Running = 3,
    /// Its process ended, or could not be started.
    Exited = 4,
    /// Being removed.
    Removing = 5,
}

impl ContainerPhase {
    /// The phase as a word of a sentence.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Creating => "being created",
            Self::Created => "created",
            Self::Starting => "being started",
            Self::Running => "running",
            Self::Exited => "exited",
            Self::Removing => "being removed",
        }
    }
}

/// A container.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ContainerRecord {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    #[prost(string, tag = "2")]
    pub(crate) sandbox_id: String,
    #[prost(message, optional, tag = "3")]
    pub(crate) config: Option<ContainerConfig>,
    /// Id of the image, as `Image.id`.
    #[prost(string, tag = "4")]
    pub(crate) image_id: String,
    /// Reference with digest, or the id where the image has none.
    #[prost(string, tag = "5")]
    pub(crate) image_ref: String,
    #[prost(enumeration = "ContainerPhase", tag = "6")]
    pub(crate) phase: i32,
    /// Nanoseconds since 1970; the next two are 0 until it happened.
    #[prost(int64, tag = "7")]
    pub(crate) created_at: i64,
    #[prost(int64, tag = "8")]
    pub(crate) started_at: i64,
    #[prost(int64, tag = "9")]
    pub(crate) finished_at: i64,
    #[prost(int32, tag = "10")]
    pub(crate) exit_code: i32,
    #[prost(string, tag = "11")]
    pub(crate) reason: String,
    #[prost(string, tag = "12")]
    pub(crate) message: String,
    /// Absolute; empty without a log.
    #[prost(string, tag = "13")]
    pub(crate) log_path: String,
    #[prost(message, optional, tag = "14")]
    pub(crate) user: Option<LinuxContainerUser>,
    /// Number of the signal that StopContainer sends first.
    #[prost(int32, tag = "15")]
    pub(crate) stop_signal: i32,
    /// The OCI `process`, as JSON: an exec starts from it.
    #[prost(bytes = "vec", tag = "16")]
    pub(crate) process: Vec<u8>,
}

/// A message that is kept in a directory of its id.
pub(crate) trait Record: prost::Message + Default + Clone + 'static {
    /// Name of the directory of all records of the kind.
    const KIND: &'static str;

    /// The id.
    fn id(&self) -> &str;
}

impl Record for SandboxRecord {
    const KIND: &'static str = "sandboxes";

    fn id(&self) -> &str {
        &self.id
    }
}

impl Record for ContainerRecord {
    const KIND: &'static str = "containers";

    fn id(&self) -> &str {
        &self.id
    }
}

impl ContainerRecord {
    /// Records an end. A container that ended before keeps its first end.
    pub(crate) fn end(&mut self, exit_code: i32, finished_at: i64, reason: &str, message: &str) {
        if matches!(self.phase(), ContainerPhase::Exited | ContainerPhase::Removing) {
            return;
        }
        self.set_phase(ContainerPhase::Exited);
        self.exit_code = exit_code;
        // Clocks step back; an end before the start would confuse every client.
        self.finished_at = finished_at.max(self.started_at).max(self.created_at);
        self.reason = reason.to_owned();
        self.message = message.to_owned();
    }
}

#[cfg(test)]
mod tests;
