//! Descriptors 0, 1 and 2.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{FileType, Uid};
use rustix::io::Errno;

use super::report::{Context, Outcome};
use super::{ChildStdio, devices};
use crate::plan::UserPlan;
use crate::protocol::Step;

/// Takes the terminal as the controlling one and as all three.
pub(crate) fn take_terminal(slave: BorrowedFd<'_>) -> Outcome<'static, ()> {
    rustix::process::ioctl_tiocsctty(slave).step(Step::Terminal, b"controlling terminal")?;
    duplicate(slave, slave, slave).step(Step::Stdio, b"terminal")
}

/// Takes pipes, which the container's user then owns, so that `/dev/stdout` can be opened.
pub(crate) fn take(stdio: &ChildStdio<'_>, user: &UserPlan) -> Outcome<'static, ()> {
    duplicate(stdio.stdin, stdio.stdout, stdio.stderr).step(Step::Stdio, b"dup3")?;
    for fd in [stdio.stdin, stdio.stdout, stdio.stderr] {
        own(fd, user).step(Step::Stdio, b"fchown")?;
    }
    Ok(())
}

fn duplicate(stdin: BorrowedFd<'_>, stdout: BorrowedFd<'_>, stderr: BorrowedFd<'_>) -> Result<(), Errno> {
    rustix::stdio::dup2_stdin(stdin)?;
    rustix::stdio::dup2_stdout(stdout)?;
    rustix::stdio::dup2_stderr(stderr)
}

fn own(fd: BorrowedFd<'_>, user: &UserPlan) -> Result<(), Errno> {
    let kind = FileType::from_raw_mode(rustix::fs::fstat(fd)?.st_mode);
    if kind != FileType::Fifo || devices::is_character_device(fd, 1, 3)? {
        return Ok(());
    }
    match rustix::fs::fchown(fd.as_fd(), Some(Uid::from_raw(user.uid)), None) {
        // In a user namespace a pipe made outside may have an owner that is not mapped.
        Ok(()) | Err(Errno::PERM | Errno::INVAL) => Ok(()),
        Err(errno) => Err(errno),
    }
}
