//! From the host's mounts to the container's root.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use kingpost_sys::{MountSetattr, mount_setattr};
use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags, UnmountFlags,
};

use super::report::{Context, Outcome, Reporter};
use super::{Environment, mounts, terminal};
use crate::plan::ContainerPlan;
use crate::protocol::Step;

const MOUNT_ATTR_RDONLY: u64 = 1;

/// Attaches the root, makes all of the plan in it, and enters it. Returns the terminal's slave.
pub(crate) fn assemble<'a>(
    environment: &'a Environment<'_>,
    plan: &'a ContainerPlan,
    reporter: Reporter<'_>,
) -> Outcome<'a, Option<OwnedFd>> {
    // What the host unmounts later goes away here too; nothing that happens here reaches the host.
    rustix::mount::mount_change(c"/", MountPropagationFlags::REC | MountPropagationFlags::DOWNSTREAM)
        .step(Step::Root, b"/")?;
    let root = environment.fd(plan.root.mount).step(Step::Root, b"root file system")?;
    attach_root(root, &plan.root.attach_at).step(Step::Root, plan.root.attach_at.to_bytes())?;
    for mount in &plan.mounts {
        mounts::make(environment, root, mount)?;
    }
    let slave = match plan.process.terminal {
        Some(size) => {
            let slave = terminal::open(root, size, &plan.process.user, reporter)?;
            terminal::bind_console(root, slave.as_fd()).step(Step::Terminal, b"/dev/console")?;
            Some(slave)
        }
        None => None,
    };
    for path in &plan.readonly_paths {
        mounts::make_readonly(root, path)?;
    }
    for path in &plan.masked_paths {
        mounts::mask(root, path)?;
    }
    // The directory must exist before the root is read-only.
    super::fs::make_working_directory(root, &plan.process.cwd)?;
    finish_root(plan, root).step(Step::Root, b"root file system")?;
    pivot(root).step(Step::Pivot, b"pivot_root")?;
    Ok(slave)
}

fn attach_root(root: BorrowedFd<'_>, at: &CStr) -> Result<(), Errno> {
    rustix::mount::move_mount(root, c"", CWD, at, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}

fn finish_root(plan: &ContainerPlan, root: BorrowedFd<'_>) -> Result<(), Errno> {
    let change = MountSetattr {
        set: if plan.root.readonly { MOUNT_ATTR_RDONLY } else { 0 },
        propagation: plan.root.propagation,
        ..MountSetattr::default()
    };
    if change.set == 0 && change.propagation == 0 {
        return Ok(());
    }
    mount_setattr(root, c"", &change)
}

/// Makes a mount the root, and the old one disappear.
fn pivot(root: BorrowedFd<'_>) -> Result<(), Errno> {
    rustix::process::fchdir(root)?;
    rustix::process::pivot_root(c".", c".")?;
    // The old root now lies over the new one, at the working directory.
    rustix::mount::unmount(c".", UnmountFlags::DETACH)?;
    rustix::process::chdir(c"/")
}

/// Leaves the host's file systems for an empty, read-only one (for the reaper of a shared PID namespace).
pub(crate) fn enter_empty_root(at: &CStr) -> Result<(), Errno> {
    rustix::mount::mount_change(c"/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE)?;
    let context = rustix::mount::fsopen(c"tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    rustix::mount::fsconfig_set_string(context.as_fd(), c"nr_inodes", c"1")?;
    rustix::mount::fsconfig_create(context.as_fd())?;
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let tree = rustix::mount::fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
    attach_root(tree.as_fd(), at)?;
    pivot(tree.as_fd())
}
