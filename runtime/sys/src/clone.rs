//! clone3(2) with fork semantics.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::{Errno, Result};
use rustix::process::Pid;

use crate::check;

/// `CLONE_INTO_CGROUP` of linux/sched.h.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// What the new process gets of its own.
#[derive(Debug, Default)]
pub struct CloneOptions<'a> {
    /// `CLONE_NEW*` flags.
    pub namespaces: u64,
    /// The cgroup v2 directory that it starts in.
    pub cgroup: Option<BorrowedFd<'a>>,
    /// Whether it becomes a sibling of the caller (`CLONE_PARENT`) rather than its child.
    pub sibling: bool,
}

/// Which side of the clone this is.
#[derive(Debug)]
pub enum Cloned {
    /// The new process.
    Child,
    /// The caller.
    Parent {
        /// The new process in the caller's PID namespace.
        pid: Pid,
        /// A pidfd of it.
        pidfd: OwnedFd,
    },
}

/// Makes a process that continues here with a copy of the memory.
///
/// # Errors
/// errno of clone3(2).
///
/// # Safety
/// In the child only this thread exists: locks that other threads held (malloc's too) are never released there.
/// Until `execve` or [`exit`] it may only make system calls on memory prepared before.
pub unsafe fn clone3(options: &CloneOptions<'_>) -> Result<Cloned> {
    let mut pidfd: i32 = -1;
    // SAFETY: clone_args is plain data for which zero is valid.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = options.namespaces | u64::from(libc::CLONE_PIDFD.unsigned_abs());
    args.pidfd = (&raw mut pidfd) as u64;
    if options.sibling {
        args.flags |= u64::from(libc::CLONE_PARENT.unsigned_abs());
    } else {
        args.exit_signal = u64::from(libc::SIGCHLD.unsigned_abs());
    }
    if let Some(cgroup) = options.cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = u64::try_from(cgroup.as_raw_fd()).map_err(|_| Errno::BADF)?;
    }
    // SAFETY: args is valid for its size and names no stack, so that the child continues on a copy of this one;
    // pidfd outlives the call.
    let result = unsafe { libc::syscall(libc::SYS_clone3, &raw mut args, size_of::<libc::clone_args>()) };
    let pid = i32::try_from(check(result)?).map_err(|_| Errno::RANGE)?;
    match Pid::from_raw(pid) {
        None => Ok(Cloned::Child),
        // SAFETY: the kernel stored a new descriptor in pidfd, which nothing else owns.
        Some(pid) => Ok(Cloned::Parent { pid, pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) } }),
    }
}

/// Ends the process at once, without running exit handlers.
pub fn exit(code: i32) -> ! {
    // SAFETY: _exit has no preconditions.
    unsafe { libc::_exit(code) }
}
