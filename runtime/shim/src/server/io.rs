//! A container's stdio: from its pipes or terminal into the log and to those attached.
//!
//! An attached client that does not read makes the container wait, as a terminal would, but for ten seconds at most: then
//! the client is cut off.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

use super::Server;
use crate::log::Stream;

/// Bytes read at once.
const CHUNK: usize = 16 << 10;
/// Chunks read from one output before the others have their turn.
const TURNS: usize = 4;
/// How long a client may take nothing.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Default)]
pub(crate) struct ContainerIo {
    /// The write end of its standard input.
    pub(crate) stdin: Option<OwnedFd>,
    pub(crate) stdin_once: bool,
    pub(crate) master: Option<OwnedFd>,
    outputs: Vec<Output>,
    attached: Vec<Attached>,
}

struct Output {
    stream: Stream,
    /// `None` after its end.
    fd: Option<OwnedFd>,
}

struct Attached {
    stream: Stream,
    pipe: Option<OwnedFd>,
    pending: Vec<u8>,
    since: Option<Instant>,
}

/// What an output gave.
enum Given {
    Bytes(Vec<u8>),
    Nothing,
    End,
}

impl ContainerIo {
    pub(crate) fn add_output(&mut self, stream: Stream, fd: OwnedFd) {
        self.outputs.push(Output { stream, fd: Some(fd) });
    }

    /// Outputs to poll: none while the log has no room or a client has not taken what was read.
    pub(crate) fn readable(&self, log_takes: bool) -> impl Iterator<Item = (usize, &OwnedFd)> {
        self.outputs.iter().enumerate().filter_map(move |(index, output)| {
            let fd = output.fd.as_ref()?;
            (log_takes && !self.is_held_up(output.stream)).then_some((index, fd))
        })
    }

    fn is_held_up(&self, stream: Stream) -> bool {
        self.attached.iter().any(|client| client.stream == stream && client.since.is_some())
    }

    pub(crate) fn attached(&self) -> impl Iterator<Item = (usize, &OwnedFd, PollFlags)> {
        self.attached.iter().enumerate().filter_map(|(index, client)| {
            let events = if client.since.is_some() { PollFlags::OUT } else { PollFlags::empty() };
            Some((index, client.pipe.as_ref()?, events))
        })
    }

    pub(crate) fn attach_deadline(&self) -> Option<Instant> {
        self.attached.iter().filter_map(|client| client.since).min().map(|since| since + PATIENCE)
    }

    /// A pipe that gets what a stream brings from now on.
    pub(crate) fn attach(&mut self, stream: Stream) -> Result<OwnedFd, Errno> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        if self.outputs.iter().any(|output| output.stream == stream && output.fd.is_some()) {
            self.attached.push(Attached { stream, pipe: Some(write), pending: Vec::new(), since: None });
        }
        Ok(read)
    }

    /// Writes on to a client, or notices that it has gone.
    pub(crate) fn flush_attached(&mut self, index: usize, events: PollFlags) {
        let Some(client) = self.attached.get_mut(index) else { return };
        if events.intersects(PollFlags::ERR | PollFlags::NVAL) {
            client.cut();
        } else {
            client.flush();
        }
    }

    /// Forgets clients that are gone, and cuts off those that take nothing.
    pub(crate) fn sweep(&mut self, now: Instant) {
        for client in &mut self.attached {
            if client.since.is_some_and(|since| now.saturating_duration_since(since) >= PATIENCE) {
                client.cut();
            }
        }
        self.attached.retain(|client| client.pipe.is_some());
    }

    fn give(&mut self, stream: Stream, bytes: &[u8]) {
        for client in self.attached.iter_mut().filter(|client| client.stream == stream) {
            client.pending.extend_from_slice(bytes);
            client.flush();
        }
    }

    fn take(&mut self, index: usize) -> Option<(Stream, Given)> {
        let output = self.outputs.get_mut(index)?;
        let fd = output.fd.as_ref()?;
        let mut bytes = vec![0; CHUNK];
        let given = match rustix::io::read(fd, &mut bytes) {
            Ok(0) => Given::End,
            Ok(count) => {
                bytes.truncate(count);
                bytes.shrink_to_fit();
                Given::Bytes(bytes)
            }
            Err(Errno::AGAIN | Errno::INTR) => Given::Nothing,
            // A terminal whose last slave was closed.
            Err(_) => Given::End,
        };
        if matches!(given, Given::End) {
            output.fd = None;
            self.attached.retain(|client| client.stream != output.stream);
        }
        Some((output.stream, given))
    }

    /// Closes everything: nobody is there to read or write any more.
    pub(crate) fn close(&mut self) {
        *self = Self::default();
    }

    fn output_count(&self) -> usize {
        self.outputs.len()
    }
}

impl Attached {
    fn cut(&mut self) {
        self.pipe = None;
        self.pending = Vec::new();
        self.since = None;
    }

    fn flush(&mut self) {
        let Some(pipe) = &self.pipe else { return };
        match rustix::io::write(pipe, &self.pending) {
            Ok(count) => drop(self.pending.drain(..count)),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => {
                self.cut();
                return;
            }
        }
        self.since = match (self.pending.is_empty(), self.since) {
            (true, _) => None,
            (false, since) => Some(since.unwrap_or_else(Instant::now)),
        };
    }
}

impl Server {
    /// Moves what an output has. Returns whether it had nothing more.
    pub(crate) fn pump(&mut self, key: u64, index: usize) -> bool {
        for _ in 0..TURNS {
            let Some(container) = self.containers.get_mut(&key) else { return true };
            if container.log.is_some_and(|log| !self.logs.takes(log)) {
                return false;
            }
            let held_up =
                container.io.outputs.get(index).is_some_and(|output| container.io.is_held_up(output.stream));
            if held_up {
                return false;
            }
            match container.io.take(index) {
                Some((stream, Given::Bytes(bytes))) => {
                    container.io.give(stream, &bytes);
                    if let Some(log) = container.log {
                        self.logs.push(log, stream, bytes);
                    }
                }
                Some((stream, Given::End)) => {
                    if let Some(log) = container.log {
                        self.logs.end(log, stream);
                    }
                    return true;
                }
                Some((_, Given::Nothing)) | None => return true,
            }
        }
        false
    }

    /// Moves what all outputs of a container have. Returns whether none had anything more.
    pub(crate) fn pump_all(&mut self, key: u64) -> bool {
        let count = self.containers.get(&key).map_or(0, |container| container.io.output_count());
        let mut empty = true;
        for index in 0..count {
            empty &= self.pump(key, index);
        }
        empty
    }
}

/// A pipe whose end for the container blocks and whose end for the shim does not.
pub(crate) fn output_pipe() -> Result<(OwnedFd, OwnedFd), Errno> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&read, true)?;
    Ok((read, write))
}

/// The same for input.
pub(crate) fn input_pipe() -> Result<(OwnedFd, OwnedFd), Errno> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&write, true)?;
    Ok((read, write))
}

/// A second descriptor of the same file.
pub(crate) fn duplicate(fd: impl AsFd) -> Result<OwnedFd, Errno> {
    let fd: BorrowedFd<'_> = fd.as_fd();
    rustix::io::fcntl_dupfd_cloexec(fd, 3)
}
