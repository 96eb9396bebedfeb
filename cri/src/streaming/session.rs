//! One exec or attach, from its start to the status at its end.

use std::sync::Arc;

use axum::extract::ws::WebSocket;
use kingpost_proto::remote_command::{ExitStatus, Version};
use kingpost_runtime::{AttachSpec, Exec, ExecIo, Pod};

use super::pump::{self, Ends, Streams, Terminal};
use super::{AsyncPipe, AttachSession, ExecSession, Session};
use crate::error::{CriError, Result, chain};
use crate::lifecycle::exec;
use crate::node::Node;

/// Runs a session on a socket.
pub(super) async fn run(node: Arc<Node>, socket: WebSocket, version: Version, session: Session) {
    let streams = Streams::new(socket, version);
    match session {
        Session::Exec(session) => run_exec(&node, streams, session).await,
        Session::Attach(session) => run_attach(&node, streams, session).await,
    }
}

async fn run_exec(node: &Node, streams: Streams, session: ExecSession) {
    let started = exec::start(node, &session).await.and_then(|mut exec| {
        let ends = exec_ends(&mut exec)?;
        Ok((exec, ends))
    });
    match started {
        Ok((mut exec, ends)) => {
            let terminal = match &ends.stdout {
                Some(master) if session.tty => Terminal::Exec(Arc::clone(master)),
                _ => Terminal::None,
            };
            let status = async { exit_status(exec.wait().await.map(|exit| exit.code)) };
            pump::run(streams, ends, terminal, status).await;
        }
        Err(error) => pump::fail(streams, ExitStatus::Error(error.to_string())).await,
    }
}

async fn run_attach(node: &Node, streams: Streams, session: AttachSession) {
    match attach(node, &session).await {
        Ok((pod, ends)) => {
            let terminal = Terminal::Container { pod: pod.clone(), id: session.container_id.clone() };
            let status = async {
                // The client is told that its stream ended; how the container did is in its status.
                let _ = pod.wait(&session.container_id).await;
                ExitStatus::Success
            };
            pump::run(streams, ends, terminal, status).await;
        }
        Err(error) => pump::fail(streams, ExitStatus::Error(error.to_string())).await,
    }
}

async fn attach(node: &Node, session: &AttachSession) -> Result<(Pod, Ends)> {
    let record = node.store.containers.get(&session.container_id)?.record.get();
    let pod = node.store.sandboxes.get(&record.sandbox_id)?.live("attach")?;
    let spec = AttachSpec { stdin: session.stdin, stdout: session.stdout, stderr: session.stderr };
    let attachment =
        pod.attach(&record.id, spec).await.map_err(CriError::runtime("attach to container", &record.id))?;
    let ends = Ends {
        stdin: attachment.stdin.map(pipe).transpose()?,
        stdout: attachment.stdout.map(pipe).transpose()?,
        stderr: attachment.stderr.map(pipe).transpose()?,
    };
    Ok((pod, ends))
}

fn exec_ends(exec: &mut Exec) -> Result<Ends> {
    let none = ExecIo::Pipes { stdin: None, stdout: None, stderr: None };
    match std::mem::replace(exec.io(), none) {
        ExecIo::Pipes { stdin, stdout, stderr } => Ok(Ends {
            stdin: stdin.map(pipe).transpose()?,
            stdout: stdout.map(pipe).transpose()?,
            stderr: stderr.map(pipe).transpose()?,
        }),
        ExecIo::Terminal(master) => {
            let terminal = pipe(master)?;
            Ok(Ends { stdin: Some(Arc::clone(&terminal)), stdout: Some(terminal), stderr: None })
        }
    }
}

fn pipe(fd: std::os::fd::OwnedFd) -> Result<Arc<AsyncPipe>> {
    AsyncPipe::new(fd)
        .map(Arc::new)
        .map_err(|error| CriError::io("watch", std::path::Path::new("stdio"), error))
}

fn exit_status(exit: std::result::Result<i32, kingpost_runtime::Error>) -> ExitStatus {
    match exit {
        Ok(code) => ExitStatus::from_code(code),
        Err(error) => ExitStatus::Error(chain(&error)),
    }
}
