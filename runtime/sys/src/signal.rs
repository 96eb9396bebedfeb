//! Signal masks, dispositions, signalfd(2) and pidfd_send_signal(2).

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use rustix::io::{Errno, Result};

use crate::{check, raw_fd};

/// A set of signals.
#[derive(Clone, Copy)]
pub struct SignalSet(libc::sigset_t);

impl SignalSet {
    /// No signal.
    #[must_use]
    pub fn empty() -> Self {
        // SAFETY: sigset_t is plain data, and sigemptyset initialises it.
        let mut set = unsafe { std::mem::zeroed() };
        // SAFETY: set is valid.
        unsafe { libc::sigemptyset(&raw mut set) };
        Self(set)
    }

    /// This set and a signal. Numbers out of range are left out.
    #[must_use]
    pub fn with(mut self, signal: i32) -> Self {
        // SAFETY: the set is valid; sigaddset refuses numbers that are no signals.
        unsafe { libc::sigaddset(&raw mut self.0, signal) };
        self
    }
}

/// Blocks the signals in the calling thread and those that it makes.
///
/// # Errors
/// errno of sigprocmask(2).
pub fn block_signals(set: &SignalSet) -> Result<()> {
    // SAFETY: the set is valid and no old mask is asked for.
    let result = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set.0, std::ptr::null_mut()) };
    if result == 0 { Ok(()) } else { Err(Errno::from_raw_os_error(result)) }
}

/// Unblocks all signals in the calling thread.
///
/// # Errors
/// errno of sigprocmask(2).
pub fn unblock_all_signals() -> Result<()> {
    let empty = SignalSet::empty();
    // SAFETY: the set is valid and no old mask is asked for.
    let result =
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const empty.0, std::ptr::null_mut()) };
    if result == 0 { Ok(()) } else { Err(Errno::from_raw_os_error(result)) }
}

/// Gives all signals their default action (Rust's runtime ignores SIGPIPE, which execve would pass on).
pub fn reset_signal_dispositions() {
    for signal in 1..=64 {
        // SAFETY: SIG_DFL is a valid action for any signal; those that cannot be changed are refused.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// A non-blocking descriptor that is readable when one of the signals, which must be blocked, is pending.
///
/// # Errors
/// errno of signalfd(2).
pub fn child_signal_fd(set: &SignalSet) -> Result<OwnedFd> {
    // SAFETY: the set is valid; -1 asks for a new descriptor.
    let fd = unsafe { libc::signalfd(-1, &raw const set.0, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
    check(fd.into())?;
    // SAFETY: the kernel returned a new descriptor that nothing else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Takes all pending signals from a signalfd and tells their numbers to `each`.
pub fn drain_signal_fd(fd: impl AsFd, mut each: impl FnMut(i32)) {
    let mut record = [0_u8; size_of::<libc::signalfd_siginfo>()];
    while rustix::io::read(fd.as_fd(), &mut record).is_ok_and(|count| count == record.len()) {
        let [a, b, c, d, ..] = record;
        each(i32::from_ne_bytes([a, b, c, d]));
    }
}

/// Sends a signal, also a real-time one, to a process.
///
/// # Errors
/// errno of pidfd_send_signal(2); `ESRCH` if the process has been reaped.
pub fn pidfd_send_signal(pidfd: impl AsFd, signal: i32) -> Result<()> {
    // SAFETY: a null siginfo is allowed; the rest are numbers.
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_fd().as_raw_fd(),
            signal,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    raw_fd(check(result)?)?;
    Ok(())
}

/// Waits until SIGCHLD, which must be blocked, is pending, and takes it.
pub fn wait_for_child_signal() {
    let set = SignalSet::empty().with(libc::SIGCHLD);
    // SAFETY: the set is valid; no information about the signal is asked for.
    unsafe { libc::sigwaitinfo(&raw const set.0, std::ptr::null_mut()) };
}
