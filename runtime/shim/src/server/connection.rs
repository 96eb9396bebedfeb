//! Clients: accepting, receiving requests, sending replies and notices without ever waiting for a reader.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::SocketFlags;

use super::{Client, Server};
use crate::frame::{FrameError, MAX_FDS, Received, receive, send};
use crate::protocol::{Message, Notice, PROTOCOL_VERSION, Reply, Request};
use crate::wire::{decode, encode};

/// Messages that may wait for a client; one that is further behind is cut off and has to connect again.
const OUTBOX_LIMIT: usize = 4096;
/// Clients at once.
const CONNECTION_LIMIT: usize = 16;

pub(crate) struct Connection {
    socket: OwnedFd,
    /// Descriptors of the message to come.
    fds: Vec<OwnedFd>,
    outbox: VecDeque<(Vec<u8>, Vec<OwnedFd>)>,
    greeted: bool,
    broken: bool,
}

impl Connection {
    const fn new(socket: OwnedFd) -> Self {
        Self { socket, fds: Vec::new(), outbox: VecDeque::new(), greeted: false, broken: false }
    }

    pub(crate) const fn socket(&self) -> &OwnedFd {
        &self.socket
    }

    pub(crate) fn interest(&self) -> PollFlags {
        if self.outbox.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT }
    }

    pub(crate) const fn is_broken(&self) -> bool {
        self.broken
    }

    pub(crate) fn tell(&mut self, notice: &Notice) {
        if self.greeted {
            self.post(&Message::Notice(notice.clone()), &[]);
        }
    }

    /// Answers a request.
    pub(crate) fn answer(&mut self, request: u64, reply: Reply, fds: &[BorrowedFd<'_>]) {
        self.post(&Message::Reply { request, reply }, fds);
    }

    fn post(&mut self, message: &Message, fds: &[BorrowedFd<'_>]) {
        let bytes = encode(message);
        if self.outbox.is_empty() {
            match send(&self.socket, &bytes, fds) {
                Ok(()) => return,
                Err(FrameError::Os(Errno::AGAIN)) => {}
                Err(_) => {
                    self.broken = true;
                    return;
                }
            }
        }
        let kept: Result<Vec<OwnedFd>, _> = fds.iter().map(|fd| fd.try_clone_to_owned()).collect();
        match kept {
            Ok(kept) if self.outbox.len() < OUTBOX_LIMIT => self.outbox.push_back((bytes, kept)),
            _ => self.broken = true,
        }
    }

    fn flush(&mut self) {
        while let Some((bytes, fds)) = self.outbox.front() {
            let fds: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
            match send(&self.socket, bytes, &fds) {
                Ok(()) => drop(self.outbox.pop_front()),
                Err(FrameError::Os(Errno::AGAIN)) => return,
                Err(_) => {
                    self.broken = true;
                    return;
                }
            }
        }
    }
}

impl Server {
    pub(crate) fn accept(&mut self) {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        while let Ok(socket) = rustix::net::accept_with(&self.listener, flags) {
            if self.connections.len() < CONNECTION_LIMIT {
                self.next += 1;
                self.connections.insert(self.next, Connection::new(socket));
            }
        }
    }

    /// Takes what a client sends, and sends what it has not yet taken.
    pub(crate) fn converse(&mut self, id: u64, events: PollFlags) {
        if events.contains(PollFlags::OUT)
            && let Some(connection) = self.connections.get_mut(&id)
        {
            connection.flush();
        }
        while let Some(connection) = self.connections.get_mut(&id).filter(|connection| !connection.broken) {
            match receive(&connection.socket) {
                Ok(Received::Fds(fds)) if connection.fds.len() + fds.len() <= MAX_FDS => {
                    connection.fds.extend(fds);
                }
                Ok(Received::Message { bytes, fds }) => {
                    let mut all = std::mem::take(&mut connection.fds);
                    all.extend(fds);
                    self.receive_request(id, &bytes, all);
                }
                Err(FrameError::Os(Errno::AGAIN)) => return,
                Ok(Received::Fds(_)) | Err(_) => connection.broken = true,
            }
        }
    }

    /// A request is its number and what is asked.
    fn receive_request(&mut self, connection: u64, bytes: &[u8], fds: Vec<OwnedFd>) {
        let Some((number, body)) = bytes.split_first_chunk::<8>() else {
            self.break_off(connection);
            return;
        };
        let client = Client { connection, request: u64::from_le_bytes(*number) };
        let greeted = self.connections.get(&connection).is_some_and(|connection| connection.greeted);
        match decode::<Request>(body) {
            Ok(Request::Hello { version }) => self.greet(client, version),
            Ok(request) if greeted => self.serve_request(client, request, fds),
            Ok(_) => self.break_off(connection),
            Err(error) => {
                self.reply(client, &Reply::Error { errno: 0, message: error.to_string() }, &[]);
            }
        }
    }

    fn greet(&mut self, client: Client, version: u32) {
        if version != PROTOCOL_VERSION {
            let message = format!("protocol version {version} is not {PROTOCOL_VERSION}");
            self.reply(client, &Reply::Error { errno: 0, message }, &[]);
            return;
        }
        let pid = std::process::id();
        self.reply(client, &Reply::Hello { version: PROTOCOL_VERSION, pid }, &[]);
        if let Some(connection) = self.connections.get_mut(&client.connection) {
            connection.greeted = true;
        }
    }

    fn break_off(&mut self, id: u64) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.broken = true;
        }
    }

    pub(crate) fn reply(&mut self, client: Client, reply: &Reply, fds: &[BorrowedFd<'_>]) {
        if let Some(connection) = self.connections.get_mut(&client.connection) {
            connection.answer(client.request, reply.clone(), fds);
        }
    }
}
