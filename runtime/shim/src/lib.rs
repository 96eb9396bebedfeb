//! The per-pod shim: the plan and protocol that it shares with the runtime library, and the code that it runs.
//!
//! A shim is one thread that polls (signals, pidfds, sockets, stdio) and one that writes log files. Between
//! `clone3` and `execve` the child only makes system calls on what the plan's decoding has laid out beforehand.

mod cgroup_kill;
mod child;
mod frame;
mod log;
mod plan;
mod protocol;
mod records;
mod server;
mod wire;

pub use cgroup_kill::{cgroup_is_empty, kill_cgroup};
pub use frame::{FrameError, MAX_FDS, Received, receive, send};
pub use log::{LineWriter, MAX_LINE, Stream, format_timestamp};
pub use plan::{
    BindMount, Capabilities, ContainerPlan, Device, DeviceKind, ExecPlan, Fs, FsParam, IdMapLine, Join,
    JoinSource, Mount, OomWatch, PlanFd, PodPlan, ProcessPlan, Rlimit, Root, SeccompProgram, Sysctl,
    Terminal, UserPlan,
};
pub use protocol::{
    ChildFailure, ContainerRecord, ContainerStatus, ExitInfo, Message, Notice, PROTOCOL_VERSION, Reply,
    Request, Step,
};
pub use records::{ExitFileError, read_exit, write_exit};
pub use server::{ServeError, serve};
pub use wire::{DecodeError, Wire, decode, encode};
