//! What can go wrong in a request, and its one conversion to a gRPC status.

use tonic::{Code, Status};

use crate::record::RecordError;
use crate::spec::SpecError;

/// Result of the work behind a request.
pub(crate) type Result<T> = std::result::Result<T, CriError>;

/// A failed request. Each names the object or field.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CriError {
    /// No sandbox, container or image of that name.
    #[error("{kind} {id:?} not found")]
    NotFound { kind: &'static str, id: String },
    /// Another object has the name.
    #[error("{kind} {name:?} exists already with id {id:?}")]
    NameTaken { kind: &'static str, name: String, id: String },
    /// A field of the request that is missing, invalid or not honoured.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The object is not in a state for it.
    #[error("{kind} {id:?}: cannot {operation}: {reason}")]
    WrongState { kind: &'static str, id: String, operation: &'static str, reason: String },
    /// A command did not end in its time.
    #[error("{operation}: timeout of {seconds} s exceeded")]
    Timeout { operation: &'static str, seconds: i64 },
    /// An RPC that is not there.
    #[error("{0} is not implemented")]
    Unimplemented(&'static str),
    /// The runtime failed.
    #[error("{operation} {id}: {source}", source = chain(source))]
    Runtime { operation: &'static str, id: String, source: kingpost_runtime::Error },
    /// The image store failed.
    #[error("{operation} {name:?}: {source}", source = chain(source))]
    Images { operation: &'static str, name: String, source: Box<kingpost_images::Error> },
    /// The pod network failed.
    #[error("{operation} {id}: {source}", source = chain(source))]
    Network { operation: &'static str, id: String, source: Box<kingpost_podnet::Error> },
    /// A record could not be kept.
    #[error("{}", chain(.0))]
    Record(#[from] RecordError),
    /// A file of this server's own, or a stream, failed.
    #[error("{operation} {path}: {source}")]
    Io { operation: &'static str, path: String, source: std::io::Error },
    /// A task of this server ended without a result.
    #[error("request was lost: {0}")]
    Lost(#[from] tokio::task::JoinError),
}

impl CriError {
    pub(crate) fn field(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Spec(SpecError::field(field, reason))
    }

    pub(crate) fn io(
        operation: &'static str,
        path: &std::path::Path,
        source: impl Into<std::io::Error>,
    ) -> Self {
        Self::Io { operation, path: path.display().to_string(), source: source.into() }
    }

    pub(crate) fn runtime<'a>(
        operation: &'static str,
        id: &'a str,
    ) -> impl FnOnce(kingpost_runtime::Error) -> Self + 'a {
        move |source| Self::Runtime { operation, id: id.to_owned(), source }
    }

    pub(crate) fn images<'a>(
        operation: &'static str,
        name: &'a str,
    ) -> impl FnOnce(kingpost_images::Error) -> Self + 'a {
        move |source| Self::Images { operation, name: name.to_owned(), source: Box::new(source) }
    }

    pub(crate) fn network<'a>(
        operation: &'static str,
        id: &'a str,
    ) -> impl FnOnce(kingpost_podnet::Error) -> Self + 'a {
        move |source| Self::Network { operation, id: id.to_owned(), source: Box::new(source) }
    }

    fn code(&self) -> Code {
        match self {
            Self::NotFound { .. } => Code::NotFound,
            Self::NameTaken { .. } => Code::AlreadyExists,
            Self::Spec(SpecError::Field { .. } | SpecError::Image { .. }) => Code::InvalidArgument,
            Self::WrongState { .. } => Code::FailedPrecondition,
            Self::Timeout { .. } => Code::DeadlineExceeded,
            Self::Unimplemented(_) => Code::Unimplemented,
            Self::Runtime { source, .. } => runtime_code(source),
            Self::Images { source, .. } => images_code(source),
            Self::Spec(SpecError::Io { .. })
            | Self::Network { .. }
            | Self::Record(_)
            | Self::Io { .. }
            | Self::Lost(_) => Code::Unknown,
        }
    }
}

impl From<CriError> for Status {
    fn from(error: CriError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

fn runtime_code(error: &kingpost_runtime::Error) -> Code {
    match error {
        kingpost_runtime::Error::InvalidSpec { .. } | kingpost_runtime::Error::Seccomp(_) => {
            Code::InvalidArgument
        }
        kingpost_runtime::Error::WrongState { .. } => Code::FailedPrecondition,
        kingpost_runtime::Error::NotFound { .. } => Code::NotFound,
        _ => Code::Unknown,
    }
}

fn images_code(error: &kingpost_images::Error) -> Code {
    if error.is_not_found() {
        Code::NotFound
    } else if error.is_invalid_argument() {
        Code::InvalidArgument
    } else {
        Code::Unknown
    }
}

/// An error with its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        // Transparent errors repeat themselves.
        if !text.ends_with(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}
