//! What a child tells its parent, one record each, of fixed size.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};

use crate::protocol::{ChildFailure, Step};
use crate::wire::decode;

const DETAIL: usize = 250;

/// A step that failed: what, why, and on which path (borrowed from the plan).
pub(crate) struct Failure<'a> {
    step: Step,
    errno: Errno,
    detail: &'a [u8],
}

pub(crate) type Outcome<'a, T> = Result<T, Failure<'a>>;

impl<'a> Failure<'a> {
    pub(crate) const fn new(step: Step, errno: Errno, detail: &'a [u8]) -> Self {
        Self { step, errno, detail }
    }
}

/// Says which step an errno belongs to.
pub(crate) trait Context<T> {
    fn step(self, step: Step, detail: &[u8]) -> Outcome<'_, T>;
}

impl<T> Context<T> for Result<T, Errno> {
    fn step(self, step: Step, detail: &[u8]) -> Outcome<'_, T> {
        self.map_err(|errno| Failure::new(step, errno, detail))
    }
}

/// The child's end of the socket pair.
#[derive(Clone, Copy)]
pub(crate) struct Reporter<'a> {
    channel: BorrowedFd<'a>,
}

impl<'a> Reporter<'a> {
    pub(crate) const fn new(channel: BorrowedFd<'a>) -> Self {
        Self { channel }
    }

    fn send(self, kind: u8, step: Step, number: i32, detail: &[u8], fd: Option<BorrowedFd<'_>>) {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fds = fd.map(|fd| [fd]);
        if let Some(fds) = &fds {
            control.push(SendAncillaryMessage::ScmRights(fds));
        }
        let detail = detail.get(..DETAIL).unwrap_or(detail);
        let head = [kind, step as u8];
        let number = number.to_le_bytes();
        let parts = [IoSlice::new(&head), IoSlice::new(&number), IoSlice::new(detail)];
        // If the parent is gone there is nobody to tell.
        let _ = rustix::net::sendmsg(self.channel, &parts, &mut control, SendFlags::NOSIGNAL);
    }

    /// Something was left out or clamped; `number` completes the detail.
    pub(crate) fn warn(self, step: Step, errno: Errno, detail: &[u8]) {
        self.send(b'W', step, errno.raw_os_error(), detail, None);
    }

    /// Hands the terminal's master over.
    pub(crate) fn terminal(self, master: BorrowedFd<'_>) {
        self.send(b'T', Step::Terminal, 0, &[], Some(master));
    }

    /// Names the process that goes on in place of this one.
    pub(crate) fn successor(self, pid: i32, pidfd: BorrowedFd<'_>) {
        self.send(b'P', Step::Clone, pid, &[], Some(pidfd));
    }

    /// Everything but `execve` is done.
    pub(crate) fn ready(self) {
        self.send(b'R', Step::Exec, 0, &[], None);
    }

    /// Reports the failure and ends the process.
    pub(crate) fn fail(self, failure: &Failure<'_>) -> ! {
        self.send(b'E', failure.step, failure.errno.raw_os_error(), failure.detail, None);
        kingpost_sys::exit(1)
    }
}

/// What a parent hears.
#[derive(Debug)]
pub(crate) enum FromChild {
    Warning(ChildFailure),
    Terminal(OwnedFd),
    Successor(i32, OwnedFd),
    Ready,
    Failed(ChildFailure),
    /// The child has executed its program, or died.
    End,
}

/// Receives one report from the parent's (non-blocking) end. `None`: not yet.
pub(crate) fn take_report(channel: impl AsFd) -> Option<FromChild> {
    let mut buffer = [0_u8; DETAIL + 6];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let count = loop {
        let mut parts = [IoSliceMut::new(&mut buffer)];
        match rustix::net::recvmsg(channel.as_fd(), &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC) {
            Ok(received) => break received.bytes,
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return None,
            Err(_) => return Some(FromChild::End),
        }
    };
    let fd = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    let Some(&[kind, step, a, b, c, d, ref detail @ ..]) = buffer.get(..count) else {
        return Some(FromChild::End);
    };
    let number = i32::from_le_bytes([a, b, c, d]);
    let failure = || ChildFailure {
        step: decode(&[step]).unwrap_or(Step::Clone),
        errno: number,
        detail: String::from_utf8_lossy(detail).into_owned(),
    };
    Some(match (kind, fd) {
        (b'W', _) => FromChild::Warning(failure()),
        (b'T', Some(master)) => FromChild::Terminal(master),
        (b'P', Some(pidfd)) => FromChild::Successor(number, pidfd),
        (b'R', _) => FromChild::Ready,
        _ => FromChild::Failed(failure()),
    })
}
