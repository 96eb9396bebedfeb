//! StartContainer: "starts the container".
//!
//! One that cannot be started is left exited with code 128 and reason `StartError`, as in containerd.

use std::sync::Arc;

use kingpost_proto::cri::{ContainerEventType, StartContainerRequest, StartContainerResponse};
use kingpost_runtime::Error as RuntimeError;

use crate::error::{CriError, Result, chain};
use crate::id;
use crate::lifecycle::container as containers;
use crate::node::Node;
use crate::record::{ContainerPhase, Durability, SandboxPhase};

const START_ERROR: (i32, &str) = (128, "StartError");

pub(crate) async fn start_container(
    node: Arc<Node>,
    request: StartContainerRequest,
) -> Result<StartContainerResponse> {
    let container = node.store.containers.get(&request.container_id)?;
    let _turn = container.turn().await;
    let record = container.record.get();
    let wrong = |reason: &str| CriError::WrongState {
        kind: "container",
        id: record.id.clone(),
        operation: "start",
        reason: reason.to_owned(),
    };
    if record.phase() != ContainerPhase::Created {
        return Err(wrong(&format!("it is {}", record.phase().word())));
    }
    let sandbox = node.store.sandboxes.get(&record.sandbox_id)?;
    if sandbox.record.get().phase() != SandboxPhase::Ready {
        return Err(wrong("its sandbox is not ready"));
    }
    let pod = sandbox.live("start container")?;
    container.update(Durability::Process, |record| record.set_phase(ContainerPhase::Starting)).await?;
    match pod.start(&record.id).await {
        Ok(started) => {
            for warning in started.warnings {
                tracing::warn!(container = %record.id, warning, "container started without what was asked for");
            }
            let at = id::nanos(started.at);
            let change = container.update(Durability::Process, move |record| {
                record.set_phase(ContainerPhase::Running);
                record.started_at = at;
            });
            change.await?;
            let kind = ContainerEventType::ContainerStartedEvent;
            node.events.publish(&node.store, &record.id, &record.sandbox_id, kind);
            tracing::info!(container = %record.id, "container started");
            Ok(StartContainerResponse {})
        }
        Err(error) => {
            let message = match &error {
                RuntimeError::Start(start) => format!("unable to start container process: {start}"),
                other => format!("unable to start container process: {}", chain(other)),
            };
            let (code, reason) = START_ERROR;
            containers::end(&node, &container, code, id::now(), reason, message).await;
            Err(CriError::Runtime { operation: "start container", id: record.id.clone(), source: error })
        }
    }
}
