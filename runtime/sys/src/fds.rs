//! close_range(2).

use rustix::io::Result;

use crate::check;

/// Marks all descriptors from `first` on as close-on-exec.
///
/// # Errors
/// errno of close_range(2).
pub fn close_range_on_exec(first: u32) -> Result<()> {
    // SAFETY: marking descriptors closes none of them now.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) })?;
    Ok(())
}

/// Closes all descriptors from `first` on.
///
/// # Errors
/// errno of close_range(2).
///
/// # Safety
/// No descriptor in the range may be owned by anything that is used, or dropped, afterwards.
pub unsafe fn close_range_now(first: u32) -> Result<()> {
    // SAFETY: as the caller promises.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) })?;
    Ok(())
}
