//! A small HTTP server that answers every request with its host name and the caller's address.
//!
//! It is process 1 of its container, where signals without a handler are ignored, so it ends on SIGTERM by itself:
//! connections that are being answered are finished first. `$PORT` is the port to listen on, 3000 without it.

use std::net::SocketAddr;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

/// The longest request head that is read; a longer one closes the connection.
const MAX_HEAD: usize = 16 * 1024;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let port: u16 = match std::env::var("PORT") {
        Ok(text) => text.parse().with_context(|| format!("PORT is not a port number: {text:?}"))?,
        Err(_) => 3000,
    };
    let hostname = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let listener = TcpListener::bind(("0.0.0.0", port)).await.context("listen")?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    println!("{hostname} listens on port {port}");

    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, peer) = accepted.context("accept")?;
                connections.spawn(answer(stream, peer, hostname.clone()));
            }
            Some(_) = connections.join_next() => {}
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    drop(listener);
    connections.join_all().await;
    println!("{hostname} ends");
    Ok(())
}

/// Reads one request head and answers it; a peer that goes away is not worth a word.
async fn answer(mut stream: TcpStream, peer: SocketAddr, hostname: String) {
    let mut head = Vec::with_capacity(1024);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read_buf(&mut head).await {
            Ok(0) | Err(_) => return,
            Ok(_) if head.len() > MAX_HEAD => return,
            Ok(_) => {}
        }
    }
    let request = String::from_utf8_lossy(&head);
    println!("{} {}", peer.ip(), request.lines().next().unwrap_or_default());

    let body = format!("{hostname} {}\n", peer.ip());
    let reply = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    if stream.write_all(reply.as_bytes()).await.is_ok() {
        // The peer may already have gone: there is nobody left to tell.
        let _closed = stream.shutdown().await;
    }
}
