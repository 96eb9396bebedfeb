//! Writes to procfs, through a mount of it that no container can reach or cover.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};

/// A procfs of the caller's PID namespace, attached nowhere.
pub(crate) fn private_proc() -> Result<OwnedFd, Errno> {
    let context = rustix::mount::fsopen(c"proc", FsOpenFlags::FSOPEN_CLOEXEC)?;
    rustix::mount::fsconfig_create(context.as_fd())?;
    rustix::mount::fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())
}

/// Opens a file of a private procfs. Its links to processes are followed (`self`), magic ones are not.
fn open_proc(proc: BorrowedFd<'_>, path: &CStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
    rustix::fs::openat2(proc, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve)
}

/// Writes to a file of a private procfs in one call.
pub(crate) fn write_proc(proc: BorrowedFd<'_>, path: &CStr, value: &[u8]) -> Result<(), Errno> {
    let file = open_proc(proc, path, OFlags::WRONLY)?;
    match rustix::io::write(&file, value)? {
        count if count == value.len() => Ok(()),
        _ => Err(Errno::IO),
    }
}
