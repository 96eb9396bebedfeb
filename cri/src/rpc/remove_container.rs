//! RemoveContainer: "removes the container. If the container is running, the container must be forcibly removed. This
//! call is idempotent, and must not return an error if the container has already been removed."
//!
//! The log file stays: it belongs to the client, which reads it and takes it away.

use std::sync::Arc;

use kingpost_proto::cri::{RemoveContainerRequest, RemoveContainerResponse};

use crate::error::Result;
use crate::lifecycle::container as containers;
use crate::node::Node;
use crate::record::ContainerPhase;

pub(crate) async fn remove_container(
    node: Arc<Node>,
    request: RemoveContainerRequest,
) -> Result<RemoveContainerResponse> {
    let Some(container) = node.store.containers.find(&request.container_id) else {
        return Ok(RemoveContainerResponse {});
    };
    loop {
        let turn = container.turn().await;
        let record = container.record.get();
        if node.store.containers.find(&record.id).is_none() {
            return Ok(RemoveContainerResponse {});
        }
        if record.phase() != ContainerPhase::Running {
            containers::remove(&node, &container).await?;
            return Ok(RemoveContainerResponse {});
        }
        // Its end is recorded by whoever gets the turn next; then it can go.
        drop(turn);
        let pod = node.store.sandboxes.get(&record.sandbox_id)?.live("remove container")?;
        containers::kill(&container, &pod).await?;
    }
}
