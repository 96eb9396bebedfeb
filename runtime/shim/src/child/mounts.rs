//! The mounts of a container's root, masked and read-only paths.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use kingpost_sys::{MountSetattr, mount_setattr};
use rustix::fs::{CWD, FileType};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags};

use super::report::{Context, Failure, Outcome};
use super::{Environment, devices, inroot};
use crate::plan::{BindMount, Fs, Mount};
use crate::protocol::Step;

const MOUNT_ATTR_RDONLY: u64 = 1;

/// Setting one of the atime modes takes clearing the field of them.
fn attributes(set: u64) -> MountSetattr<'static> {
    const ATIME: u64 = 0x70;
    MountSetattr { set, clear: if set & ATIME == 0 { 0 } else { ATIME }, ..MountSetattr::default() }
}

/// Makes one entry of the plan.
pub(crate) fn make<'a>(
    environment: &Environment<'_>,
    root: BorrowedFd<'_>,
    mount: &'a Mount,
) -> Outcome<'a, ()> {
    match mount {
        Mount::Attach { mount, target, directory } => environment
            .fd(*mount)
            .and_then(|tree| attach(tree, root, target, *directory))
            .step(Step::Mount, target.to_bytes()),
        Mount::New(fs) => new(root, fs),
        Mount::Bind(bind) => self::bind(root, bind).step(Step::Mount, bind.target.to_bytes()),
        Mount::Symlink { target, link } => symlink(root, target, link).step(Step::Mount, target.to_bytes()),
        Mount::Device(device) => devices::make(root, device).step(Step::Device, device.target.to_bytes()),
    }
}

/// Attaches a detached mount at a path in the root.
pub(crate) fn attach(
    tree: BorrowedFd<'_>,
    root: BorrowedFd<'_>,
    target: &CStr,
    directory: bool,
) -> Result<(), Errno> {
    let place = if directory { inroot::directory(root, target)? } else { inroot::file(root, target)? };
    attach_on(tree, place.as_fd())
}

/// Attaches a detached mount on what a descriptor names.
pub(crate) fn attach_on(tree: BorrowedFd<'_>, place: BorrowedFd<'_>) -> Result<(), Errno> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    rustix::mount::move_mount(tree, c"", place, c"", flags)
}

fn new<'a>(root: BorrowedFd<'_>, fs: &'a Fs) -> Outcome<'a, ()> {
    let target = fs.target.to_bytes();
    let tree = match (mount_fs(fs), &fs.fallback) {
        (Err(Errno::PERM), Some(source)) => bind_fallback(source, fs).step(Step::Mount, target)?,
        (tree, _) => tree.step(Step::Mount, target)?,
    };
    let place = if fs.follow_links {
        inroot::directory(root, &fs.target)
    } else {
        inroot::plain_directory(root, &fs.target)
    };
    attach_on(tree.as_fd(), place.step(Step::Mount, target)?.as_fd()).step(Step::Mount, target)
}

fn bind_fallback(source: &CStr, fs: &Fs) -> Result<OwnedFd, Errno> {
    let tree = clone_path(source, true)?;
    let change = MountSetattr { recursive: true, ..attributes(fs.attributes) };
    mount_setattr(&tree, c"", &change)?;
    Ok(tree)
}

fn mount_fs(fs: &Fs) -> Result<OwnedFd, Errno> {
    let context = rustix::mount::fsopen(fs.fstype.as_c_str(), FsOpenFlags::FSOPEN_CLOEXEC)?;
    let context = context.as_fd();
    rustix::mount::fsconfig_set_string(context, c"source", fs.source.as_c_str())?;
    for param in &fs.params {
        match &param.value {
            Some(value) => {
                rustix::mount::fsconfig_set_string(context, param.key.as_c_str(), value.as_c_str())?
            }
            None => rustix::mount::fsconfig_set_flag(context, param.key.as_c_str())?,
        }
    }
    rustix::mount::fsconfig_create(context)?;
    let tree = rustix::mount::fsmount(context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?;
    if fs.attributes != 0 || fs.propagation != 0 {
        let change = MountSetattr { propagation: fs.propagation, ..attributes(fs.attributes) };
        mount_setattr(&tree, c"", &change)?;
    }
    Ok(tree)
}

fn bind(root: BorrowedFd<'_>, bind: &BindMount) -> Result<(), Errno> {
    let tree = clone_path(&bind.source, true)?;
    let change = MountSetattr { recursive: true, ..attributes(bind.attributes) };
    mount_setattr(&tree, c"", &change)?;
    let directory = FileType::from_raw_mode(rustix::fs::fstat(&tree)?.st_mode) == FileType::Directory;
    attach(tree.as_fd(), root, &bind.target, directory)
}

fn symlink(root: BorrowedFd<'_>, target: &CStr, link: &CStr) -> Result<(), Errno> {
    let parent = inroot::parent_directory(root, target)?;
    match rustix::fs::symlinkat(link, parent, inroot::last_component(target)) {
        // An image may bring its own.
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// A detached copy of the mount at a path of the host.
fn clone_path(path: &CStr, recursive: bool) -> Result<OwnedFd, Errno> {
    let recursive = if recursive { OpenTreeFlags::AT_RECURSIVE } else { OpenTreeFlags::empty() };
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | recursive;
    rustix::mount::open_tree(CWD, path, flags)
}

/// A detached copy of what a descriptor names.
pub(crate) fn clone_fd(fd: BorrowedFd<'_>, recursive: bool) -> Result<OwnedFd, Errno> {
    let recursive = if recursive { OpenTreeFlags::AT_RECURSIVE } else { OpenTreeFlags::empty() };
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH
        | recursive;
    rustix::mount::open_tree(fd, c"", flags)
}

/// Hides a path, if it exists: a file behind the null device, a directory behind an empty one.
pub(crate) fn mask<'a>(root: BorrowedFd<'_>, path: &'a CStr) -> Outcome<'a, ()> {
    let place = match inroot::open(root, path, inroot::PATH) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
        other => other.step(Step::MaskedPath, path.to_bytes())?,
    };
    cover(place.as_fd()).map_err(|errno| Failure::new(Step::MaskedPath, errno, path.to_bytes()))
}

fn cover(place: BorrowedFd<'_>) -> Result<(), Errno> {
    if FileType::from_raw_mode(rustix::fs::fstat(place)?.st_mode) != FileType::Directory {
        let null = devices::host_device(c"/dev/null", 1, 3)?;
        return attach_on(clone_fd(null.as_fd(), false)?.as_fd(), place);
    }
    let context = rustix::mount::fsopen(c"tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    rustix::mount::fsconfig_set_string(context.as_fd(), c"source", c"tmpfs")?;
    rustix::mount::fsconfig_set_string(context.as_fd(), c"nr_blocks", c"1")?;
    rustix::mount::fsconfig_set_string(context.as_fd(), c"nr_inodes", c"1")?;
    rustix::mount::fsconfig_create(context.as_fd())?;
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let tree = rustix::mount::fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
    attach_on(tree.as_fd(), place)
}

/// Makes a path, and all mounts below it, read-only, if it exists.
pub(crate) fn make_readonly<'a>(root: BorrowedFd<'_>, path: &'a CStr) -> Outcome<'a, ()> {
    let place = match inroot::open(root, path, inroot::PATH) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
        other => other.step(Step::ReadonlyPath, path.to_bytes())?,
    };
    let bound = || {
        let tree = clone_fd(place.as_fd(), true)?;
        let change = MountSetattr { set: MOUNT_ATTR_RDONLY, recursive: true, ..MountSetattr::default() };
        mount_setattr(&tree, c"", &change)?;
        attach_on(tree.as_fd(), place.as_fd())
    };
    bound().map_err(|errno| Failure::new(Step::ReadonlyPath, errno, path.to_bytes()))
}
