//! The system calls that rustix lacks, each behind a narrow function.
//!
//! Errors are [`rustix::io::Errno`]: nothing here allocates, so that all of it can run in the child between
//! `clone3` and `execve`. What is unsafe for a reason that the caller must know of is an `unsafe fn`.

mod bpf;
mod clone;
mod exec;
mod fds;
mod keyring;
mod memory;
mod mount;
mod namespace;
mod seccomp;
mod signal;

pub use bpf::{attach_device_program, load_device_program};
pub use clone::{CloneOptions, Cloned, clone3, exit};
pub use exec::{CStrArray, execve};
pub use fds::{close_range_now, close_range_on_exec};
pub use keyring::join_session_keyring;
pub use memory::{limit_malloc_arenas, trim_malloc};
pub use mount::{MountSetattr, mount_setattr};
pub use namespace::{setns, unshare};
pub use seccomp::load_filter;
pub use signal::{
    SignalSet, block_signals, child_signal_fd, drain_signal_fd, pidfd_send_signal, reset_signal_dispositions,
    unblock_all_signals, wait_for_child_signal,
};

use rustix::io::{Errno, Result};

/// The result of a raw system call as rustix has it.
fn check(result: libc::c_long) -> Result<libc::c_long> {
    if result >= 0 { Ok(result) } else { Err(last_errno()) }
}

fn last_errno() -> Errno {
    // SAFETY: __errno_location gives a valid pointer to this thread's errno.
    Errno::from_raw_os_error(unsafe { *libc::__errno_location() })
}

/// A descriptor that the kernel returned, as a number.
fn raw_fd(result: libc::c_long) -> Result<i32> {
    i32::try_from(result).map_err(|_| Errno::BADF)
}
