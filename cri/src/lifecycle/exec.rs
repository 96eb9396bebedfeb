//! Starts a command in a running container, for ExecSync and for streams.

use kingpost_runtime::{Exec, ExecSpec};
use oci_spec::runtime::Process;

use crate::error::{CriError, Result};
use crate::id;
use crate::node::Node;
use crate::record::{ContainerPhase, ContainerRecord};
use crate::streaming::ExecSession;

/// Starts it with the identity, environment and directory of the container's first process.
pub(crate) async fn start(node: &Node, session: &ExecSession) -> Result<Exec> {
    let record = running(node, &session.container_id)?;
    let pod = node.store.sandboxes.get(&record.sandbox_id)?.live("exec")?;
    let spec = ExecSpec {
        id: id::new(),
        process: process(&record, session)?,
        stdin: session.stdin,
        stdout: session.stdout,
        stderr: session.stderr,
        size: None,
    };
    pod.exec(&record.id, spec).await.map_err(CriError::runtime("exec in container", &record.id))
}

/// The container, if it runs.
pub(crate) fn running(node: &Node, container_id: &str) -> Result<std::sync::Arc<ContainerRecord>> {
    let record = node.store.containers.get(container_id)?.record.get();
    if record.phase() == ContainerPhase::Running {
        return Ok(record);
    }
    let state = record.phase().word();
    Err(CriError::WrongState {
        kind: "container",
        id: record.id.clone(),
        operation: "exec",
        reason: format!("it is {state}, not running"),
    })
}

/// What both exec requests must have.
pub(crate) fn check_command(cmd: &[String]) -> Result<()> {
    match cmd.first() {
        None => Err(CriError::field("cmd", "is required")),
        Some(_) if cmd.iter().any(|argument| argument.contains('\0')) => {
            Err(CriError::field("cmd", "argument with NUL"))
        }
        Some(_) => Ok(()),
    }
}

fn process(record: &ContainerRecord, session: &ExecSession) -> Result<Process> {
    let mut process: Process = serde_json::from_slice(&record.process)
        .map_err(|error| CriError::field("container_id", format!("record without a process: {error}")))?;
    if session.tty {
        let mut env = process.env().clone().unwrap_or_default();
        if !env.iter().any(|variable| variable.starts_with("TERM=")) {
            env.push("TERM=xterm".into());
        }
        process.set_env(Some(env));
    }
    process.set_terminal(Some(session.tty)).set_args(Some(session.cmd.clone()));
    Ok(process)
}
