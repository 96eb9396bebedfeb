//! Session keyrings (keyctl(2)).

use std::ffi::CStr;

use rustix::io::Result;

use crate::check;

/// Replaces the session keyring by a fresh one, so that a container does not see its parent's keys.
///
/// # Errors
/// errno of keyctl(2): ENOSYS in a kernel without keys, EDQUOT when there are too many.
pub fn join_session_keyring(name: &CStr) -> Result<()> {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_long = 1;
    // SAFETY: name is a C string that the kernel only reads.
    check(unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name.as_ptr()) })?;
    Ok(())
}
