//! setns(2) and unshare(2), for any combination of namespaces.

use std::os::fd::{AsFd, AsRawFd};

use rustix::io::Result;

use crate::check;

/// Enters the namespaces `flags` (`CLONE_NEW*`) of a namespace descriptor or a pidfd. With `CLONE_NEWPID` it is the
/// caller's future children that do.
///
/// # Errors
/// errno of setns(2).
pub fn setns(fd: impl AsFd, flags: i32) -> Result<()> {
    // SAFETY: setns takes numbers only.
    check(libc::c_long::from(unsafe { libc::setns(fd.as_fd().as_raw_fd(), flags) }))?;
    Ok(())
}

/// Gives the caller fresh namespaces.
///
/// # Errors
/// errno of unshare(2).
pub fn unshare(flags: i32) -> Result<()> {
    // SAFETY: unshare takes numbers only. (CLONE_FILES, which would break the ownership of descriptors between
    // threads, only copies the table.)
    check(libc::c_long::from(unsafe { libc::unshare(flags) }))?;
    Ok(())
}
