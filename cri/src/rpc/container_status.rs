//! ContainerStatus: "returns status of the container. If the container is not present, returns an error."

use kingpost_proto::cri::{ContainerStatusRequest, ContainerStatusResponse};
use kingpost_runtime::Status;
use serde_json::json;

use crate::error::Result;
use crate::node::Node;
use crate::projection;

pub(crate) async fn container_status(
    node: &Node,
    request: ContainerStatusRequest,
) -> Result<ContainerStatusResponse> {
    let container = node.store.containers.get(&request.container_id)?;
    let record = container.record.get();
    let mut response = ContainerStatusResponse {
        status: Some(projection::container_status(&record)),
        info: Default::default(),
    };
    if request.verbose {
        let pod = node.store.sandboxes.find(&record.sandbox_id).and_then(|sandbox| sandbox.pod());
        let state = match pod {
            Some(pod) => pod.state(&record.id).await.ok(),
            None => None,
        };
        let pid = match state.as_ref().map(|state| &state.status) {
            Some(Status::Running { pid, .. }) => *pid,
            _ => 0,
        };
        response.info = projection::info(&json!({
            "sandboxID": record.sandbox_id,
            "phase": format!("{:?}", record.phase()),
            "pid": pid,
            "logBytesLost": state.map(|state| state.log_bytes_lost),
            "process": serde_json::from_slice::<serde_json::Value>(&record.process).unwrap_or_default(),
        }));
    }
    Ok(response)
}
