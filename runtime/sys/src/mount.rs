//! mount_setattr(2).

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::io::{Errno, Result};

use crate::check;

/// What to change of a mount.
#[derive(Debug, Clone, Copy, Default)]
pub struct MountSetattr<'a> {
    /// `MOUNT_ATTR_*` to set.
    pub set: u64,
    /// `MOUNT_ATTR_*` to clear.
    pub clear: u64,
    /// `MS_PRIVATE`, `MS_SLAVE`, `MS_SHARED`, `MS_UNBINDABLE`, or 0 to leave it.
    pub propagation: u64,
    /// Maps the mount's ids by this user namespace.
    pub idmap: Option<BorrowedFd<'a>>,
    /// Also all mounts below it.
    pub recursive: bool,
}

/// Changes the mount at `path` relative to `directory`, or `directory` itself if the path is empty.
///
/// # Errors
/// errno of mount_setattr(2).
pub fn mount_setattr(directory: impl AsFd, path: &CStr, change: &MountSetattr<'_>) -> Result<()> {
    let userns_fd = match change.idmap {
        Some(fd) => u64::try_from(fd.as_raw_fd()).map_err(|_| Errno::BADF)?,
        None => 0,
    };
    let idmap = if change.idmap.is_some() { libc::MOUNT_ATTR_IDMAP } else { 0 };
    let attr = libc::mount_attr {
        attr_set: change.set | idmap,
        attr_clr: change.clear,
        propagation: change.propagation,
        userns_fd,
    };
    let recursive = if change.recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: path is a C string and attr is valid for the size given; the kernel reads both.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            directory.as_fd().as_raw_fd(),
            path.as_ptr(),
            libc::AT_EMPTY_PATH | libc::AT_SYMLINK_NOFOLLOW | recursive,
            &raw const attr,
            size_of::<libc::mount_attr>(),
        )
    })?;
    Ok(())
}
