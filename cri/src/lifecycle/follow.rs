//! Follows a pod's events: each exit becomes a record, then an event of our own.

use std::sync::Arc;

use kingpost_runtime::{Event, Pod};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::{container, sandbox as pods};
use crate::node::Node;
use crate::store::Sandbox;

/// Follows a pod in a task of its own until the sandbox is stopped, its shim dies or the server ends.
pub(crate) fn follow(node: &Arc<Node>, sandbox: &Arc<Sandbox>, pod: Pod) {
    // Subscribed before the caller goes on: nothing that it starts is missed.
    let events = pod.events();
    let (node, sandbox) = (Arc::clone(node), Arc::clone(sandbox));
    let tasks = node.tasks.clone();
    tasks.spawn(async move { run(&node, &sandbox, &pod, events).await });
}

async fn run(node: &Arc<Node>, sandbox: &Arc<Sandbox>, pod: &Pod, mut events: Receiver<Event>) {
    loop {
        let event = tokio::select! {
            () = node.shutdown.cancelled() => return,
            () = sandbox.unfollow.cancelled() => return,
            event = events.recv() => event,
        };
        match event {
            Ok(Event::Exited { container, exec: None, exit }) => {
                container::record_exit(node, &container, &exit).await;
            }
            Ok(Event::Gone) | Err(RecvError::Closed) => {
                lost(node, sandbox).await;
                return;
            }
            Err(RecvError::Lagged(missed)) => {
                tracing::warn!(pod = pod.id(), missed, "missed events of a pod, reading its state");
                catch_up(node, pod).await;
            }
            Ok(Event::Exited { .. } | Event::Started { .. } | Event::Oom { .. }) => {}
        }
    }
}

/// Records what happened to a pod's containers while nobody listened.
pub(crate) async fn catch_up(node: &Arc<Node>, pod: &Pod) {
    match pod.states().await {
        Ok(states) => {
            for state in states {
                container::adopt_state(node, &state).await;
            }
        }
        Err(error) => tracing::warn!(pod = pod.id(), %error, "cannot read the state of a pod"),
    }
}

/// The shim died: its containers die with it, and the sandbox is ready no more. Only this pod suffers.
async fn lost(node: &Arc<Node>, sandbox: &Arc<Sandbox>) {
    let id = sandbox.record.get().id.clone();
    let _turn = sandbox.turn().await;
    if sandbox.unfollow.is_cancelled() {
        return;
    }
    tracing::error!(pod = %id, "the shim of a pod is gone");
    sandbox.set_pod(None);
    if let Err(error) = pods::stop(node, sandbox).await {
        tracing::error!(pod = %id, error = %crate::error::chain(&error), "cannot clear up after a lost pod");
    }
}
