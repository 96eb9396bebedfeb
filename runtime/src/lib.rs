//! Runs pods and their containers: from an OCI runtime specification to processes in namespaces and cgroups.
//!
//! A [`Runtime`] starts one shim process per [`Pod`]. The shim is the parent of the pod's containers, holds the
//! pod's namespaces, stdio and log files, records exits, and outlives the process that uses this library, which
//! takes its pods over again with [`Runtime::reconnect`]. All that can fail is prepared here (cgroups, detached
//! mounts, seccomp programs, resolved fields) and handed to the shim as one plan of syscalls.
//!
//! Nothing here executes another program than the shim.

mod cgroup;
mod connection;
mod error;
mod exec;
mod gone;
mod launch;
mod logs;
mod plan;
mod pod;
mod records;
mod runtime;
mod seccomp;
mod shm;
mod spec;
mod wire;

pub use cgroup::{CgroupError, CgroupLayout, CgroupPaths};
pub use error::{Error, Result, StartError, StartFailure};
pub use exec::Exec;
pub use gone::Gone;
pub use pod::{Pod, SignalTarget};
pub use runtime::{Reconnected, Runtime, RuntimeConfig};
pub use seccomp::{SeccompError, compile as compile_seccomp};
pub use spec::{
    AttachSpec, Attachment, ContainerSpec, ContainerState, Event, ExecIo, ExecSpec, ExitRecord, IdMapping,
    IdMappings, LogFile, NetMode, NsMode, PodResources, PodSpec, Rootfs, Started, Status, TerminalSize,
};
