//! The root file system and binds as detached mounts: made here, attached by the child.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use kingpost_sys::{MountSetattr, mount_setattr};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags};

use super::options::Options;
use crate::error::{Error, Result};
use crate::spec::Rootfs;

/// Mounts a container's root, attached nowhere. `user` maps the ids of its layers; `root` is who owns the top directory.
pub(super) fn mount(
    rootfs: &Rootfs,
    user: Option<BorrowedFd<'_>>,
    root: Option<(u32, u32)>,
) -> Result<OwnedFd> {
    match rootfs {
        Rootfs::Directory(path) => {
            let tree = clone_tree(path, true)?;
            if let Some(user) = user {
                idmap(&tree, user, path)?;
            }
            Ok(tree)
        }
        Rootfs::Overlay { lower, upper, work } => {
            if let Some((uid, gid)) = root {
                std::os::unix::fs::chown(upper, Some(uid), Some(gid))
                    .map_err(|error| Error::io("chown", upper, error))?;
            }
            overlay(lower, upper, work, user)
        }
    }
}

fn idmap(tree: &OwnedFd, user: BorrowedFd<'_>, path: &Path) -> Result<()> {
    let change = MountSetattr { idmap: Some(user), ..MountSetattr::default() };
    mount_setattr(tree, c"", &change).map_err(|errno| Error::io("map the ids of", path, errno))
}

fn overlay(lower: &[PathBuf], upper: &Path, work: &Path, user: Option<BorrowedFd<'_>>) -> Result<OwnedFd> {
    if lower.is_empty() {
        return Err(Error::invalid("rootfs.lower", "no layer"));
    }
    let at_upper = |operation| move |errno: Errno| Error::io(operation, upper, errno);
    let context = rustix::mount::fsopen(c"overlay", FsOpenFlags::FSOPEN_CLOEXEC)
        .map_err(at_upper("open the overlay file system for"))?;
    let context = context.as_fd();
    rustix::mount::fsconfig_set_string(context, c"source", c"overlay")
        .map_err(at_upper("configure overlay of"))?;
    let layers: Vec<OwnedFd> = lower.iter().map(|path| layer(path, user)).collect::<Result<_>>()?;
    if set_layers(context, &layers, user.is_some()).is_err() {
        if user.is_some() {
            return Err(Error::invalid(
                "user",
                "this kernel has no overlay of mapped layers (Linux 6.15 has)",
            ));
        }
        set_layers_by_path(context, lower)?;
    }
    set_path(context, "upperdir", upper)?;
    set_path(context, "workdir", work)?;
    rustix::mount::fsconfig_create(context).map_err(|errno| explain(context, upper, errno))?;
    let flags = FsMountFlags::FSMOUNT_CLOEXEC;
    rustix::mount::fsmount(context, flags, MountAttrFlags::empty()).map_err(at_upper("mount overlay of"))
}

fn layer(path: &Path, user: Option<BorrowedFd<'_>>) -> Result<OwnedFd> {
    if let Some(user) = user {
        let tree = clone_tree(path, false)?;
        idmap(&tree, user, path)?;
        return Ok(tree);
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| Error::io("open layer", path, errno))
}

/// One by one (Linux 6.5), each by its descriptor or, where overlay takes none yet (before 6.13), by a name for that:
/// a string may have no more than 255 bytes.
fn set_layers(context: BorrowedFd<'_>, layers: &[OwnedFd], mapped: bool) -> std::result::Result<(), Errno> {
    for layer in layers {
        match rustix::mount::fsconfig_set_fd(context, c"lowerdir+", layer.as_fd()) {
            Ok(()) => {}
            Err(errno) if mapped => return Err(errno),
            Err(_) => {
                let path = format!("/proc/self/fd/{}", layer.as_raw_fd());
                rustix::mount::fsconfig_set_string(context, c"lowerdir+", path.as_str())?;
            }
        }
    }
    Ok(())
}

/// All at once, for older kernels: a list of short names for the layers' descriptors would not outlive this call, so
/// paths it must be.
fn set_layers_by_path(context: BorrowedFd<'_>, lower: &[PathBuf]) -> Result<()> {
    let escape = |path: &PathBuf| path.to_string_lossy().replace('\\', "\\\\").replace(':', "\\:");
    let all: Vec<String> = lower.iter().map(escape).collect();
    rustix::mount::fsconfig_set_string(context, c"lowerdir", all.join(":").as_str()).map_err(|errno| {
        Error::io("set the layers of overlay:", lower.first().cloned().unwrap_or_default(), errno)
    })
}

fn set_path(context: BorrowedFd<'_>, key: &str, path: &Path) -> Result<()> {
    let failed = |errno| Error::io("configure overlay with", path, errno);
    let key = CString::new(key).map_err(|_| failed(Errno::INVAL))?;
    let directory = rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(failed)?;
    match rustix::mount::fsconfig_set_fd(context, key.as_c_str(), directory.as_fd()) {
        Ok(()) => Ok(()),
        Err(_) => rustix::mount::fsconfig_set_string(context, key.as_c_str(), path).map_err(failed),
    }
}

/// Adds what the kernel wrote about a failed mount.
fn explain(context: BorrowedFd<'_>, upper: &Path, errno: Errno) -> Error {
    let mut buffer = [0; 512];
    let mut log = String::new();
    while let Ok(count) = rustix::io::read(context, &mut buffer) {
        if count == 0 {
            break;
        }
        log.push_str(&String::from_utf8_lossy(buffer.get(..count).unwrap_or_default()));
    }
    let source = std::io::Error::from(errno);
    let source =
        if log.is_empty() { source } else { std::io::Error::new(source.kind(), format!("{source}: {log}")) };
    Error::io("mount overlay of", upper, source)
}

/// A detached copy of what is mounted at a path.
pub(super) fn clone_tree(path: &Path, recursive: bool) -> Result<OwnedFd> {
    let recursive = if recursive { OpenTreeFlags::AT_RECURSIVE } else { OpenTreeFlags::empty() };
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | recursive;
    rustix::mount::open_tree(CWD, path, flags).map_err(|errno| Error::io("bind", path, errno))
}

/// A bind mount with its options.
pub(super) fn bind(path: &Path, options: &Options) -> Result<OwnedFd> {
    let tree = clone_tree(path, options.recursive_bind)?;
    let failed = |errno| Error::io("set the options of", path, errno);
    if !options.attributes.is_empty() {
        let change = MountSetattr {
            set: options.attributes.set,
            clear: options.attributes.clear,
            ..MountSetattr::default()
        };
        mount_setattr(&tree, c"", &change).map_err(failed)?;
    }
    if !options.recursive.is_empty() {
        let change = MountSetattr {
            set: options.recursive.set,
            clear: options.recursive.clear,
            recursive: true,
            ..MountSetattr::default()
        };
        mount_setattr(&tree, c"", &change).map_err(failed)?;
    }
    // A copy of a shared mount is its peer: what the container mounts there would appear on the host.
    let (propagation, recursive) = options.propagation.unwrap_or((super::options::MS_PRIVATE, true));
    let change = MountSetattr { propagation, recursive, ..MountSetattr::default() };
    mount_setattr(&tree, c"", &change).map_err(failed)?;
    Ok(tree)
}
