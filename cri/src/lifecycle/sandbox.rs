//! Steps in a sandbox's life.

use std::sync::Arc;

use futures::future::try_join_all;
use kingpost_proto::cri::ContainerEventType;
use kingpost_runtime::{ContainerState, Error as RuntimeError, Pod, Reconnected};

use super::container;
use crate::error::{CriError, Result};
use crate::node::Node;
use crate::record::{ContainerPhase, Durability, SandboxPhase};
use crate::store::{Container, Sandbox};

/// Ends everything that runs in a sandbox and gives its network back. The caller has the sandbox's turn.
pub(crate) async fn stop(node: &Arc<Node>, sandbox: &Arc<Sandbox>) -> Result<()> {
    let record = sandbox.record.get();
    if record.phase() == SandboxPhase::NotReady {
        return Ok(());
    }
    let removing = record.phase() == SandboxPhase::Removing;
    if !removing {
        sandbox.record.update(Durability::Process, |record| record.set_phase(SandboxPhase::Stopping)).await?;
    }
    let containers = node.store.containers_of(&record.id);
    if let Some(pod) = sandbox.pod() {
        try_join_all(containers.iter().map(|container| halt(container, &pod))).await?;
    }
    sandbox.unfollow.cancel();
    node.network.detach(&record.id).await.map_err(CriError::network("detach network of", &record.id))?;
    let states = destroy(node, &record.id, sandbox.pod()).await?;
    sandbox.set_pod(None);
    settle(node, &containers, &states).await;
    if !removing {
        let change = sandbox.record.update(Durability::Power, |record| {
            record.set_phase(SandboxPhase::NotReady);
            record.ips.clear();
        });
        change.await?;
    }
    let kind = ContainerEventType::ContainerStoppedEvent;
    node.events.publish(&node.store, &record.id, &record.id, kind);
    tracing::info!(pod = %record.id, "sandbox stopped");
    Ok(())
}

/// Kills one container of a sandbox that is being stopped.
///
/// With the turn no start is under way; whoever gets it next sees that the sandbox is not ready.
async fn halt(container: &Container, pod: &Pod) -> Result<()> {
    let turn = container.turn().await;
    drop(turn);
    tokio::select! {
        killed = container::kill(container, pod) => killed,
        // A shim that dies says no more how its containers ended.
        () = gone(pod) => Ok(()),
    }
}

async fn gone(pod: &Pod) {
    let mut events = pod.events();
    loop {
        match events.recv().await {
            Ok(kingpost_runtime::Event::Gone) | Err(tokio::sync::broadcast::error::RecvError::Closed) => {
                return;
            }
            _ => {}
        }
    }
}

/// Ends the pod with whatever is left of it, and returns what only its remains knew of its containers.
pub(crate) async fn destroy(node: &Node, id: &str, pod: Option<Pod>) -> Result<Vec<ContainerState>> {
    let failed = |source| CriError::Runtime { operation: "end pod", id: id.to_owned(), source };
    if let Some(pod) = pod {
        match pod.destroy().await {
            Ok(()) => return Ok(Vec::new()),
            Err(RuntimeError::Gone { .. }) => {}
            Err(source) => return Err(failed(source)),
        }
    }
    match node.runtime.reconnect(id).await {
        Err(RuntimeError::NotFound { .. }) => Ok(Vec::new()),
        Err(source) => Err(failed(source)),
        Ok(Reconnected::Gone(gone)) => gone.clean_up().await.map_err(failed),
        Ok(Reconnected::Live(pod)) => {
            let states = pod.states().await.unwrap_or_default();
            pod.destroy().await.map_err(failed)?;
            Ok(states)
        }
    }
}

/// Records the end of all containers of a pod that is no more.
pub(crate) async fn settle(node: &Arc<Node>, containers: &[Arc<Container>], states: &[ContainerState]) {
    for state in states {
        container::adopt_state(node, state).await;
    }
    for container in containers {
        if matches!(container.phase(), ContainerPhase::Starting | ContainerPhase::Running) {
            container::record_unknown_end(node, container).await;
        }
    }
}

/// Removes a sandbox with its containers and all that they have. The caller has the sandbox's turn.
pub(crate) async fn remove(node: &Arc<Node>, sandbox: &Arc<Sandbox>) -> Result<()> {
    let record = sandbox.record.get();
    if record.phase() != SandboxPhase::NotReady {
        stop(node, sandbox).await?;
    }
    sandbox.record.update(Durability::Process, |record| record.set_phase(SandboxPhase::Removing)).await?;
    for container in node.store.containers_of(&record.id) {
        let _turn = container.turn().await;
        container::remove(node, &container).await?;
    }
    sandbox.record.remove().await?;
    node.store.sandboxes.remove(&record.id);
    node.store.names.release(&record.id);
    let kind = ContainerEventType::ContainerDeletedEvent;
    node.events.publish(&node.store, &record.id, &record.id, kind);
    tracing::info!(pod = %record.id, "sandbox removed");
    Ok(())
}
