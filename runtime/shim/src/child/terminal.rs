//! A container's or an exec's terminal, from the container's own devpts.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Gid, OFlags, Uid};
use rustix::io::Errno;
use rustix::pty::OpenptFlags;
use rustix::termios::{OptionalActions, OutputModes, Winsize};

use super::report::{Context, Outcome, Reporter};
use super::{devices, inroot, mounts};
use crate::plan::{Terminal, UserPlan};
use crate::protocol::Step;

const DEVPTS_SUPER_MAGIC: i64 = 0x1cd1;

/// Opens a pair, hands the master to the parent and returns the slave.
pub(crate) fn open(
    root: BorrowedFd<'_>,
    size: Terminal,
    user: &UserPlan,
    reporter: Reporter<'_>,
) -> Outcome<'static, OwnedFd> {
    let (master, slave) = pair(root, size, user).step(Step::Terminal, b"/dev/pts/ptmx")?;
    reporter.terminal(master.as_fd());
    Ok(slave)
}

fn pair(root: BorrowedFd<'_>, size: Terminal, user: &UserPlan) -> Result<(OwnedFd, OwnedFd), Errno> {
    // The container could have put anything there: look before opening it for real.
    let place = inroot::open(root, c"/dev/pts/ptmx", inroot::PATH)?;
    let magic = rustix::fs::fstatfs(&place)?.f_type;
    if magic != DEVPTS_SUPER_MAGIC || !devices::is_character_device(place.as_fd(), 5, 2)? {
        return Err(Errno::NODEV);
    }
    let master = inroot::open(root, c"/dev/pts/ptmx", OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK)?;
    let (found, expected) = (rustix::fs::fstat(&master)?, rustix::fs::fstat(&place)?);
    if (found.st_dev, found.st_ino) != (expected.st_dev, expected.st_ino) {
        return Err(Errno::NODEV);
    }
    rustix::pty::unlockpt(&master)?;
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let slave = rustix::pty::ioctl_tiocgptpeer(&master, flags)?;
    if size.rows != 0 || size.columns != 0 {
        let size = Winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&master, size)?;
    }
    // Engines expect a line's end as the program wrote it, as runc has it.
    let mut modes = rustix::termios::tcgetattr(&slave)?;
    modes.output_modes.remove(OutputModes::ONLCR);
    rustix::termios::tcsetattr(&slave, OptionalActions::Now, &modes)?;
    rustix::fs::fchown(&slave, Some(Uid::from_raw(user.uid)), Some(Gid::from_raw(user.gid)))?;
    Ok((master, slave))
}

/// Binds the slave over `/dev/console`.
pub(crate) fn bind_console(root: BorrowedFd<'_>, slave: BorrowedFd<'_>) -> Result<(), Errno> {
    let tree = mounts::clone_fd(slave, false)?;
    mounts::attach(tree.as_fd(), root, c"/dev/console", false)
}
