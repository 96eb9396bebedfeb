//! A netlink socket: requests out, messages in (netlink(7)).

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::sockopt;
use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType};

use crate::error::Error;

/// `NLM_F_REQUEST`.
pub(crate) const REQUEST: u16 = 1;
/// `NLM_F_ACK`.
pub(crate) const ACK: u16 = 4;
/// `NLM_F_ROOT | NLM_F_MATCH`.
pub(crate) const DUMP: u16 = 0x300;
/// `NLM_F_CREATE`.
pub(crate) const CREATE: u16 = 0x400;
/// `NLM_F_EXCL`.
pub(crate) const EXCLUSIVE: u16 = 0x200;
/// `NLM_F_APPEND`.
pub(crate) const APPEND: u16 = 0x800;

/// `NLM_F_DUMP_INTR`: the list changed while it was read.
const DUMP_INTERRUPTED: u16 = 0x10;
const MESSAGE_ERROR: u16 = 2;
const MESSAGE_DONE: u16 = 3;
/// Largest answer the kernel puts into one datagram of a dump, and more than any acknowledgement.
const RECEIVE_BUFFER: usize = 128 * 1024;
/// How often a dump is repeated when what it lists changes meanwhile.
const DUMP_ATTEMPTS: u32 = 16;
/// Length of `struct nlmsghdr`.
pub(crate) const HEADER: usize = 16;

/// A message as read: its type, sequence number and what follows the header.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    pub(crate) body: &'a [u8],
}

/// An acknowledgement: zero is success.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) sequence: u32,
    pub(crate) errno: Option<Errno>,
}

/// A connected netlink socket with its receive buffer.
#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
    buffer: Vec<u8>,
    sequence: u32,
    send_buffer: usize,
}

impl Socket {
    /// Opens a `NETLINK_NETFILTER` socket in the calling thread's network namespace.
    pub(crate) fn netfilter() -> Result<Self, Error> {
        Self::open("netfilter", Some(netlink::NETFILTER))
    }

    /// Opens a `NETLINK_ROUTE` socket in the calling thread's network namespace.
    pub(crate) fn route() -> Result<Self, Error> {
        // NETLINK_ROUTE is protocol number 0, which is what leaving it out gives.
        Self::open("route", None)
    }

    fn open(name: &'static str, protocol: Option<Protocol>) -> Result<Self, Error> {
        let failed = |source| Error::Open { protocol: name, source };
        let fd =
            rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)
                .map_err(failed)?;
        rustix::net::bind(&fd, &SocketAddrNetlink::new(0, 0)).map_err(failed)?;
        rustix::net::connect(&fd, &SocketAddrNetlink::new(0, 0)).map_err(failed)?;
        // Refusals come back with the message that they refuse; without the privilege the default must do.
        let _ = sockopt::set_socket_recv_buffer_size_force(&fd, 4 << 20);
        let send_buffer = sockopt::socket_send_buffer_size(&fd).map_err(failed)?;
        Ok(Self { fd, buffer: vec![0; RECEIVE_BUFFER], sequence: 0, send_buffer })
    }

    /// Reserves `count` sequence numbers; gives the first.
    pub(crate) fn reserve(&mut self, count: usize) -> u32 {
        let first = self.sequence.wrapping_add(1);
        // Wrapping is harmless: numbers only tell the messages of one request apart.
        self.sequence = self.sequence.wrapping_add(u32::try_from(count).unwrap_or(u32::MAX));
        first
    }

    /// Sends one request, which may be megabytes: a transaction has to be one datagram.
    pub(crate) fn send(&mut self, request: &[u8]) -> Result<(), Error> {
        let failed = |source| Error::Send { bytes: request.len(), source };
        self.drain();
        // The kernel takes no more than the buffer less some of its own bookkeeping.
        let needed = request.len() + 4096;
        if needed > self.send_buffer {
            sockopt::set_socket_send_buffer_size_force(&self.fd, needed).map_err(failed)?;
            self.send_buffer = needed;
        }
        loop {
            match rustix::net::send(&self.fd, request, SendFlags::empty()) {
                Err(Errno::INTR) => {}
                other => return other.map(|_| ()).map_err(failed),
            }
        }
    }

    /// Reads what the kernel has answered so far: netlink works while `send` runs, so all of it is there.
    pub(crate) fn answers(&mut self) -> Result<Vec<Answer>, Error> {
        let mut answers = Vec::new();
        loop {
            match self.receive(RecvFlags::DONTWAIT) {
                Ok(length) => messages(self.buffer.get(..length).unwrap_or_default(), |message| {
                    if message.kind == MESSAGE_ERROR {
                        answers.push(Answer { sequence: message.sequence, errno: error_code(message.body) });
                    }
                }),
                Err(Errno::AGAIN) => return Ok(answers),
                // More refusals than fit: those that were read tell enough.
                Err(Errno::NOBUFS) => {}
                Err(errno) => return Err(Error::Receive(errno)),
            }
        }
    }

    /// Sends a single request that asks for an acknowledgement; `body` begins with the family header.
    pub(crate) fn request(&mut self, kind: u16, flags: u16, body: &[u8], what: &str) -> Result<(), Error> {
        let sequence = self.reserve(1);
        self.send(&framed(kind, REQUEST | ACK | flags, sequence, body))?;
        let answer = self.answers()?.into_iter().find(|answer| answer.sequence == sequence);
        match answer {
            None => Err(Error::Unconfirmed),
            Some(Answer { errno: None, .. }) => Ok(()),
            Some(Answer { errno: Some(source), .. }) => {
                Err(Error::Request { request: what.to_owned(), source })
            }
        }
    }

    /// Sends a request for one object and gives the body of the answer.
    pub(crate) fn query(&mut self, kind: u16, body: &[u8], what: &str) -> Result<Vec<u8>, Error> {
        let sequence = self.reserve(1);
        self.send(&framed(kind, REQUEST, sequence, body))?;
        let length = self.receive(RecvFlags::DONTWAIT).map_err(Error::Receive)?;
        let mut found = Err(Error::Unconfirmed);
        messages(self.buffer.get(..length).unwrap_or_default(), |message| {
            found = if message.kind == MESSAGE_ERROR {
                let refused = |source| Error::Request { request: what.to_owned(), source };
                Err(error_code(message.body).map_or(Error::Unconfirmed, refused))
            } else {
                Ok(message.body.to_vec())
            };
        });
        found
    }

    /// Lists objects: what `read` makes of each message's body. Starts over when the list changed meanwhile.
    pub(crate) fn dump<T>(
        &mut self,
        kind: u16,
        body: &[u8],
        what: &str,
        mut read: impl FnMut(&[u8]) -> Option<T>,
    ) -> Result<Vec<T>, Error> {
        for _ in 0..DUMP_ATTEMPTS {
            let sequence = self.reserve(1);
            self.send(&framed(kind, REQUEST | DUMP, sequence, body))?;
            if let Some(list) = self.read_dump(sequence, what, &mut read)? {
                return Ok(list);
            }
        }
        Err(Error::Interrupted { request: what.to_owned() })
    }

    /// One pass over a dump; none if it was interrupted.
    fn read_dump<T>(
        &mut self,
        sequence: u32,
        what: &str,
        read: &mut impl FnMut(&[u8]) -> Option<T>,
    ) -> Result<Option<Vec<T>>, Error> {
        let mut list = Vec::new();
        let mut interrupted = false;
        let mut outcome = None;
        while outcome.is_none() {
            let length = match self.receive(RecvFlags::empty()) {
                Ok(length) => length,
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(Error::Receive(errno)),
            };
            messages(self.buffer.get(..length).unwrap_or_default(), |message| {
                if message.sequence != sequence {
                    return;
                }
                interrupted |= message.flags & DUMP_INTERRUPTED != 0;
                match message.kind {
                    MESSAGE_DONE | MESSAGE_ERROR => outcome = Some(error_code(message.body)),
                    _ => list.extend(read(message.body)),
                }
            });
        }
        match outcome.flatten() {
            Some(Errno::INTR) => Ok(None),
            Some(source) => Err(Error::Request { request: what.to_owned(), source }),
            None if interrupted => Ok(None),
            None => Ok(Some(list)),
        }
    }

    /// Throws away what an earlier request that failed half-way left to read.
    fn drain(&mut self) {
        while self.receive(RecvFlags::DONTWAIT).is_ok() {}
    }

    fn receive(&mut self, flags: RecvFlags) -> rustix::io::Result<usize> {
        let (length, _) = rustix::net::recv(&self.fd, self.buffer.as_mut_slice(), flags)?;
        Ok(length)
    }
}

/// A message with its header.
pub(crate) fn framed(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(HEADER + body.len());
    let length = u32::try_from(HEADER + body.len()).unwrap_or(u32::MAX);
    message.extend_from_slice(&length.to_ne_bytes());
    message.extend_from_slice(&kind.to_ne_bytes());
    message.extend_from_slice(&flags.to_ne_bytes());
    message.extend_from_slice(&sequence.to_ne_bytes());
    message.extend_from_slice(&0u32.to_ne_bytes());
    message.extend_from_slice(body);
    message
}

/// Splits a datagram into messages; a malformed tail ends it.
fn messages(mut datagram: &[u8], mut each: impl FnMut(Message<'_>)) {
    while let Some((length, message)) = first_message(datagram) {
        each(message);
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
}

fn first_message(datagram: &[u8]) -> Option<(usize, Message<'_>)> {
    let word = |at: usize| Some(u32::from_ne_bytes(datagram.get(at..at + 4)?.try_into().ok()?));
    let half = |at: usize| Some(u16::from_ne_bytes(datagram.get(at..at + 2)?.try_into().ok()?));
    let length = usize::try_from(word(0)?).ok()?;
    let body = datagram.get(HEADER..length)?;
    Some((length, Message { kind: half(4)?, flags: half(6)?, sequence: word(8)?, body }))
}

/// The error number that an acknowledgement or the end of a dump begins with; none for success.
fn error_code(body: &[u8]) -> Option<Errno> {
    let code = i32::from_ne_bytes(body.get(..4)?.try_into().ok()?);
    // Errors are small negative numbers; a dump may end with a positive one of its own.
    (-4095..0).contains(&code).then(|| Errno::from_raw_os_error(-code))
}
