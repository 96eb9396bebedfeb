//! Framing of exec and attach streams over WebSocket, as kubectl, the API server and the kubelet speak it.
//!
//! Every binary message starts with a byte that names its channel; the rest is that channel's data. Version 5
//! adds channel 255, by which a peer half-closes another channel (KEP-4006); version 4 has no half-close. At the
//! end the server writes one `metav1.Status` to the error channel and closes. A message without data, which
//! servers send to open a channel, carries nothing and is not an end of stream.

mod exit_status;

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

pub use exit_status::ExitStatus;

/// Subprotocols in order of preference, as a server offers them.
pub const SUBPROTOCOLS: [&str; 2] = [Version::V5.name(), Version::V4.name()];

/// Version of the subprotocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// `v4.channel.k8s.io`: exit status as JSON, no half-close.
    V4,
    /// `v5.channel.k8s.io`: adds the half-close of a channel.
    V5,
}

impl Version {
    /// The name in `Sec-WebSocket-Protocol`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V4 => "v4.channel.k8s.io",
            Self::V5 => "v5.channel.k8s.io",
        }
    }

    /// The best version among those that a client offers.
    pub fn negotiate<'a>(offered: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        offered.into_iter().fold(None, |best, name| match name.trim() {
            "v5.channel.k8s.io" => Some(Self::V5),
            "v4.channel.k8s.io" => best.or(Some(Self::V4)),
            _ => best,
        })
    }
}

/// Channel of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Channel {
    /// Client to process.
    Stdin = 0,
    /// Process to client; a terminal's output too.
    Stdout = 1,
    /// Process to client.
    Stderr = 2,
    /// Server to client: the [`ExitStatus`], once.
    Error = 3,
    /// Client to server: the terminal's size as JSON.
    Resize = 4,
}

impl Channel {
    fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Self::Stdin,
            1 => Self::Stdout,
            2 => Self::Stderr,
            3 => Self::Error,
            4 => Self::Resize,
            _ => return None,
        })
    }
}

const CLOSE: u8 = 255;

/// A size of a terminal, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalSize {
    /// Columns.
    #[serde(rename = "Width")]
    pub width: u16,
    /// Rows.
    #[serde(rename = "Height")]
    pub height: u16,
}

/// One message, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Data of a channel; may be empty.
    Data(Channel, Bytes),
    /// No more data on this channel (version 5).
    Close(Channel),
}

/// What is wrong with a message.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A message with no channel byte.
    #[error("empty remote command message")]
    Empty,
    /// A channel that the protocol does not have.
    #[error("unknown remote command channel {0}")]
    UnknownChannel(u8),
    /// A half-close that does not name exactly one channel.
    #[error("malformed close message of {0} bytes")]
    MalformedClose(usize),
    /// A half-close in version 4.
    #[error("close message in v4.channel.k8s.io")]
    CloseInV4,
}

impl Frame {
    /// Decodes one binary message.
    pub fn decode(version: Version, message: &Bytes) -> Result<Self, FrameError> {
        let first = *message.first().ok_or(FrameError::Empty)?;
        if first == CLOSE {
            return Self::decode_close(version, message);
        }
        let channel = Channel::from_byte(first).ok_or(FrameError::UnknownChannel(first))?;
        Ok(Self::Data(channel, message.slice(1..)))
    }

    fn decode_close(version: Version, message: &Bytes) -> Result<Self, FrameError> {
        if version == Version::V4 {
            return Err(FrameError::CloseInV4);
        }
        match message.as_ref() {
            [CLOSE, byte] => {
                Channel::from_byte(*byte).map(Self::Close).ok_or(FrameError::UnknownChannel(*byte))
            }
            _ => Err(FrameError::MalformedClose(message.len())),
        }
    }

    /// Encodes one binary message.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        match self {
            Self::Data(channel, data) => {
                let mut message = BytesMut::with_capacity(data.len() + 1);
                message.put_u8(*channel as u8);
                message.put_slice(data);
                message.freeze()
            }
            Self::Close(channel) => Bytes::copy_from_slice(&[CLOSE, *channel as u8]),
        }
    }
}

#[cfg(test)]
mod tests;
