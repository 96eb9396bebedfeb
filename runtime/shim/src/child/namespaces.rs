//! Entering and making namespaces.

use std::os::fd::{AsFd, BorrowedFd};

use kingpost_sys::{CloneOptions, Cloned};
use rustix::io::Errno;

use super::report::{Context, Failure, Outcome, Reporter};
use crate::protocol::Step;

pub(crate) const NEWNS: u64 = 0x0002_0000;
pub(crate) const NEWCGROUP: u64 = 0x0200_0000;
pub(crate) const NEWUTS: u64 = 0x0400_0000;
pub(crate) const NEWIPC: u64 = 0x0800_0000;
pub(crate) const NEWUSER: u64 = 0x1000_0000;
pub(crate) const NEWPID: u64 = 0x2000_0000;
pub(crate) const NEWNET: u64 = 0x4000_0000;

fn name(kind: u64) -> &'static [u8] {
    match kind {
        NEWNS => b"mount namespace",
        NEWCGROUP => b"cgroup namespace",
        NEWUTS => b"uts namespace",
        NEWIPC => b"ipc namespace",
        NEWUSER => b"user namespace",
        NEWPID => b"pid namespace",
        NEWNET => b"network namespace",
        _ => b"namespaces",
    }
}

fn flags(namespaces: u64) -> Result<i32, Errno> {
    i32::try_from(namespaces).map_err(|_| Errno::INVAL)
}

/// Enters namespaces, the user namespace last: the others may be owned by one above it.
pub(crate) fn join(join: &[(u64, BorrowedFd<'_>)]) -> Outcome<'static, ()> {
    for user in [false, true] {
        for &(kind, fd) in join.iter().filter(|(kind, _)| (*kind == NEWUSER) == user) {
            flags(kind).and_then(|kind| kingpost_sys::setns(fd, kind)).step(Step::Namespaces, name(kind))?;
        }
    }
    Ok(())
}

/// Enters those of a process. It is the parent that has entered the PID namespace, before the clone.
pub(crate) fn join_process(pidfd: BorrowedFd<'_>, namespaces: u64) -> Outcome<'static, ()> {
    flags(namespaces & !NEWPID)
        .and_then(|flags| if flags == 0 { Ok(()) } else { kingpost_sys::setns(pidfd, flags) })
        .step(Step::Namespaces, b"namespaces of the container")
}

/// The namespaces that are not made by `clone3`: the cgroup namespace, whose root is where the process is by now.
pub(crate) fn unshare_late(new: u64) -> Outcome<'static, ()> {
    if new & NEWCGROUP == 0 {
        return Ok(());
    }
    flags(NEWCGROUP).and_then(kingpost_sys::unshare).step(Step::Namespaces, name(NEWCGROUP))
}

/// All new namespaces of a process that has entered a user namespace, so that they are owned by that. A PID
/// namespace is only entered by a new process, which becomes this one's sibling and takes its place.
pub(crate) fn make_in_user_namespace(new: u64, reporter: Reporter<'_>) -> Outcome<'static, ()> {
    if new & NEWPID != 0 {
        let options = CloneOptions { namespaces: NEWPID, cgroup: None, sibling: true };
        // SAFETY: this process has one thread, and the child goes on with system calls as it would have.
        match unsafe { kingpost_sys::clone3(&options) }.step(Step::Namespaces, name(NEWPID))? {
            Cloned::Parent { pid, pidfd } => {
                reporter.successor(pid.as_raw_nonzero().get(), pidfd.as_fd());
                kingpost_sys::exit(0)
            }
            Cloned::Child => {
                rustix::process::setsid().map_err(|errno| Failure::new(Step::Clone, errno, b"setsid"))?;
            }
        }
    }
    let rest = new & !NEWPID & !NEWUSER;
    flags(rest).and_then(kingpost_sys::unshare).step(Step::Namespaces, name(rest))
}
