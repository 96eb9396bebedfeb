//! UpdatePodSandboxResources: "synchronously updates the PodSandboxConfig with the pod-level resource configuration.
//! This method is called _after_ the Kubelet reconfigures the pod-level cgroups. This request is treated as best
//! effort."

use std::sync::Arc;

use kingpost_proto::cri::{UpdatePodSandboxResourcesRequest, UpdatePodSandboxResourcesResponse};

use crate::error::Result;
use crate::node::Node;
use crate::record::Durability;

/// The cgroup was changed by the caller; what is left is to remember it.
pub(crate) async fn update_pod_sandbox_resources(
    node: Arc<Node>,
    request: UpdatePodSandboxResourcesRequest,
) -> Result<UpdatePodSandboxResourcesResponse> {
    let sandbox = node.store.sandboxes.get(&request.pod_sandbox_id)?;
    let change = sandbox.record.update(Durability::Process, move |record| {
        let linux = record.config.get_or_insert_default().linux.get_or_insert_default();
        if request.overhead.is_some() {
            linux.overhead = request.overhead;
        }
        if request.resources.is_some() {
            linux.resources = request.resources;
        }
    });
    change.await?;
    Ok(UpdatePodSandboxResourcesResponse {})
}
