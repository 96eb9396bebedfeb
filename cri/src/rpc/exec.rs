//! Exec: "prepares a streaming endpoint to execute a command in the container". "One of `stdin`, `stdout`, and
//! `stderr` MUST be true." "If `tty` is true, `stderr` MUST be false."

use kingpost_proto::cri::{ExecRequest, ExecResponse};
use tonic::Status;

use crate::error::{CriError, Result};
use crate::lifecycle::exec;
use crate::node::Node;
use crate::streaming::{ExecSession, Session};

pub(crate) fn exec(node: &Node, request: ExecRequest) -> std::result::Result<ExecResponse, Status> {
    let session = check(node, request)?;
    let url = node.streams.issue(Session::Exec(session));
    url.map(|url| ExecResponse { url })
        .ok_or_else(|| Status::resource_exhausted("too many streams are pending"))
}

fn check(node: &Node, request: ExecRequest) -> Result<ExecSession> {
    exec::check_command(&request.cmd)?;
    if !(request.stdin || request.stdout || request.stderr) {
        return Err(CriError::field("stdin", "one of stdin, stdout and stderr must be set"));
    }
    if request.tty && request.stderr {
        return Err(CriError::field("stderr", "must not be set with tty"));
    }
    let record = exec::running(node, &request.container_id)?;
    Ok(ExecSession {
        container_id: record.id.clone(),
        cmd: request.cmd,
        tty: request.tty,
        stdin: request.stdin,
        stdout: request.stdout,
        stderr: request.stderr,
    })
}
