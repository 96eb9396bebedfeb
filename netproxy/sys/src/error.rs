//! What can go wrong between a batch and the kernel.

use std::fmt;

use rustix::io::Errno;

/// A change that the kernel refused, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Index of the change in its batch; none when the commit as a whole failed.
    pub index: Option<usize>,
    /// The change in words, with table and object named.
    pub change: String,
    /// The kernel's reason.
    pub errno: Errno,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.change, self.errno)
    }
}

/// Errors of netlink calls.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The socket could not be made.
    #[error("open {protocol} socket: {source}")]
    Open {
        /// Which kind.
        protocol: &'static str,
        /// The kernel's reason.
        source: Errno,
    },
    /// The request could not be handed over.
    #[error("send {bytes} bytes to the kernel: {source}")]
    Send {
        /// Length of the request.
        bytes: usize,
        /// The kernel's reason.
        source: Errno,
    },
    /// The answer could not be read.
    #[error("read the kernel's answer: {0}")]
    Receive(Errno),
    /// The transaction was refused; nothing of it took effect.
    #[error("{}", describe(.0))]
    Refused(Vec<Refusal>),
    /// The kernel neither confirmed nor refused the transaction.
    #[error("the kernel did not confirm the transaction")]
    Unconfirmed,
    /// A query or a single request failed.
    #[error("{request}: {source}")]
    Request {
        /// What was asked for.
        request: String,
        /// The kernel's reason.
        source: Errno,
    },
    /// What was being listed kept changing.
    #[error("{request}: changed while it was read, several times in a row")]
    Interrupted {
        /// What was asked for.
        request: String,
    },
}

impl Error {
    /// The kernel's reason, where there is one; the first of several.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Open { source, .. } | Self::Send { source, .. } | Self::Request { source, .. } => {
                Some(*source)
            }
            Self::Receive(source) => Some(*source),
            Self::Refused(refusals) => refusals.first().map(|refusal| refusal.errno),
            Self::Unconfirmed | Self::Interrupted { .. } => None,
        }
    }

    /// Whether what was asked for does not exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self.errno(), Some(Errno::NOENT | Errno::SRCH))
    }
}

fn describe(refusals: &[Refusal]) -> String {
    let shown: Vec<String> = refusals.iter().take(5).map(ToString::to_string).collect();
    let more = refusals.len().saturating_sub(shown.len());
    let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("transaction refused: {}{tail}", shown.join("; "))
}
