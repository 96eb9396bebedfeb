//! A connection to a shim: one task reads, one writes, replies find their requests by number.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kingpost_shim::{
    FrameError, Message, Notice, PROTOCOL_VERSION, Received, Reply, Request, decode, encode, receive, send,
};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::error::{Error, Result};
use crate::spec::Event;
use crate::wire;

/// Requests that may wait to be sent.
const QUEUE: usize = 64;

/// A reply and its descriptors.
pub(crate) type Answer = (Reply, Vec<OwnedFd>);

struct Outgoing {
    bytes: Vec<u8>,
    fds: Vec<OwnedFd>,
}

#[derive(Debug)]
pub(crate) struct Connection {
    pod: String,
    timeout: Duration,
    outgoing: mpsc::Sender<Outgoing>,
    shared: Arc<Shared>,
    gone: watch::Receiver<bool>,
}

impl std::fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outgoing").field("bytes", &self.bytes.len()).field("fds", &self.fds.len()).finish()
    }
}

#[derive(Debug, Default)]
struct Shared {
    pending: Mutex<Pending>,
}

#[derive(Debug, Default)]
struct Pending {
    next: u64,
    waiting: HashMap<u64, oneshot::Sender<Answer>>,
    closed: bool,
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Pending> {
        // The map is valid between statements, whoever panicked.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The socket's address, through the directory's descriptor: a path may be longer than an address can be.
pub(crate) fn socket_address(directory: &Path) -> Result<(OwnedFd, SocketAddrUnix)> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(CWD, directory, flags, Mode::empty())
        .map_err(|errno| Error::io("open", directory, errno))?;
    let path = format!("/proc/self/fd/{}/shim.sock", std::os::fd::AsRawFd::as_raw_fd(&fd));
    let address = SocketAddrUnix::new(path).map_err(|errno| Error::io("address", directory, errno))?;
    Ok((fd, address))
}

impl Connection {
    /// Connects to the shim of a pod's directory and greets it. Notices are sent on as events.
    pub(crate) async fn open(
        pod: &str,
        directory: &Path,
        timeout: Duration,
        events: broadcast::Sender<Event>,
    ) -> Result<(Self, u32)> {
        let gone = || Error::Gone { pod: pod.to_owned() };
        let failed = |errno: Errno| Error::io("connect to the shim in", directory, errno);
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
            .map_err(failed)?;
        let (_directory, address) = socket_address(directory)?;
        match rustix::net::connect(&socket, &address) {
            Ok(()) => {}
            Err(Errno::CONNREFUSED | Errno::NOENT) => return Err(gone()),
            Err(errno) => return Err(failed(errno)),
        }
        // tokio has no type for SOCK_SEQPACKET: its stream is used for readiness alone.
        let socket = UnixStream::from_std(std::os::unix::net::UnixStream::from(socket))
            .map_err(|error| Error::io("register", directory, error))?;
        let socket = Arc::new(socket);
        let (outgoing, queue) = mpsc::channel(QUEUE);
        let (gone_sender, gone_receiver) = watch::channel(false);
        let shared = Arc::new(Shared::default());
        tokio::spawn(read(socket.clone(), shared.clone(), events, gone_sender));
        tokio::spawn(write(socket, queue));
        let connection = Self { pod: pod.to_owned(), timeout, outgoing, shared, gone: gone_receiver };
        match connection.request("hello", &Request::Hello { version: PROTOCOL_VERSION }, Vec::new()).await? {
            (Reply::Hello { pid, .. }, _) => Ok((connection, pid)),
            (reply, _) => Err(connection.unexpected("hello", &reply)),
        }
    }

    /// Asks the shim and waits for its answer.
    pub(crate) async fn request(
        &self,
        operation: &'static str,
        request: &Request,
        fds: Vec<OwnedFd>,
    ) -> Result<Answer> {
        let gone = || Error::Gone { pod: self.pod.clone() };
        let (sender, receiver) = oneshot::channel();
        let number = {
            let mut pending = self.shared.lock();
            if pending.closed {
                return Err(gone());
            }
            pending.next += 1;
            let number = pending.next;
            pending.waiting.insert(number, sender);
            number
        };
        let mut bytes = number.to_le_bytes().to_vec();
        bytes.extend(encode(request));
        self.outgoing.send(Outgoing { bytes, fds }).await.map_err(|_| gone())?;
        match tokio::time::timeout(self.timeout, receiver).await {
            Ok(answer) => answer.map_err(|_| gone()),
            Err(_) => {
                self.shared.lock().waiting.remove(&number);
                Err(Error::Shim {
                    pod: self.pod.clone(),
                    operation,
                    message: format!("no answer within {:?}", self.timeout),
                    errno: Errno::TIMEDOUT.raw_os_error(),
                })
            }
        }
    }

    /// Resolves when the shim is gone.
    pub(crate) async fn closed(&self) {
        // An error means that the reading task, and so the connection, has ended.
        let _ = self.gone.clone().wait_for(|gone| *gone).await;
    }

    pub(crate) fn unexpected(&self, operation: &'static str, reply: &Reply) -> Error {
        match reply {
            Reply::Error { errno, message } => {
                Error::Shim { pod: self.pod.clone(), operation, message: message.clone(), errno: *errno }
            }
            other => Error::Protocol {
                pod: self.pod.clone(),
                reason: format!("{operation}: unexpected {other:?}"),
            },
        }
    }
}

async fn read(
    socket: Arc<UnixStream>,
    shared: Arc<Shared>,
    events: broadcast::Sender<Event>,
    gone: watch::Sender<bool>,
) {
    let mut fds = Vec::new();
    loop {
        if socket.readable().await.is_err() {
            break;
        }
        let received = socket.try_io(Interest::READABLE, || match receive(&*socket) {
            Err(FrameError::Os(Errno::AGAIN)) => Err(Errno::AGAIN.into()),
            other => Ok(other),
        });
        match received {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Ok(Ok(Received::Fds(more))) => fds.extend(more),
            Ok(Ok(Received::Message { bytes, fds: last })) => {
                let mut all = std::mem::take(&mut fds);
                all.extend(last);
                match decode::<Message>(&bytes) {
                    Ok(Message::Reply { request, reply }) => {
                        if let Some(waiting) = shared.lock().waiting.remove(&request) {
                            // The caller may have given up; its descriptors are closed.
                            let _ = waiting.send((reply, all));
                        }
                    }
                    Ok(Message::Notice(notice)) => tell(&events, notice),
                    Err(error) => {
                        tracing::error!(%error, "malformed message from a shim");
                        break;
                    }
                }
            }
            _ => break,
        }
    }
    let mut pending = shared.lock();
    pending.closed = true;
    pending.waiting.clear();
    drop(pending);
    let _ = gone.send(true);
    // Nobody may be listening.
    let _ = events.send(Event::Gone);
}

fn tell(events: &broadcast::Sender<Event>, notice: Notice) {
    let event = match notice {
        Notice::Started { id, pid } => Event::Started { container: id, pid },
        Notice::Oom { id } => Event::Oom { container: id },
        Notice::Exited { id, exec, exit } => {
            Event::Exited { container: id, exec, exit: wire::exit_record(&exit) }
        }
    };
    // Nobody may be listening.
    let _ = events.send(event);
}

async fn write(socket: Arc<UnixStream>, mut queue: mpsc::Receiver<Outgoing>) {
    while let Some(message) = queue.recv().await {
        let fds: Vec<_> = message.fds.iter().map(AsFd::as_fd).collect();
        loop {
            // Writable means that most of the buffer is free, which a message of any number of records fits in.
            if socket.writable().await.is_err() {
                return;
            }
            let sent = socket.try_io(Interest::WRITABLE, || match send(&*socket, &message.bytes, &fds) {
                Err(FrameError::Os(Errno::AGAIN)) => Err(Errno::AGAIN.into()),
                other => Ok(other),
            });
            match sent {
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Ok(Ok(())) => break,
                // The reading task notices the end and tells all who wait.
                _ => {
                    let _ = rustix::net::shutdown(&*socket, rustix::net::Shutdown::Both);
                    return;
                }
            }
        }
    }
    // The last handle of the pod is gone.
    let _ = rustix::net::shutdown(&*socket, rustix::net::Shutdown::Both);
}
