//! What can go wrong with images.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::reference::ReferenceError;
use crate::registry::RegistryError;
use crate::unpack::UnpackError;

/// Errors of the image store. None holds a credential.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A name that names no image.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// No address that serves the image gave it.
    #[error("failed to pull and unpack image {reference:?}: {source}")]
    Pull {
        /// The image, with its registry and tag.
        reference: String,
        /// Why.
        source: Box<Error>,
    },
    /// A registry could not be asked, refused, or sent what it should not have.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A manifest, configuration or archive that is not what it should be, or asks for too much.
    #[error("{what}: {reason}")]
    Malformed {
        /// What is wrong.
        what: String,
        /// Why.
        reason: String,
    },
    /// A layer that cannot be unpacked.
    #[error("layer {digest}: {source}")]
    Layer {
        /// Digest of the layer.
        digest: String,
        /// Why.
        source: Box<UnpackError>,
    },
    /// Nothing of that name is here.
    #[error("{kind} {name:?} not found")]
    NotFound {
        /// `image` or `snapshot`.
        kind: &'static str,
        /// The name that was asked for.
        name: String,
    },
    /// A name that cannot be that of a snapshot.
    #[error("{id:?} cannot be a snapshot's name")]
    InvalidSnapshot {
        /// The name.
        id: String,
    },
    /// Another process uses the directory.
    #[error("image store {root} is in use by another process")]
    Locked {
        /// The store's directory.
        root: PathBuf,
    },
    /// A file of the store failed.
    #[error("{operation} {path}: {source}")]
    Io {
        /// What was done.
        operation: &'static str,
        /// With what.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The work ended without a result: a task of the store was stopped.
    #[error("image operation was stopped")]
    Stopped,
    /// The error of a pull that several requests waited for.
    #[error(transparent)]
    Shared(Arc<Error>),
}

impl Error {
    /// For `map_err`: a failed operation with a file.
    pub(crate) fn io<E: Into<std::io::Error>>(
        operation: &'static str,
        path: &Path,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self::Io { operation, path: path.to_owned(), source: source.into() }
    }

    pub(crate) fn malformed(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Malformed { what: what.into(), reason: reason.into() }
    }

    /// Whether what was asked for does not exist, here or in the registry (gRPC: NOT_FOUND).
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::NotFound { .. } => true,
            Self::Registry(error) => error.is_not_found(),
            Self::Pull { source, .. } => source.is_not_found(),
            Self::Shared(error) => error.is_not_found(),
            _ => false,
        }
    }

    /// Whether the request itself was wrong (gRPC: INVALID_ARGUMENT).
    #[must_use]
    pub fn is_invalid_argument(&self) -> bool {
        match self {
            Self::Reference(_) | Self::InvalidSnapshot { .. } => true,
            Self::Shared(error) => error.is_invalid_argument(),
            _ => false,
        }
    }
}

impl From<tokio::task::JoinError> for Error {
    /// A panic goes on in the caller: it is a mistake in this crate, not a state of the store.
    fn from(error: tokio::task::JoinError) -> Self {
        match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Self::Stopped,
        }
    }
}
