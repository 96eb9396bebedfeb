//! What callers hand in and get back: pods, containers, execs, their states and events.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::SystemTime;

use oci_spec::runtime::{Process, Spec};

/// A pod: the namespaces, cgroup and directory that its containers share.
#[derive(Debug)]
pub struct PodSpec {
    /// Unique among the pods of one state directory; `[A-Za-z0-9_.-]`, at most 128 bytes.
    pub id: String,
    /// The pod's cgroup, absolute within each hierarchy (`/kubepods/burstable/pod<uid>`); made if missing and
    /// removed with the pod if this call made it. Containers name their own in `linux.cgroupsPath`.
    pub cgroup_parent: Option<String>,
    /// The network namespace.
    pub net: NetMode,
    /// The PID namespace: `Pod` is one for all containers with the shim's reaper as PID 1.
    pub pid: NsMode,
    /// The IPC namespace and `/dev/shm`.
    pub ipc: NsMode,
    /// The UTS namespace: `Pod` or `Node`.
    pub uts: NsMode,
    /// A user namespace for the pod, or none.
    pub user: Option<IdMappings>,
    /// Host name, set in the pod's UTS namespace; ignored by no one: an error with `uts: Node`.
    pub hostname: Option<String>,
    /// Sysctls of the pod's namespaces (`net.ipv4.ip_forward`, `kernel.shm_rmid_forced`).
    pub sysctls: BTreeMap<String, String>,
    /// Size of the pod's `/dev/shm` in bytes; `None` is 64 MiB.
    pub shm_size: Option<u64>,
    /// Limits of the pod's cgroup, if this runtime (not the kubelet) sets them.
    pub resources: Option<PodResources>,
}

/// Where a pod's network namespace comes from.
#[derive(Debug)]
pub enum NetMode {
    /// The network namespace of the calling process.
    Host,
    /// One made elsewhere (by the pod network). With a user namespace it must be owned by that.
    Fd(OwnedFd),
    /// A fresh one, with loopback only, owned by the pod's user namespace if there is one. See
    /// [`crate::Pod::network_namespace`].
    New,
}

/// Who shares a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NsMode {
    /// All containers of the pod.
    Pod,
    /// Each container has its own.
    Container,
    /// The node's.
    Node,
}

/// One line of `uid_map` or `gid_map`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdMapping {
    /// First id inside.
    pub container_id: u32,
    /// First id outside.
    pub host_id: u32,
    /// Number of ids.
    pub size: u32,
}

/// The mapping of a user namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdMappings {
    /// Users.
    pub uids: Vec<IdMapping>,
    /// Groups.
    pub gids: Vec<IdMapping>,
}

/// Limits of a pod's cgroup.
pub type PodResources = oci_spec::runtime::LinuxResources;

/// A container of a pod.
#[derive(Debug)]
pub struct ContainerSpec {
    /// Unique within the pod; same alphabet as pod ids.
    pub id: String,
    /// The OCI runtime specification. Namespaces of the pod (network, ipc, uts, and pid where the pod says so) are
    /// taken from the pod when the specification lists them without a path; with a path they are joined.
    pub oci: Spec,
    /// The root file system.
    pub rootfs: Rootfs,
    /// Log file in CRI format, or none (output is discarded unless attached).
    pub log: Option<LogFile>,
    /// Whether standard input is a pipe (or the terminal) rather than `/dev/null`.
    pub stdin: bool,
    /// Whether standard input ends when the first attached client leaves.
    pub stdin_once: bool,
}

/// Where a container's root file system comes from.
#[derive(Debug, Clone)]
pub enum Rootfs {
    /// Layers under a writable directory, mounted for the container alone.
    Overlay {
        /// Read-only layers, the top first.
        lower: Vec<PathBuf>,
        /// The writable layer.
        upper: PathBuf,
        /// Overlayfs's work directory, on the same file system as `upper`.
        work: PathBuf,
    },
    /// A directory, bound.
    Directory(PathBuf),
}

/// A log file beneath a directory. No component of `path` is followed if it is a link.
#[derive(Debug, Clone)]
pub struct LogFile {
    /// The directory, chosen by the caller.
    pub directory: PathBuf,
    /// The file relative to it (`nginx/0.log`); missing directories are made with mode 0755.
    pub path: PathBuf,
}

/// A container that runs now.
#[derive(Debug, Clone)]
pub struct Started {
    /// Its first process, in the PID namespace of the shim.
    pub pid: u32,
    /// When it was started.
    pub at: SystemTime,
    /// What could not be applied for lack of privilege and was left out or clamped (rlimits, oom_score_adj).
    pub warnings: Vec<String>,
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExitRecord {
    /// Exit code; 128 + signal for a signal.
    pub code: i32,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// When the shim saw it.
    pub at: SystemTime,
    /// Whether the kernel killed a process of the container for lack of memory while it ran.
    pub oom: bool,
}

/// The life of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Prepared.
    Created,
    /// Its first process runs.
    Running {
        /// That process, in the PID namespace of the shim.
        pid: u32,
        /// Since when.
        started_at: SystemTime,
    },
    /// Its first process ended.
    Exited {
        /// When it was started; `None` if that failed.
        started_at: Option<SystemTime>,
        /// How it ended.
        exit: ExitRecord,
    },
}

/// A container and what it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerState {
    /// The container.
    pub id: String,
    /// Its status.
    pub status: Status,
    /// Bytes of its output that could not be logged.
    pub log_bytes_lost: u64,
}

/// What happened in a pod, in causal order.
#[derive(Debug, Clone)]
pub enum Event {
    /// A container's process was started.
    Started {
        /// The container.
        container: String,
        /// Its first process.
        pid: u32,
    },
    /// The kernel killed a process of the container for lack of memory.
    Oom {
        /// The container.
        container: String,
    },
    /// A container's first process, or an exec's process, ended. Its output is in the log.
    Exited {
        /// The container.
        container: String,
        /// The exec's id, or `None` for the container itself.
        exec: Option<String>,
        /// How.
        exit: ExitRecord,
    },
    /// The shim is gone: nothing more will come, clean up through [`crate::Runtime::reconnect`].
    Gone,
}

/// A process to run in a running container.
#[derive(Debug, Clone)]
pub struct ExecSpec {
    /// Unique within the container.
    pub id: String,
    /// User, arguments, environment, working directory, terminal, capabilities, limits as OCI has them. The seccomp
    /// profile and `no_new_privs` of the container hold for it too.
    pub process: Process,
    /// Whether the caller wants standard input (a terminal always has it).
    pub stdin: bool,
    /// Whether standard error and standard output are wanted. Unwanted ones are `/dev/null`.
    pub stdout: bool,
    /// See `stdout`. Ignored with a terminal, which has one stream.
    pub stderr: bool,
    /// First size of the terminal.
    pub size: Option<TerminalSize>,
}

/// Rows and columns of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalSize {
    /// Rows.
    pub rows: u16,
    /// Columns.
    pub columns: u16,
}

/// The caller's ends of an exec's stdio. All fds are non-blocking and CLOEXEC.
#[derive(Debug)]
pub enum ExecIo {
    /// Three pipes.
    Pipes {
        /// Write end of its standard input.
        stdin: Option<OwnedFd>,
        /// Read end of its standard output.
        stdout: Option<OwnedFd>,
        /// Read end of its standard error.
        stderr: Option<OwnedFd>,
    },
    /// The master of its terminal: read, write, resize. Reading it gives EIO when all slaves are closed.
    Terminal(OwnedFd),
}

/// Which streams of a running container to attach to.
#[derive(Debug, Clone, Copy, Default)]
pub struct AttachSpec {
    /// Standard input.
    pub stdin: bool,
    /// Standard output (with a terminal: its output).
    pub stdout: bool,
    /// Standard error.
    pub stderr: bool,
}

/// The caller's ends of an attached container's stdio: what it prints from now on. All fds are non-blocking and
/// CLOEXEC; dropping them detaches. A reader that takes nothing for ten seconds is cut off.
#[derive(Debug)]
pub struct Attachment {
    /// Where to write its input: a pipe, or the terminal's master.
    pub stdin: Option<OwnedFd>,
    /// Its output.
    pub stdout: Option<OwnedFd>,
    /// Its errors.
    pub stderr: Option<OwnedFd>,
    /// Whether the container has a terminal.
    pub terminal: bool,
}
