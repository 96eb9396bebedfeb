//! Moves bytes between a WebSocket and a process's stdio.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use bytes::Bytes;
use futures::future::{FusedFuture as _, FutureExt as _};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt as _, StreamExt as _};
use kingpost_proto::remote_command::{Channel, ExitStatus, Frame, TerminalSize, Version};
use kingpost_runtime::Pod;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::AsyncPipe;
use crate::error::chain;

/// Bytes read from a process at once.
const CHUNK: usize = 32 << 10;
/// Messages that wait for a slow client; then the process waits.
const OUTBOX: usize = 8;
/// How long a client may take no message at all.
const STALL: Duration = Duration::from_secs(120);
/// How long output may stay open after the process ended: descendants may have inherited it.
const DRAIN: Duration = Duration::from_secs(1);
/// How long the client may take to answer the close of the socket.
const CLOSE: Duration = Duration::from_secs(2);

/// A socket with its framing.
pub(super) struct Streams {
    sink: SplitSink<WebSocket, Message>,
    stream: SplitStream<WebSocket>,
    version: Version,
}

impl Streams {
    pub(super) fn new(socket: WebSocket, version: Version) -> Self {
        let (sink, stream) = socket.split();
        Self { sink, stream, version }
    }
}

/// The caller's ends of a process's stdio.
pub(super) struct Ends {
    pub(super) stdin: Option<Arc<AsyncPipe>>,
    pub(super) stdout: Option<Arc<AsyncPipe>>,
    pub(super) stderr: Option<Arc<AsyncPipe>>,
}

/// Whose terminal the client sizes.
pub(super) enum Terminal {
    /// Nobody's.
    None,
    /// An exec's: its master.
    Exec(Arc<AsyncPipe>),
    /// A container's.
    Container { pod: Pod, id: String },
}

impl Terminal {
    async fn resize(&self, size: TerminalSize) {
        let result = match self {
            Self::None => Ok(()),
            Self::Exec(master) => master.resize(size).map_err(|error| error.to_string()),
            Self::Container { pod, id } => {
                let size = kingpost_runtime::TerminalSize { rows: size.height, columns: size.width };
                pod.resize(id, size).await.map_err(|error| chain(&error))
            }
        };
        if let Err(error) = result {
            tracing::debug!(error, "cannot resize a terminal");
        }
    }
}

/// Tells the client why there is no session.
pub(super) async fn fail(streams: Streams, status: ExitStatus) {
    let Streams { mut sink, mut stream, .. } = streams;
    let (frames, outbox) = mpsc::channel(1);
    let sent = async {
        let _ = frames.send(Frame::Data(Channel::Error, status.to_json().into())).await;
        drop(frames);
    };
    let ((), written) = tokio::join!(sent, write(&mut sink, outbox));
    finish(written, &mut sink, &mut stream).await;
}

/// Runs until the process has ended and its output is sent, or the client is gone.
pub(super) async fn run(
    streams: Streams,
    ends: Ends,
    terminal: Terminal,
    status: impl Future<Output = ExitStatus>,
) {
    let Streams { mut sink, mut stream, version } = streams;
    let (frames, outbox) = mpsc::channel(OUTBOX);
    let stdout = copy(ends.stdout, Channel::Stdout, frames.clone());
    let stderr = copy(ends.stderr, Channel::Stderr, frames.clone());
    let process = async move {
        let mut output = pin!(async { tokio::join!(stdout, stderr) }.fuse());
        let mut status = pin!(status);
        let status = tokio::select! {
            status = &mut status => status,
            _ = &mut output => status.await,
        };
        if !output.is_terminated() {
            let _ = timeout(DRAIN, output).await;
        }
        // Fails when the client is gone; then nobody is left to tell.
        let _ = frames.send(Frame::Data(Channel::Error, status.to_json().into())).await;
    };
    let work = async {
        let mut process = pin!(process.fuse());
        let mut writer = pin!(write(&mut sink, outbox));
        // A writer that fails ends the session; a process that ends lets the writer finish.
        tokio::select! {
            written = &mut writer => written,
            () = &mut process => writer.await,
        }
    };
    let written = tokio::select! {
        written = work => written,
        () = read(&mut stream, version, ends.stdin, &terminal) => return,
    };
    finish(written, &mut sink, &mut stream).await;
}

async fn finish(
    written: Result<(), ()>,
    sink: &mut SplitSink<WebSocket, Message>,
    stream: &mut SplitStream<WebSocket>,
) {
    if written.is_err() {
        return;
    }
    let close = CloseFrame { code: close_code::NORMAL, reason: "".into() };
    let closed = async {
        if sink.send(Message::Close(Some(close))).await.is_ok() {
            while let Some(Ok(_)) = stream.next().await {}
        }
    };
    let _ = timeout(CLOSE, closed).await;
}

/// Reads a process's output into frames until its end or that of the session.
async fn copy(from: Option<Arc<AsyncPipe>>, channel: Channel, frames: mpsc::Sender<Frame>) {
    let Some(from) = from else { return };
    let mut buffer = vec![0; CHUNK];
    loop {
        match from.read(&mut buffer).await {
            Ok(0) => return,
            Ok(read) => {
                let data = Bytes::copy_from_slice(buffer.get(..read).unwrap_or_default());
                if frames.send(Frame::Data(channel, data)).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::debug!(%error, ?channel, "reading output of a process");
                return;
            }
        }
    }
}

async fn write(
    sink: &mut SplitSink<WebSocket, Message>,
    mut outbox: mpsc::Receiver<Frame>,
) -> Result<(), ()> {
    while let Some(frame) = outbox.recv().await {
        match timeout(STALL, sink.send(Message::Binary(frame.encode()))).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::debug!(%error, "client of a stream is gone");
                return Err(());
            }
            Err(_) => {
                tracing::warn!("client of a stream takes nothing, closing it");
                return Err(());
            }
        }
    }
    Ok(())
}

/// Reads frames until the client is gone or breaks the protocol.
async fn read(
    stream: &mut SplitStream<WebSocket>,
    version: Version,
    mut stdin: Option<Arc<AsyncPipe>>,
    terminal: &Terminal,
) {
    while let Some(Ok(message)) = stream.next().await {
        let bytes = match message {
            Message::Binary(bytes) => bytes,
            Message::Close(_) => return,
            Message::Text(_) | Message::Ping(_) | Message::Pong(_) => continue,
        };
        match Frame::decode(version, &bytes) {
            Ok(Frame::Data(Channel::Stdin, data)) => {
                if let Some(pipe) = &stdin
                    && let Err(error) = pipe.write_all(&data).await
                {
                    // A process may close its stdin and go on.
                    tracing::debug!(%error, "writing to stdin of a process");
                    stdin = None;
                }
            }
            Ok(Frame::Close(Channel::Stdin)) => stdin = None,
            Ok(Frame::Data(Channel::Resize, data)) => match serde_json::from_slice::<TerminalSize>(&data) {
                // In the order of the client: what it types next sees the new size.
                Ok(size) => terminal.resize(size).await,
                Err(error) => tracing::debug!(%error, "malformed size of a terminal"),
            },
            Ok(Frame::Data(..) | Frame::Close(_)) => {}
            Err(error) => {
                tracing::warn!(%error, "client of a stream breaks the protocol");
                return;
            }
        }
    }
}
