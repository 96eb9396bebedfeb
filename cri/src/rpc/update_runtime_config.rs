//! UpdateRuntimeConfig: "updates the runtime configuration based on the given request". `pod_cidr`: "CIDR to use
//! for pod IP addresses. If the CIDR is empty, runtimes should omit it."

use ipnet::IpNet;
use kingpost_proto::cri::{UpdateRuntimeConfigRequest, UpdateRuntimeConfigResponse};

use crate::error::{CriError, Result};
use crate::node::Node;

pub(crate) async fn update_runtime_config(
    node: &Node,
    request: UpdateRuntimeConfigRequest,
) -> Result<UpdateRuntimeConfigResponse> {
    let network = request.runtime_config.and_then(|config| config.network_config).unwrap_or_default();
    if network.pod_cidr.is_empty() {
        return Ok(UpdateRuntimeConfigResponse {});
    }
    let field = "runtime_config.network_config.pod_cidr";
    // A dual-stack kubelet sends both ranges with a comma; the pod network here has one.
    let range: IpNet = network
        .pod_cidr
        .parse()
        .map_err(|_| CriError::field(field, format!("{:?} is not one address range", network.pod_cidr)))?;
    node.network.set_pod_cidr(range).await.map_err(CriError::network("set pod range", &network.pod_cidr))?;
    tracing::info!(pod_cidr = %range, "pod range set");
    Ok(UpdateRuntimeConfigResponse {})
}
