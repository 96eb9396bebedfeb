//! Steps in a container's life.

use std::sync::Arc;

use kingpost_proto::cri::ContainerEventType;
use kingpost_runtime::{ContainerState, Error as RuntimeError, ExitRecord, Pod, SignalTarget, Status};

use crate::error::{CriError, Result};
use crate::id;
use crate::node::Node;
use crate::record::{ContainerPhase, Durability};
use crate::spec::signal;
use crate::store::Container;

/// Exit code and reason of a container whose end nobody saw, as in containerd.
const UNKNOWN: (i32, &str) = (255, "Unknown");

/// Records how a container's process ended, and publishes it.
pub(crate) async fn record_exit(node: &Arc<Node>, container_id: &str, exit: &ExitRecord) {
    let Some(container) = node.store.containers.find(container_id) else { return };
    // StartContainer holds the turn until the start is recorded and published: the end comes after it.
    let _turn = container.turn().await;
    let reason = match (exit.oom, exit.code) {
        (true, code) if code != 0 => "OOMKilled",
        (_, 0) => "Completed",
        _ => "Error",
    };
    end(node, &container, exit.code, id::nanos(exit.at), reason, String::new()).await;
}

/// Brings a record up to date with what the runtime says of the container.
pub(crate) async fn adopt_state(node: &Arc<Node>, state: &ContainerState) {
    let Some(container) = node.store.containers.find(&state.id) else { return };
    match &state.status {
        Status::Exited { started_at, exit } => {
            if let Some(at) = started_at {
                set_started(&container, id::nanos(*at)).await;
            }
            record_exit(node, &state.id, exit).await;
        }
        Status::Running { started_at, .. } => set_started(&container, id::nanos(*started_at)).await,
        // A start that was recorded and not made can be made again.
        Status::Created => {
            let change = container.update(Durability::Process, |record| {
                if record.phase() == ContainerPhase::Starting {
                    record.set_phase(ContainerPhase::Created);
                }
            });
            log_failure(&state.id, change.await);
        }
    }
}

async fn set_started(container: &Container, at: i64) {
    let record = container.record.get();
    if !matches!(record.phase(), ContainerPhase::Created | ContainerPhase::Starting) {
        return;
    }
    let change = container.update(Durability::Process, move |record| {
        record.set_phase(ContainerPhase::Running);
        record.started_at = at;
    });
    log_failure(&record.id, change.await);
}

/// Records that nobody knows how a container ended: its shim or its machine did before.
pub(crate) async fn record_unknown_end(node: &Arc<Node>, container: &Container) {
    let (code, reason) = UNKNOWN;
    end(node, container, code, id::now(), reason, String::new()).await;
}

/// Records an end and publishes it, once.
pub(crate) async fn end(
    node: &Node,
    container: &Container,
    code: i32,
    finished_at: i64,
    reason: &'static str,
    message: String,
) {
    let before = container.record.get();
    let change =
        container.update(Durability::Power, move |record| record.end(code, finished_at, reason, &message));
    match change.await {
        Ok(record) if before.phase() != record.phase() => {
            tracing::info!(container = %record.id, code, reason, "container ended");
            let kind = ContainerEventType::ContainerStoppedEvent;
            node.events.publish(&node.store, &record.id, &record.sandbox_id, kind);
        }
        change => log_failure(&before.id, change),
    }
}

/// Kills a container's processes, if it runs, and waits until its end is recorded.
pub(crate) async fn kill(container: &Container, pod: &Pod) -> Result<()> {
    let id = container.record.get().id.clone();
    if container.phase() != ContainerPhase::Running {
        return Ok(());
    }
    match pod.signal(&id, signal::KILL, SignalTarget::All).await {
        // Ended meanwhile: the follower records it.
        Ok(()) | Err(RuntimeError::WrongState { .. }) => {}
        // Its shim did: what it can still say is read when the pod is cleared up.
        Err(RuntimeError::Gone { .. }) => return Ok(()),
        Err(source) => return Err(CriError::Runtime { operation: "kill container", id, source }),
    }
    container.ended().await;
    Ok(())
}

/// Removes all there is of a container, which must not run. The caller has its turn.
pub(crate) async fn remove(node: &Node, container: &Container) -> Result<()> {
    let record =
        container.update(Durability::Process, |record| record.set_phase(ContainerPhase::Removing)).await?;
    let sandbox = node.store.sandboxes.find(&record.sandbox_id);
    if let Some(pod) = sandbox.as_ref().and_then(|sandbox| sandbox.pod()) {
        match pod.delete_container(&record.id).await {
            Ok(()) | Err(RuntimeError::NotFound { .. } | RuntimeError::Gone { .. }) => {}
            Err(source) => {
                return Err(CriError::Runtime {
                    operation: "delete container",
                    id: record.id.clone(),
                    source,
                });
            }
        }
    }
    node.images
        .remove_snapshot(&record.id)
        .await
        .map_err(CriError::images("remove snapshot of", &record.id))?;
    container.record.remove().await?;
    node.store.containers.remove(&record.id);
    node.store.names.release(&record.id);
    let kind = ContainerEventType::ContainerDeletedEvent;
    node.events.publish(&node.store, &record.id, &record.sandbox_id, kind);
    tracing::info!(container = %record.id, "container removed");
    Ok(())
}

fn log_failure<T>(container: &str, result: std::result::Result<T, crate::record::RecordError>) {
    if let Err(error) = result {
        tracing::error!(container, error = %crate::error::chain(&error), "cannot keep a record");
    }
}
