//! Records on a `SOCK_SEQPACKET` socket: a message of any size with any number of descriptors.
//!
//! A record is a byte that says what it is, then its content:
//! - `D`: descriptors that belong to the next message (the kernel passes at most 253 at once),
//! - `I`: a message,
//! - `M`: a message that lies in the sealed memory file sent as the record's last descriptor.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};

/// Descriptors in one record.
const FDS_PER_RECORD: usize = 128;
/// Messages longer than this go in a memory file.
const INLINE_LIMIT: usize = 32 << 10;
/// The longest message.
const MESSAGE_LIMIT: u64 = 64 << 20;
/// The most descriptors of one message.
pub const MAX_FDS: usize = 4096;

/// A record that could not be sent or received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// The other end closed the connection.
    Closed,
    /// A system call failed (`AGAIN` on a non-blocking socket means: later).
    Os(Errno),
    /// The record is not of this protocol.
    Malformed,
}

impl From<Errno> for FrameError {
    fn from(errno: Errno) -> Self {
        Self::Os(errno)
    }
}

impl std::fmt::Display for FrameError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Closed => f.write_str("connection closed"),
            Self::Os(errno) => write!(f, "{errno}"),
            Self::Malformed => f.write_str("malformed record"),
        }
    }
}

impl std::error::Error for FrameError {}

/// What a record was.
#[derive(Debug)]
pub enum Received {
    /// Descriptors for the message to come.
    Fds(Vec<OwnedFd>),
    /// A message with the last of its descriptors.
    Message {
        /// Its bytes.
        bytes: Vec<u8>,
        /// Its descriptors.
        fds: Vec<OwnedFd>,
    },
}

/// Sends a message. On a non-blocking socket `AGAIN` can come before any part of it was sent, or (when it has more
/// than 128 descriptors) after some: callers with so many use a blocking one.
///
/// # Errors
/// `Closed` if the other end is, else the errno of sendmsg(2).
pub fn send(socket: impl AsFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<(), FrameError> {
    let socket = socket.as_fd();
    let chunks = fds.chunks(FDS_PER_RECORD);
    let last = chunks.len().saturating_sub(1);
    for chunk in fds.chunks(FDS_PER_RECORD).take(last) {
        send_record(socket, &[IoSlice::new(b"D")], chunk)?;
    }
    let rest = fds.chunks(FDS_PER_RECORD).next_back().unwrap_or_default();
    if bytes.len() <= INLINE_LIMIT {
        return send_record(socket, &[IoSlice::new(b"I"), IoSlice::new(bytes)], rest);
    }
    let memory = sealed_memory(bytes)?;
    let mut with_memory: Vec<BorrowedFd<'_>> = rest.to_vec();
    with_memory.push(memory.as_fd());
    send_record(socket, &[IoSlice::new(b"M")], &with_memory)
}

fn sealed_memory(bytes: &[u8]) -> Result<OwnedFd, Errno> {
    let memory = rustix::fs::memfd_create("message", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut rest = bytes;
    while !rest.is_empty() {
        let count = rustix::io::write(&memory, rest)?;
        rest = rest.get(count..).unwrap_or_default();
    }
    rustix::fs::fcntl_add_seals(
        &memory,
        SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE,
    )?;
    Ok(memory)
}

fn send_record(
    socket: BorrowedFd<'_>,
    data: &[IoSlice<'_>],
    fds: &[BorrowedFd<'_>],
) -> Result<(), FrameError> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_PER_RECORD + 1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(FrameError::Malformed);
    }
    loop {
        match rustix::net::sendmsg(socket, data, &mut control, SendFlags::NOSIGNAL) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN) => return Err(FrameError::Closed),
            Err(errno) => return Err(FrameError::Os(errno)),
        }
    }
}

/// Receives one record.
///
/// # Errors
/// `Closed` at the end, `Malformed`, or the errno of recvmsg(2).
pub fn receive(socket: impl AsFd) -> Result<Received, FrameError> {
    let mut buffer = vec![0_u8; INLINE_LIMIT + 1];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_PER_RECORD + 1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        match rustix::net::recvmsg(
            socket.as_fd(),
            &mut [IoSliceMut::new(&mut buffer)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        ) {
            Err(Errno::INTR) => {}
            Err(Errno::CONNRESET) => return Err(FrameError::Closed),
            other => break other?,
        }
    };
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    if received.bytes == 0 {
        return Err(FrameError::Closed);
    }
    if received.flags.intersects(rustix::net::ReturnFlags::TRUNC | rustix::net::ReturnFlags::CTRUNC) {
        return Err(FrameError::Malformed);
    }
    buffer.truncate(received.bytes);
    match buffer.first() {
        Some(b'D') => Ok(Received::Fds(fds)),
        Some(b'I') => {
            buffer.remove(0);
            buffer.shrink_to_fit();
            Ok(Received::Message { bytes: buffer, fds })
        }
        Some(b'M') => {
            let memory = fds.pop().ok_or(FrameError::Malformed)?;
            Ok(Received::Message { bytes: read_memory(&memory)?, fds })
        }
        _ => Err(FrameError::Malformed),
    }
}

fn read_memory(memory: &OwnedFd) -> Result<Vec<u8>, FrameError> {
    // Sealed, or its size could change while it is read.
    let seals = rustix::fs::fcntl_get_seals(memory)?;
    if !seals.contains(SealFlags::SHRINK | SealFlags::WRITE) {
        return Err(FrameError::Malformed);
    }
    let size = u64::try_from(rustix::fs::fstat(memory)?.st_size).map_err(|_| FrameError::Malformed)?;
    if size > MESSAGE_LIMIT {
        return Err(FrameError::Malformed);
    }
    let mut bytes = vec![0; usize::try_from(size).map_err(|_| FrameError::Malformed)?];
    let mut offset = 0;
    while let Some(rest) = bytes.get_mut(offset..).filter(|rest| !rest.is_empty()) {
        let position = u64::try_from(offset).map_err(|_| FrameError::Malformed)?;
        let count = rustix::io::pread(memory, rest, position)?;
        if count == 0 {
            return Err(FrameError::Malformed);
        }
        offset += count;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    fn pair() -> (OwnedFd, OwnedFd) {
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
    }

    #[test]
    fn long_messages_go_through_memory() {
        let (a, b) = pair();
        let long: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        send(&a, &long, &[a.as_fd()]).unwrap();
        let Received::Message { bytes, fds } = receive(&b).unwrap() else { panic!() };
        assert_eq!((bytes, fds.len()), (long, 1));
    }

    #[test]
    fn many_descriptors_come_in_several_records() {
        let (a, b) = pair();
        let fds = vec![a.as_fd(); 300];
        send(&a, b"x", &fds).unwrap();
        let mut count = 0;
        loop {
            match receive(&b).unwrap() {
                Received::Fds(fds) => count += fds.len(),
                Received::Message { bytes, fds } => {
                    assert_eq!(bytes, b"x");
                    assert_eq!(count + fds.len(), 300);
                    break;
                }
            }
        }
    }

    #[test]
    fn the_end_is_told_apart_from_an_error() {
        let (a, b) = pair();
        drop(a);
        assert_eq!(receive(&b).unwrap_err(), FrameError::Closed);
    }
}
