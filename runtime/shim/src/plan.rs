//! What the shim is to make: a pod's namespaces, a container, an exec.
//!
//! A plan is policy: it comes from the runtime library, which has validated it. Descriptors travel beside it and are
//! named by their index.

use std::ffi::CString;

use crate::wire::{wire_enum, wire_struct};

/// The index of a descriptor among those sent with a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanFd {
    /// The index.
    pub index: u32,
}
wire_struct!(PlanFd { index });

/// One line of `uid_map` or `gid_map`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdMapLine {
    /// First id inside.
    pub inside: u32,
    /// First id outside.
    pub outside: u32,
    /// Number of ids.
    pub count: u32,
}
wire_struct!(IdMapLine { inside, outside, count });

/// A file below `/proc/sys` and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sysctl {
    /// Relative to `/proc`: `sys/net/ipv4/ip_forward`.
    pub path: CString,
    /// What to write.
    pub value: CString,
}
wire_struct!(Sysctl { path, value });

/// A pod's namespaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodPlan {
    /// `CLONE_NEW*` of the namespaces to make: `USER`, `NET`, `IPC`, `UTS`, `PID`.
    pub new: u64,
    /// A network namespace made elsewhere.
    pub net: Option<PlanFd>,
    /// The user namespace's users; empty without one.
    pub uid_map: Vec<IdMapLine>,
    /// Its groups.
    pub gid_map: Vec<IdMapLine>,
    /// Host name of the UTS namespace.
    pub hostname: Option<String>,
    /// Written in the pod's namespaces.
    pub sysctls: Vec<Sysctl>,
}
wire_struct!(PodPlan { new, net, uid_map, gid_map, hostname, sysctls });

/// A namespace to enter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Join {
    /// Its `CLONE_NEW*` flag.
    pub kind: u64,
    /// Which.
    pub source: JoinSource,
}
wire_struct!(Join { kind, source });

/// Which namespace to enter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinSource {
    /// The pod's.
    Pod,
    /// One by descriptor.
    Fd(PlanFd),
}
wire_enum!(JoinSource { 0 => Pod, 1 => Fd(fd) });

/// A container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerPlan {
    /// `CLONE_NEW*` of the namespaces to make.
    pub new: u64,
    /// Namespaces to enter.
    pub join: Vec<Join>,
    /// `tasks` files (v1) to write `0` to.
    pub cgroup_tasks: Vec<PlanFd>,
    /// The v2 directory to start in.
    pub cgroup_v2: Option<PlanFd>,
    /// A directory whose `cgroup.procs` lists the container's processes, to kill them all.
    pub kill_cgroup: Option<String>,
    /// How to learn of processes killed for lack of memory.
    pub oom: Option<OomWatch>,
    /// The root.
    pub root: Root,
    /// What is mounted in it, in order.
    pub mounts: Vec<Mount>,
    /// Paths hidden behind `/dev/null` or an empty directory.
    pub masked_paths: Vec<CString>,
    /// Paths made read-only.
    pub readonly_paths: Vec<CString>,
    /// Host name of a UTS namespace of its own.
    pub hostname: Option<String>,
    /// Sysctls of namespaces of its own.
    pub sysctls: Vec<Sysctl>,
    /// The session keyring's name.
    pub keyring: CString,
    /// Its first process.
    pub process: ProcessPlan,
    /// Whether standard input is a pipe.
    pub stdin: bool,
    /// Whether it ends with the first attached client.
    pub stdin_once: bool,
    /// The log file, opened for appending.
    pub log: Option<PlanFd>,
}
wire_struct!(ContainerPlan {
    new,
    join,
    cgroup_tasks,
    cgroup_v2,
    kill_cgroup,
    oom,
    root,
    mounts,
    masked_paths,
    readonly_paths,
    hostname,
    sysctls,
    keyring,
    process,
    stdin,
    stdin_once,
    log,
});

/// A process to run in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecPlan {
    /// `tasks` files (v1) to write `0` to.
    pub cgroup_tasks: Vec<PlanFd>,
    /// The v2 directory to start in.
    pub cgroup_v2: Option<PlanFd>,
    /// The session keyring's name.
    pub keyring: CString,
    /// The process.
    pub process: ProcessPlan,
    /// Its standard input; `/dev/null` if absent.
    pub stdin: Option<PlanFd>,
    /// Its standard output.
    pub stdout: Option<PlanFd>,
    /// Its standard error.
    pub stderr: Option<PlanFd>,
}
wire_struct!(ExecPlan { cgroup_tasks, cgroup_v2, keyring, process, stdin, stdout, stderr });

/// Where the kernel says that it killed a process for lack of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OomWatch {
    /// A file with a line `oom_kill N`: `memory.events` (v2) or `memory.oom_control` (v1).
    pub counter: PlanFd,
    /// An eventfd that is registered with `cgroup.event_control` (v1); on v2 the counter's file is polled itself.
    pub eventfd: Option<PlanFd>,
}
wire_struct!(OomWatch { counter, eventfd });

/// A container's root file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// A detached mount.
    pub mount: PlanFd,
    /// A directory of the host to attach it at, for the time until it becomes the root.
    pub attach_at: CString,
    /// Whether it is read-only in the end.
    pub readonly: bool,
    /// `MS_*` propagation of the root in the end, or 0 for private.
    pub propagation: u64,
}
wire_struct!(Root { mount, attach_at, readonly, propagation });

/// Something to make in the root. Targets are paths in the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mount {
    /// Attach a detached mount.
    Attach {
        /// The mount.
        mount: PlanFd,
        /// Where.
        target: CString,
        /// Whether it is a directory.
        directory: bool,
    },
    /// Mount a file system of the container's namespaces.
    New(Fs),
    /// Bind a path of the host as the container's namespaces see it.
    Bind(BindMount),
    /// Make a symbolic link.
    Symlink {
        /// Its path.
        target: CString,
        /// What it says.
        link: CString,
    },
    /// Make a device.
    Device(Device),
}
wire_enum!(Mount { 0 => Attach { mount, target, directory }, 1 => New(fs), 2 => Bind(bind), 3 => Symlink { target, link }, 4 => Device(device) });

/// A file system to mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fs {
    /// `proc`, `tmpfs`, …
    pub fstype: CString,
    /// Its source, as `/proc/self/mountinfo` shows it.
    pub source: CString,
    /// Its options.
    pub params: Vec<FsParam>,
    /// `MOUNT_ATTR_*`.
    pub attributes: u64,
    /// Propagation (`MS_*`), or 0.
    pub propagation: u64,
    /// Where.
    pub target: CString,
    /// Whether the target may be reached through links (refused for proc and sysfs).
    pub follow_links: bool,
    /// What to bind in its place, recursively, if the kernel does not let this user namespace mount it.
    pub fallback: Option<CString>,
}
wire_struct!(Fs { fstype, source, params, attributes, propagation, target, follow_links, fallback });

/// One option of a file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FsParam {
    /// Name.
    pub key: CString,
    /// Value; a flag has none.
    pub value: Option<CString>,
}
wire_struct!(FsParam { key, value });

/// A bind mount made in the container's namespaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindMount {
    /// A path of the host.
    pub source: CString,
    /// Where.
    pub target: CString,
    /// `MOUNT_ATTR_*`.
    pub attributes: u64,
}
wire_struct!(BindMount { source, target, attributes });

/// A device node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its path.
    pub target: CString,
    /// What it is.
    pub kind: DeviceKind,
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// Permission bits.
    pub mode: u32,
    /// Owner in the container.
    pub uid: u32,
    /// Group in the container.
    pub gid: u32,
    /// In a user namespace nodes cannot be made: bind the host's (checked to be this device) instead.
    pub bind: bool,
}
wire_struct!(Device { target, kind, major, minor, mode, uid, gid, bind });

/// What a device node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKind {
    /// A character device.
    Character,
    /// A block device.
    Block,
    /// A named pipe.
    Fifo,
}
wire_enum!(DeviceKind { 0 => Character, 1 => Block, 2 => Fifo });

/// A process: what it runs and as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessPlan {
    /// Arguments; the first names the program.
    pub argv: Vec<CString>,
    /// Environment.
    pub env: Vec<CString>,
    /// Directories to look the program up in (the container's `PATH`).
    pub search: Vec<CString>,
    /// Working directory.
    pub cwd: CString,
    /// Identity.
    pub user: UserPlan,
    /// Capabilities.
    pub capabilities: Capabilities,
    /// `no_new_privs`.
    pub no_new_privileges: bool,
    /// Filter of system calls.
    pub seccomp: Option<SeccompProgram>,
    /// Limits.
    pub rlimits: Vec<Rlimit>,
    /// `oom_score_adj`.
    pub oom_score_adj: Option<i32>,
    /// A terminal.
    pub terminal: Option<Terminal>,
}
wire_struct!(ProcessPlan {
    argv,
    env,
    search,
    cwd,
    user,
    capabilities,
    no_new_privileges,
    seccomp,
    rlimits,
    oom_score_adj,
    terminal,
});

/// Users and groups of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserPlan {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Supplementary groups, exactly these.
    pub groups: Vec<u32>,
    /// File mode creation mask.
    pub umask: u32,
}
wire_struct!(UserPlan { uid, gid, groups, umask });

/// Capability sets, a bit for each capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// Bounding.
    pub bounding: u64,
    /// Permitted.
    pub permitted: u64,
    /// Effective.
    pub effective: u64,
    /// Inheritable.
    pub inheritable: u64,
    /// Ambient.
    pub ambient: u64,
}
wire_struct!(Capabilities { bounding, permitted, effective, inheritable, ambient });

/// A compiled filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeccompProgram {
    /// `struct sock_filter` records.
    pub program: Vec<u8>,
    /// `SECCOMP_FILTER_FLAG_*`.
    pub flags: u32,
}
wire_struct!(SeccompProgram { program, flags });

/// A resource limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rlimit {
    /// `RLIMIT_*`.
    pub resource: u32,
    /// Soft limit.
    pub soft: u64,
    /// Hard limit.
    pub hard: u64,
}
wire_struct!(Rlimit { resource, soft, hard });

/// A terminal's first size; 0 leaves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terminal {
    /// Rows.
    pub rows: u16,
    /// Columns.
    pub columns: u16,
}
wire_struct!(Terminal { rows, columns });

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{decode, encode};

    #[test]
    fn a_mount_of_each_kind_round_trips() {
        let target = c"/dev/x".to_owned();
        let mounts = vec![
            Mount::Attach { mount: PlanFd { index: 3 }, target: target.clone(), directory: true },
            Mount::New(Fs {
                fstype: c"tmpfs".to_owned(),
                source: c"tmpfs".to_owned(),
                params: vec![FsParam { key: c"mode".to_owned(), value: Some(c"755".to_owned()) }],
                attributes: 7,
                propagation: 1 << 18,
                target: target.clone(),
                follow_links: true,
                fallback: None,
            }),
            Mount::Symlink { target: target.clone(), link: c"../y".to_owned() },
            Mount::Device(Device {
                target,
                kind: DeviceKind::Fifo,
                major: 1,
                minor: 3,
                mode: 0o666,
                uid: 0,
                gid: 5,
                bind: false,
            }),
        ];
        assert_eq!(decode::<Vec<Mount>>(&encode(&mounts)), Ok(mounts));
    }

    #[test]
    fn an_unknown_variant_is_refused() {
        assert!(decode::<Mount>(&[200]).is_err());
    }
}
