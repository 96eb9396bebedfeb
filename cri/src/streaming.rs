//! The streaming server: exec and attach over WebSocket, on loopback, through URLs that work once.
//!
//! Exec and Attach hand out a URL with a random token. Whoever connects with it gets the session, nobody a second
//! time, and none after a minute. Everything is bounded: tokens, connections, the time to send a request, the
//! size of messages, the time that a reader may stall.

mod fd;
mod pump;
mod server;
mod session;
mod tokens;

pub(crate) use fd::AsyncPipe;
pub(crate) use server::{bind, serve};
pub(crate) use tokens::{AttachSession, ExecSession, Session, Streams};
