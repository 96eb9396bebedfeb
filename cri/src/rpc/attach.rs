//! Attach: "prepares a streaming endpoint to attach to a running container". `tty`: "This must match the TTY setting
//! in the ContainerConfig." "One of `stdin`, `stdout`, and `stderr` MUST be true." "If `tty` is true, `stderr` MUST
//! be false."

use kingpost_proto::cri::{AttachRequest, AttachResponse};
use tonic::Status;

use crate::error::{CriError, Result};
use crate::lifecycle::exec;
use crate::node::Node;
use crate::streaming::{AttachSession, Session};

pub(crate) fn attach(node: &Node, request: AttachRequest) -> std::result::Result<AttachResponse, Status> {
    let session = check(node, &request)?;
    let url = node.streams.issue(Session::Attach(session));
    url.map(|url| AttachResponse { url })
        .ok_or_else(|| Status::resource_exhausted("too many streams are pending"))
}

fn check(node: &Node, request: &AttachRequest) -> Result<AttachSession> {
    if !(request.stdin || request.stdout || request.stderr) {
        return Err(CriError::field("stdin", "one of stdin, stdout and stderr must be set"));
    }
    if request.tty && request.stderr {
        return Err(CriError::field("stderr", "must not be set with tty"));
    }
    let record = exec::running(node, &request.container_id)?;
    let config = record.config.clone().unwrap_or_default();
    if request.tty != config.tty {
        return Err(CriError::field(
            "tty",
            format!("must be {}, as in the container's configuration", config.tty),
        ));
    }
    if request.stdin && !config.stdin {
        return Err(CriError::field("stdin", "the container has no stdin"));
    }
    Ok(AttachSession {
        container_id: record.id.clone(),
        stdin: request.stdin,
        stdout: request.stdout,
        stderr: request.stderr,
    })
}
