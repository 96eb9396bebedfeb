//! PodSandboxStatus: "returns the status of the PodSandbox. If the PodSandbox is not present, returns an error."

use kingpost_proto::cri::{PodSandboxStatusRequest, PodSandboxStatusResponse};
use serde_json::json;

use crate::error::Result;
use crate::node::Node;
use crate::{id, projection};

pub(crate) async fn pod_sandbox_status(
    node: &Node,
    request: PodSandboxStatusRequest,
) -> Result<PodSandboxStatusResponse> {
    let sandbox = node.store.sandboxes.get(&request.pod_sandbox_id)?;
    let record = sandbox.record.get();
    let containers = node.store.containers_of(&record.id);
    let mut response = PodSandboxStatusResponse {
        status: Some(projection::sandbox_status(&record)),
        info: Default::default(),
        containers_statuses: containers
            .iter()
            .map(|container| projection::container_status(&container.record.get()))
            .collect(),
        timestamp: id::now(),
    };
    if request.verbose {
        let pod = sandbox.pod();
        response.info = projection::info(&json!({
            "phase": format!("{:?}", record.phase()),
            "shimPid": pod.as_ref().map(kingpost_runtime::Pod::shim_pid),
            "cgroupParent": record.cgroup_parent,
            "runtimeHandler": record.runtime_handler,
            "containers": containers.iter().map(|container| container.record.get().id.clone()).collect::<Vec<_>>(),
        }));
    }
    Ok(response)
}
