//! RemovePodSandbox: "removes the sandbox. If there are any running containers in the sandbox, they must be forcibly
//! terminated and removed. This call is idempotent, and must not return an error if the sandbox has already been
//! removed."

use std::sync::Arc;

use kingpost_proto::cri::{RemovePodSandboxRequest, RemovePodSandboxResponse};

use crate::error::Result;
use crate::lifecycle::sandbox as pods;
use crate::node::Node;

pub(crate) async fn remove_pod_sandbox(
    node: Arc<Node>,
    request: RemovePodSandboxRequest,
) -> Result<RemovePodSandboxResponse> {
    if let Some(sandbox) = node.store.sandboxes.find(&request.pod_sandbox_id) {
        let _turn = sandbox.turn().await;
        // Whoever had the turn before may have removed it.
        if node.store.sandboxes.find(&sandbox.record.get().id).is_some() {
            pods::remove(&node, &sandbox).await?;
        }
    }
    Ok(RemovePodSandboxResponse {})
}
