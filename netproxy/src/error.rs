//! Errors of the proxy.

use std::path::PathBuf;

/// What stops a synchronisation, or the start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A call to the kernel's packet filter, conntrack or routing failed.
    #[error("{operation}: {source}")]
    Netlink {
        /// What was being done.
        operation: &'static str,
        /// The refusal.
        source: kingpost_nftables::Error,
    },
    /// A file could not be read or written.
    #[error("{operation} {}: {source}", path.display())]
    File {
        /// What was being done.
        operation: &'static str,
        /// With which file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// The record of what to put back is damaged.
    #[error("parse {}: {source}", path.display())]
    Record {
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// Names the operation of a failed call.
pub(crate) fn during(operation: &'static str) -> impl FnOnce(kingpost_nftables::Error) -> Error {
    move |source| Error::Netlink { operation, source }
}
