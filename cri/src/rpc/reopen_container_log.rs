//! ReopenContainerLog: "asks runtime to reopen the stdout/stderr log file for the container. This is often called
//! after the log file has been rotated. If the container is not running, container runtime can choose to either
//! create a new log file and return nil, or return an error. Once it returns error, new container log file MUST NOT
//! be created."

use kingpost_proto::cri::{ReopenContainerLogRequest, ReopenContainerLogResponse};

use crate::error::{CriError, Result};
use crate::node::Node;
use crate::record::ContainerPhase;

pub(crate) async fn reopen_container_log(
    node: &Node,
    request: ReopenContainerLogRequest,
) -> Result<ReopenContainerLogResponse> {
    let record = node.store.containers.get(&request.container_id)?.record.get();
    if record.phase() != ContainerPhase::Running {
        return Err(CriError::WrongState {
            kind: "container",
            id: record.id.clone(),
            operation: "reopen log",
            reason: "it is not running".into(),
        });
    }
    let pod = node.store.sandboxes.get(&record.sandbox_id)?.live("reopen log")?;
    pod.reopen_log(&record.id).await.map_err(CriError::runtime("reopen log of container", &record.id))?;
    Ok(ReopenContainerLogResponse {})
}
