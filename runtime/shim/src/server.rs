//! The shim's polling thread: one loop over signals, sockets, starting children, stdio and memory events.
//!
//! Every wait is in the one `poll`; every descriptor in it is non-blocking. State changes happen between two polls, so
//! that there are no races between a start, an exit and a request.

pub(crate) mod clock;
mod connection;
mod container;
mod exec;
mod exits;
mod io;
mod namespaces;
mod oom;
mod requests;
mod start;

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

use crate::child::private_proc;
use crate::log::LogQueue;
use crate::protocol::Notice;
use connection::Connection;
use container::{Container, State};
use namespaces::{OwnNamespaces, PodNamespaces};

/// Why a shim cannot go on: what it was doing, and errno.
#[derive(Debug, Clone, Copy)]
pub struct ServeError {
    operation: &'static str,
    errno: Errno,
}

impl std::fmt::Display for ServeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.operation, self.errno)
    }
}

impl std::error::Error for ServeError {}

fn failed(operation: &'static str) -> impl FnOnce(Errno) -> ServeError {
    move |errno| ServeError { operation, errno }
}

/// A client's request that is answered later.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client {
    connection: u64,
    request: u64,
}

pub(crate) struct Server {
    /// Where exit records go.
    exits: PathBuf,
    listener: OwnedFd,
    signals: OwnedFd,
    /// The log writer's eventfd.
    wake: OwnedFd,
    proc: OwnedFd,
    null: OwnedFd,
    own: OwnNamespaces,
    pod: Option<PodNamespaces>,
    connections: BTreeMap<u64, Connection>,
    /// By the order of their creation.
    containers: BTreeMap<u64, Container>,
    next: u64,
    logs: LogQueue,
    destroying: Option<Client>,
}

/// What a polled descriptor belongs to.
#[derive(Debug, Clone, Copy)]
enum Token {
    Listener,
    Signals,
    Wake,
    Connection(u64),
    Start(u64),
    Exec(u64, usize),
    Output(u64, usize),
    Attached(u64, usize),
    Oom(u64),
}

/// Serves the pod's clients on a listening socket until one of them asks for its end. `directory` is the pod's in the
/// state directory.
///
/// # Errors
/// If the shim's own descriptors cannot be made, or its own namespaces cannot be entered again.
pub fn serve(listener: OwnedFd, directory: &std::path::Path) -> Result<(), ServeError> {
    let mut server = Server::new(listener, directory)?;
    while !server.is_done() {
        server.turn()?;
    }
    Ok(())
}

impl Server {
    fn new(listener: OwnedFd, directory: &std::path::Path) -> Result<Self, ServeError> {
        let chld = kingpost_sys::SignalSet::empty().with(rustix::process::Signal::CHILD.as_raw());
        kingpost_sys::block_signals(&chld).map_err(failed("block signals"))?;
        let proc = private_proc().map_err(failed("mount a private procfs"))?;
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(failed("eventfd"))?;
        let own = OwnNamespaces::open(proc.as_fd()).map_err(failed("open the shim's namespaces"))?;
        rustix::io::ioctl_fionbio(&listener, true).map_err(failed("listener"))?;
        Ok(Self {
            exits: directory.join("exits"),
            listener,
            signals: kingpost_sys::child_signal_fd(&chld).map_err(failed("signalfd"))?,
            logs: LogQueue::new(rustix::io::fcntl_dupfd_cloexec(&wake, 3).map_err(failed("eventfd"))?),
            wake,
            null: rustix::fs::openat(CWD, c"/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
                .map_err(failed("open /dev/null"))?,
            own,
            proc,
            pod: None,
            connections: BTreeMap::new(),
            containers: BTreeMap::new(),
            next: 0,
            destroying: None,
        })
    }

    fn is_done(&mut self) -> bool {
        if self.destroying.is_none() || self.containers.values().any(Container::is_alive) {
            return false;
        }
        if let Some(client) = self.destroying.take() {
            if let Some(pod) = self.pod.take() {
                pod.end();
            }
            self.reply(client, &crate::protocol::Reply::Done, &[]);
        }
        true
    }

    /// One poll and what it brings.
    fn turn(&mut self) -> Result<(), ServeError> {
        let timeout = self.timeout().map(|timeout| Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(timeout.subsec_nanos()),
        });
        let ready = {
            let (tokens, mut fds): (Vec<Token>, Vec<PollFd<'_>>) = self.interests().into_iter().unzip();
            match rustix::event::poll(&mut fds, timeout.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(failed("poll")(errno)),
            }
            let ready = tokens.into_iter().zip(fds.iter().map(PollFd::revents));
            ready.filter(|(_, events)| !events.is_empty()).collect::<Vec<_>>()
        };
        for (token, events) in ready {
            self.handle(token, events);
        }
        self.settle();
        Ok(())
    }

    fn interests(&self) -> Vec<(Token, PollFd<'_>)> {
        let mut list = vec![
            (Token::Listener, PollFd::new(&self.listener, PollFlags::IN)),
            (Token::Signals, PollFd::new(&self.signals, PollFlags::IN)),
            (Token::Wake, PollFd::new(&self.wake, PollFlags::IN)),
        ];
        for (&id, connection) in &self.connections {
            list.push((Token::Connection(id), PollFd::new(connection.socket(), connection.interest())));
        }
        for (&key, container) in &self.containers {
            if let State::Starting(start) = &container.state {
                list.push((Token::Start(key), PollFd::new(&start.channel, PollFlags::IN)));
            }
            for (index, exec) in container.execs.iter().enumerate() {
                if let Some(start) = exec.starting() {
                    list.push((Token::Exec(key, index), PollFd::new(&start.channel, PollFlags::IN)));
                }
            }
            let takes = container.log.is_none_or(|log| self.logs.takes(log));
            for (index, fd) in container.io.readable(takes) {
                list.push((Token::Output(key, index), PollFd::new(fd, PollFlags::IN)));
            }
            for (index, fd, events) in container.io.attached() {
                list.push((Token::Attached(key, index), PollFd::new(fd, events)));
            }
            if let Some((fd, events)) = container.oom.as_ref().and_then(oom::Oom::interest) {
                list.push((Token::Oom(key), PollFd::new(fd, events)));
            }
        }
        list
    }

    fn handle(&mut self, token: Token, events: PollFlags) {
        match token {
            Token::Listener => self.accept(),
            Token::Signals => self.reap(),
            Token::Wake => {
                // Only wakes the loop.
                let _ = rustix::io::read(&self.wake, &mut [0; 8]);
            }
            Token::Connection(id) => self.converse(id, events),
            Token::Start(key) => self.hear_start(key),
            Token::Exec(key, index) => self.hear_exec(key, index),
            Token::Output(key, index) => {
                self.pump(key, index);
            }
            Token::Attached(key, index) => {
                if let Some(container) = self.containers.get_mut(&key) {
                    container.io.flush_attached(index, events);
                }
            }
            Token::Oom(key) => self.hear_oom(key),
        }
    }

    /// What is due after all that was ready: announcements of ends, clients that do not read.
    fn settle(&mut self) {
        let now = Instant::now();
        for container in self.containers.values_mut() {
            container.io.sweep(now);
            container.sweep_execs();
        }
        self.announce_ends(now);
        self.connections.retain(|_, connection| !connection.is_broken());
    }

    fn timeout(&self) -> Option<Duration> {
        let now = Instant::now();
        let mut earliest: Option<Instant> = None;
        let mut at = |instant: Instant| earliest = Some(earliest.map_or(instant, |other| other.min(instant)));
        for container in self.containers.values() {
            if let State::Draining(draining) = &container.state {
                at(draining.deadline);
            }
            if let Some(deadline) = container.io.attach_deadline() {
                at(deadline);
            }
            // A full queue whose writer does not come back is noticed by the clock alone.
            if container.log.is_some_and(|log| !self.logs.takes(log)) {
                at(now + crate::log::STALL);
            }
        }
        earliest.map(|instant| instant.saturating_duration_since(now) + Duration::from_millis(1))
    }

    fn tell(&mut self, notice: &Notice) {
        for connection in self.connections.values_mut() {
            connection.tell(notice);
        }
    }

    fn key_of(&self, id: &str) -> Option<u64> {
        self.containers.iter().find(|(_, container)| container.id == id).map(|(&key, _)| key)
    }
}
