//! StopContainer: "stops a running container with a grace period (i.e., timeout). This call is idempotent, and must
//! not return an error if the container has already been stopped. The runtime must forcibly kill the container after
//! the grace period is reached." `timeout`: "Default: 0 (forcibly terminate the container immediately)".

use std::sync::Arc;
use std::time::Duration;

use kingpost_proto::cri::{StopContainerRequest, StopContainerResponse};
use kingpost_runtime::{Error as RuntimeError, Pod, SignalTarget};

use crate::error::{CriError, Result};
use crate::lifecycle::container as containers;
use crate::node::Node;
use crate::record::ContainerPhase;
use crate::store::Container;

pub(crate) async fn stop_container(
    node: Arc<Node>,
    request: StopContainerRequest,
) -> Result<StopContainerResponse> {
    // One that is gone has been stopped.
    let Some(container) = node.store.containers.find(&request.container_id) else {
        return Ok(StopContainerResponse {});
    };
    // Waits for a start that is under way. The wait for the end below is without the turn.
    drop(container.turn().await);
    let record = container.record.get();
    if record.phase() != ContainerPhase::Running {
        return Ok(StopContainerResponse {});
    }
    let pod = node.store.sandboxes.get(&record.sandbox_id)?.live("stop container")?;
    let grace = Duration::from_secs(u64::try_from(request.timeout).unwrap_or(0));
    if !grace.is_zero() && ends_in_time(&container, &pod, record.stop_signal, grace).await? {
        return Ok(StopContainerResponse {});
    }
    containers::kill(&container, &pod).await?;
    Ok(StopContainerResponse {})
}

/// Sends the stop signal (once, however many stops there are) and waits.
async fn ends_in_time(container: &Container, pod: &Pod, signal: i32, grace: Duration) -> Result<bool> {
    let id = container.record.get().id.clone();
    if container.first_stop() {
        match pod.signal(&id, signal, SignalTarget::Init).await {
            Ok(()) | Err(RuntimeError::WrongState { .. }) => {}
            Err(source) => {
                container.stop_failed();
                return Err(CriError::Runtime { operation: "stop container", id, source });
            }
        }
    }
    Ok(tokio::time::timeout(grace, container.ended()).await.is_ok())
}
