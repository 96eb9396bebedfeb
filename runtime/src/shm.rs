//! The pod's `/dev/shm`: a tmpfs in the pod's directory, bound into each container.

use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, UnmountFlags};

use crate::error::{Error, Result};

/// Size where the pod names none: 64 MiB, as with other engines.
const DEFAULT_SIZE: u64 = 64 << 20;

/// Mounts it.
pub(crate) fn mount(path: &Path, size: Option<u64>, owner: Option<(u32, u32)>) -> Result<()> {
    std::fs::create_dir(path).map_err(|error| Error::io("create", path, error))?;
    make(path, size.unwrap_or(DEFAULT_SIZE), owner).map_err(|errno| Error::io("mount tmpfs at", path, errno))
}

fn make(path: &Path, size: u64, owner: Option<(u32, u32)>) -> std::result::Result<(), Errno> {
    let context = rustix::mount::fsopen(c"tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    let context = context.as_fd();
    rustix::mount::fsconfig_set_string(context, c"source", c"shm")?;
    rustix::mount::fsconfig_set_string(context, c"mode", c"1777")?;
    rustix::mount::fsconfig_set_string(context, c"size", size.to_string())?;
    if let Some((uid, gid)) = owner {
        rustix::mount::fsconfig_set_string(context, c"uid", uid.to_string())?;
        rustix::mount::fsconfig_set_string(context, c"gid", gid.to_string())?;
    }
    rustix::mount::fsconfig_create(context)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let tree = rustix::mount::fsmount(context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
    rustix::mount::move_mount(&tree, c"", CWD, path, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}

/// Unmounts it, if it is mounted.
pub(crate) fn unmount(path: &Path) -> Result<()> {
    match rustix::mount::unmount(path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
        Ok(()) | Err(Errno::INVAL | Errno::NOENT) => Ok(()),
        Err(errno) => Err(Error::io("unmount", path, errno)),
    }
}
