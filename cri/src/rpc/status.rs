//! Status: "returns the status of the runtime". The kubelet needs the conditions RuntimeReady and NetworkReady.

use kingpost_proto::cri::{
    RuntimeCondition, RuntimeFeatures, RuntimeHandler, RuntimeHandlerFeatures, RuntimeStatus, StatusRequest,
    StatusResponse,
};
use serde_json::json;

use crate::error::Result;
use crate::node::Node;
use crate::projection;

pub(crate) async fn status(node: &Node, request: StatusRequest) -> Result<StatusResponse> {
    let runtime = match node.runtime.list().await {
        Ok(_) => condition("RuntimeReady", None),
        Err(error) => {
            condition("RuntimeReady", Some(("RuntimeStateUnreadable", crate::error::chain(&error))))
        }
    };
    let network = match node.network.status().await {
        Ok(()) => condition("NetworkReady", None),
        Err(reason) => condition("NetworkReady", Some(("NetworkPluginNotReady", reason.to_string()))),
    };
    let features = RuntimeHandlerFeatures { recursive_read_only_mounts: true, user_namespaces: false };
    Ok(StatusResponse {
        status: Some(RuntimeStatus { conditions: vec![runtime, network] }),
        info: if request.verbose { verbose(node) } else { Default::default() },
        runtime_handlers: vec![RuntimeHandler { name: String::new(), features: Some(features) }],
        features: Some(RuntimeFeatures {
            supplemental_groups_policy: true,
            user_namespaces_host_network: false,
            mount_options: true,
        }),
    })
}

fn condition(kind: &str, problem: Option<(&str, String)>) -> RuntimeCondition {
    let status = problem.is_none();
    let (reason, message) = problem.unwrap_or_default();
    RuntimeCondition { r#type: kind.into(), status, reason: reason.into(), message }
}

/// The configuration and counts. (Registry credentials are part of neither.)
fn verbose(node: &Node) -> std::collections::HashMap<String, String> {
    let config = &node.config;
    let config = json!({
        "socket": config.socket,
        "rootDir": config.root_dir,
        "stateDir": config.state_dir,
        "runtimeBinary": config.runtime_binary,
        "podCIDR": config.pod_cidr,
        "nodeAddress": config.node_address,
        "cgroupRoot": config.cgroup_root,
        "podCgroup": config.pod_cgroup,
        "shimCgroup": config.shim_cgroup,
    });
    let host = json!({
        "apparmor": node.host.apparmor,
        "selinux": node.host.selinux,
        "cgroupV2": node.host.cgroup_v2,
        "swapAccounting": node.host.swap_accounting,
    });
    let counts = json!({
        "sandboxes": node.store.sandboxes.all().len(),
        "containers": node.store.containers.all().len(),
    });
    let mut info = projection::info(&counts);
    info.insert("config".into(), config.to_string());
    info.insert("host".into(), host.to_string());
    info
}
