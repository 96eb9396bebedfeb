//! StopPodSandbox: "stops any running process that is part of the sandbox and reclaims network resources (e.g., IP
//! addresses) allocated to the sandbox. If there are any running containers in the sandbox, they must be forcibly
//! terminated. This call is idempotent, and must not return an error if all relevant resources have already been
//! reclaimed."

use std::sync::Arc;

use kingpost_proto::cri::{StopPodSandboxRequest, StopPodSandboxResponse};

use crate::error::Result;
use crate::lifecycle::sandbox as pods;
use crate::node::Node;

pub(crate) async fn stop_pod_sandbox(
    node: Arc<Node>,
    request: StopPodSandboxRequest,
) -> Result<StopPodSandboxResponse> {
    // One that is gone has nothing to reclaim.
    if let Some(sandbox) = node.store.sandboxes.find(&request.pod_sandbox_id) {
        let _turn = sandbox.turn().await;
        pods::stop(&node, &sandbox).await?;
    }
    Ok(StopPodSandboxResponse {})
}
