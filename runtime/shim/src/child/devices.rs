//! Device nodes.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{CWD, FileType, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;

use super::{inroot, mounts};
use crate::plan::{Device, DeviceKind};

/// Makes a node, or binds the host's.
pub(crate) fn make(root: BorrowedFd<'_>, device: &Device) -> Result<(), Errno> {
    if device.bind {
        let host = host_device(&device.target, device.major, device.minor)?;
        let tree = mounts::clone_fd(host.as_fd(), false)?;
        return mounts::attach(tree.as_fd(), root, &device.target, false);
    }
    let parent = inroot::parent_directory(root, &device.target)?;
    let name = inroot::last_component(&device.target);
    let (kind, number) = match device.kind {
        DeviceKind::Character => (FileType::CharacterDevice, rustix::fs::makedev(device.major, device.minor)),
        DeviceKind::Block => (FileType::BlockDevice, rustix::fs::makedev(device.major, device.minor)),
        DeviceKind::Fifo => (FileType::Fifo, 0),
    };
    rustix::fs::mknodat(&parent, name, kind, Mode::from_raw_mode(device.mode), number)?;
    if (device.uid, device.gid) != (0, 0) {
        let owner = (Some(Uid::from_raw(device.uid)), Some(Gid::from_raw(device.gid)));
        rustix::fs::chownat(&parent, name, owner.0, owner.1, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)?;
    }
    Ok(())
}

/// Opens a device of the host and checks that it is the one meant.
pub(crate) fn host_device(path: &CStr, major: u32, minor: u32) -> Result<OwnedFd, Errno> {
    let device = rustix::fs::openat(CWD, path, inroot::PATH | OFlags::NOFOLLOW, Mode::empty())?;
    if is_character_device(device.as_fd(), major, minor)? { Ok(device) } else { Err(Errno::NODEV) }
}

/// Whether a descriptor names this character device, and nothing that stands in its place.
pub(crate) fn is_character_device(fd: BorrowedFd<'_>, major: u32, minor: u32) -> Result<bool, Errno> {
    let stat = rustix::fs::fstat(fd)?;
    Ok(FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
        && stat.st_rdev == rustix::fs::makedev(major, minor))
}
