//! Requests to a shim, its replies and its notices.
//!
//! Every message is one record of a `SOCK_SEQPACKET` socket (see [`crate::frame`]). The first request of a connection
//! is [`Request::Hello`]; replies carry the number of their request and may overtake one another.

use crate::plan::{ContainerPlan, ExecPlan, PodPlan};
use crate::wire::{wire_enum, wire_struct};

/// The version of plans and messages. A shim serves the versions it knows and refuses others in its reply to `Hello`.
pub const PROTOCOL_VERSION: u32 = 1;

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Opens the connection.
    Hello {
        /// The client's [`PROTOCOL_VERSION`].
        version: u32,
    },
    /// Makes the pod's namespaces: once, first.
    CreatePod(PodPlan),
    /// Keeps a container's plan and descriptors until it is started.
    CreateContainer {
        /// Its id.
        id: String,
        /// The plan.
        plan: ContainerPlan,
    },
    /// Starts it.
    Start {
        /// The container.
        id: String,
    },
    /// Runs a process in it.
    Exec {
        /// The container.
        id: String,
        /// The exec's id.
        exec: String,
        /// The plan.
        plan: ExecPlan,
    },
    /// Sends a signal.
    Signal {
        /// The container.
        id: String,
        /// The exec, or the container's first process.
        exec: Option<String>,
        /// The signal.
        signal: i32,
        /// To every process of the container.
        all: bool,
    },
    /// Asks for descriptors of a container's stdio; the reply's come in the order stdin, stdout, stderr.
    Attach {
        /// The container.
        id: String,
        /// Whether stdin is wanted.
        stdin: bool,
        /// Whether stdout is.
        stdout: bool,
        /// Whether stderr is.
        stderr: bool,
    },
    /// Sets a container's terminal size.
    Resize {
        /// The container.
        id: String,
        /// Rows.
        rows: u16,
        /// Columns.
        columns: u16,
    },
    /// Closes a container's standard input.
    CloseStdin {
        /// The container.
        id: String,
    },
    /// Replaces a container's log file by the descriptor sent along.
    ReopenLog {
        /// The container.
        id: String,
    },
    /// Forgets a container; it must not be running.
    Delete {
        /// The container.
        id: String,
    },
    /// Lists the containers.
    States,
    /// Asks for the pod's namespaces.
    Namespaces,
    /// Kills everything and ends the shim.
    Destroy,
}
wire_enum!(Request {
    0 => Hello { version },
    1 => CreatePod(plan),
    2 => CreateContainer { id, plan },
    3 => Start { id },
    4 => Exec { id, exec, plan },
    5 => Signal { id, exec, signal, all },
    6 => Attach { id, stdin, stdout, stderr },
    7 => Resize { id, rows, columns },
    8 => CloseStdin { id },
    9 => ReopenLog { id },
    10 => Delete { id },
    11 => States,
    12 => Namespaces,
    13 => Destroy,
});

/// What the shim answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Done.
    Done,
    /// To `Hello`.
    Hello {
        /// The shim's version.
        version: u32,
        /// Its process id.
        pid: u32,
    },
    /// Not done.
    Error {
        /// errno, or 0.
        errno: i32,
        /// Why.
        message: String,
    },
    /// No container, or exec, of that name.
    NotFound,
    /// The id is taken.
    Exists,
    /// It does not fit the container's state.
    WrongState {
        /// 0 created, 1 running, 2 exited.
        state: u8,
    },
    /// A process was started.
    Started {
        /// Its pid.
        pid: u32,
        /// When, in nanoseconds since 1970.
        at: i64,
        /// What was left out or clamped.
        warnings: Vec<String>,
        /// Whether a terminal's master is sent along.
        terminal: bool,
    },
    /// A process could not be started.
    Failed(ChildFailure),
    /// To `States`.
    States(Vec<ContainerRecord>),
    /// To `Namespaces`: the `CLONE_NEW*` flags of the descriptors sent along.
    Namespaces {
        /// In their order.
        kinds: Vec<u64>,
    },
    /// To `Attach`.
    Attached {
        /// Whether the container has a terminal.
        terminal: bool,
    },
}
wire_enum!(Reply {
    0 => Done,
    1 => Hello { version, pid },
    2 => Error { errno, message },
    3 => NotFound,
    4 => Exists,
    5 => WrongState { state },
    6 => Started { pid, at, warnings, terminal },
    7 => Failed(failure),
    8 => States(records),
    9 => Namespaces { kinds },
    10 => Attached { terminal },
});

/// The step at which a child failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Cloning it, or anything in the shim.
    Clone,
    /// Joining its cgroups.
    Cgroup,
    /// Entering or making namespaces.
    Namespaces,
    /// Setting its host name.
    Hostname,
    /// Writing a sysctl.
    Sysctl,
    /// Attaching the root.
    Root,
    /// A mount.
    Mount,
    /// A device.
    Device,
    /// A masked path.
    MaskedPath,
    /// A read-only path.
    ReadonlyPath,
    /// `pivot_root`.
    Pivot,
    /// The terminal.
    Terminal,
    /// Standard input, output, error.
    Stdio,
    /// The working directory.
    WorkingDirectory,
    /// Limits.
    Limits,
    /// Users, groups, capabilities.
    Identity,
    /// The seccomp filter.
    Seccomp,
    /// `execve`: the program or its interpreter.
    Exec,
    /// The program does not exist.
    Lookup,
}
wire_enum!(Step {
    0 => Clone, 1 => Cgroup, 2 => Namespaces, 3 => Hostname, 4 => Sysctl, 5 => Root, 6 => Mount, 7 => Device,
    8 => MaskedPath, 9 => ReadonlyPath, 10 => Pivot, 11 => Terminal, 12 => Stdio, 13 => WorkingDirectory,
    14 => Limits, 15 => Identity, 16 => Seccomp, 17 => Exec, 18 => Lookup,
});

/// Where and why a child failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildFailure {
    /// The step.
    pub step: Step,
    /// errno.
    pub errno: i32,
    /// The path, name or call concerned.
    pub detail: String,
}
wire_struct!(ChildFailure { step, errno, detail });

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExitInfo {
    /// Exit code; 128 + signal for a signal.
    pub code: i32,
    /// The signal, or 0.
    pub signal: i32,
    /// When, in nanoseconds since 1970.
    pub at: i64,
    /// Whether a process of the container was killed for lack of memory.
    pub oom: bool,
    /// When it was started, in nanoseconds since 1970; 0 if that failed.
    pub started_at: i64,
}
wire_struct!(ExitInfo { code, signal, at, oom, started_at });

/// A container's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerStatus {
    /// Prepared.
    Created,
    /// Running.
    Running {
        /// Its first process.
        pid: u32,
        /// Since, in nanoseconds since 1970.
        started_at: i64,
    },
    /// Ended.
    Exited(ExitInfo),
}
wire_enum!(ContainerStatus { 0 => Created, 1 => Running { pid, started_at }, 2 => Exited(exit) });

/// A container in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerRecord {
    /// Its id.
    pub id: String,
    /// Its status.
    pub status: ContainerStatus,
    /// Bytes of output that were not logged.
    pub lost: u64,
}
wire_struct!(ContainerRecord { id, status, lost });

/// Something that happened, told to every connection after its `Hello`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A container was started.
    Started {
        /// The container.
        id: String,
        /// Its first process.
        pid: u32,
    },
    /// A process was killed for lack of memory.
    Oom {
        /// The container.
        id: String,
    },
    /// A process ended.
    Exited {
        /// The container.
        id: String,
        /// The exec, or the container itself.
        exec: Option<String>,
        /// How.
        exit: ExitInfo,
    },
}
wire_enum!(Notice { 0 => Started { id, pid }, 1 => Oom { id }, 2 => Exited { id, exec, exit } });

/// What a shim sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// An answer.
    Reply {
        /// The number of the request.
        request: u64,
        /// The answer.
        reply: Reply,
    },
    /// A notice.
    Notice(Notice),
}
wire_enum!(Message { 0 => Reply { request, reply }, 1 => Notice(notice) });

impl ChildFailure {
    /// The exit code that users of runc and containerd see: 127 if the program does not exist, 126 if it cannot be
    /// executed, 128 for everything before it.
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        match self.step {
            Step::Lookup => 127,
            Step::Exec if self.errno == rustix::io::Errno::NOENT.raw_os_error() => 127,
            Step::Exec => 126,
            _ => 128,
        }
    }
}
