//! What can go wrong, in the terms of the callers: a pod that is gone, a process that cannot be started, a
//! specification that cannot be satisfied.

use std::io;
use std::path::PathBuf;

use crate::cgroup::CgroupError;
use crate::seccomp::SeccompError;

/// Result of this crate's operations.
pub type Result<T> = std::result::Result<T, Error>;

/// A failed operation of the runtime.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The pod's shim is not running any more. Clean up with [`crate::Gone::clean_up`].
    #[error("pod {pod}: its shim is gone")]
    Gone {
        /// The pod.
        pod: String,
    },
    /// No such pod, container or exec.
    #[error("{kind} {id} not found")]
    NotFound {
        /// What was looked for: `pod`, `container` or `exec`.
        kind: &'static str,
        /// Its id.
        id: String,
    },
    /// The id is taken already.
    #[error("{kind} {id} exists already")]
    AlreadyExists {
        /// What exists: `pod`, `container` or `exec`.
        kind: &'static str,
        /// Its id.
        id: String,
    },
    /// The operation does not fit the container's state (start of a running one, exec in an exited one).
    #[error("container {id}: cannot {operation}: it is {state}")]
    WrongState {
        /// The container.
        id: String,
        /// What was asked for.
        operation: &'static str,
        /// What the container is: `created`, `running` or `exited`.
        state: &'static str,
    },
    /// A field of the specification that is invalid or cannot be satisfied.
    #[error("{field}: {reason}")]
    InvalidSpec {
        /// The field, as a path in the OCI specification (`linux.seccomp.syscalls[3].args`).
        field: String,
        /// Why.
        reason: String,
    },
    /// The container's or exec's process could not be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A cgroup could not be made, changed or removed.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// A seccomp profile that cannot be compiled.
    #[error(transparent)]
    Seccomp(#[from] SeccompError),
    /// A system call on a path failed.
    #[error("{operation} {}", path.display())]
    Io {
        /// What was attempted.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The shim refused a request.
    #[error("shim of pod {pod}: {operation}: {message}")]
    Shim {
        /// The pod.
        pod: String,
        /// The request.
        operation: &'static str,
        /// The shim's words.
        message: String,
        /// errno, or 0.
        errno: i32,
    },
    /// The shim's answer is not of this protocol.
    #[error("shim of pod {pod}: protocol error: {reason}")]
    Protocol {
        /// The pod.
        pod: String,
        /// What was wrong with it.
        reason: String,
    },
}

impl Error {
    pub(crate) fn io(
        operation: &'static str,
        path: impl Into<PathBuf>,
        source: impl Into<io::Error>,
    ) -> Self {
        Self::Io { operation, path: path.into(), source: source.into() }
    }

    pub(crate) fn invalid(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::InvalidSpec { field: field.into(), reason: reason.into() }
    }
}

/// Why a process could not be started: the class that decides its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartFailure {
    /// The executable does not exist (exit code 127, `ContainerCannotRun`).
    NotFound,
    /// The executable cannot be executed (exit code 126).
    PermissionDenied,
    /// The executable is of no known format (exit code 126).
    NotExecutable,
    /// Anything before the exec: a mount, an identity, a limit (exit code 128, `StartError`).
    Setup,
}

/// A process that could not be started, in the words of runc.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StartError {
    /// The class of the failure.
    pub failure: StartFailure,
    /// What users know: `exec: "foo": executable file not found in $PATH`.
    pub message: String,
    /// The errno of the failed call.
    pub errno: i32,
}

impl StartError {
    /// The exit code that runc's and containerd's users see: 127, 126 or 128.
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        match self.failure {
            StartFailure::NotFound => 127,
            StartFailure::PermissionDenied | StartFailure::NotExecutable => 126,
            StartFailure::Setup => 128,
        }
    }
}
