//! UpdateContainerResources: "updates ContainerConfig of the container synchronously. If runtime fails to
//! transactionally update the requested resources, an error is returned."

use std::sync::Arc;

use kingpost_proto::cri::{
    LinuxContainerResources, UpdateContainerResourcesRequest, UpdateContainerResourcesResponse,
};

use crate::error::{CriError, Result};
use crate::node::Node;
use crate::record::{ContainerPhase, Durability};
use crate::spec::resources;

pub(crate) async fn update_container_resources(
    node: Arc<Node>,
    request: UpdateContainerResourcesRequest,
) -> Result<UpdateContainerResourcesResponse> {
    if request.windows.is_some() {
        return Err(CriError::field("windows", "this is a Linux runtime"));
    }
    if !request.annotations.is_empty() {
        return Err(CriError::field("annotations", "no annotation is known"));
    }
    let container = node.store.containers.get(&request.container_id)?;
    let Some(changed) = request.linux else { return Ok(UpdateContainerResourcesResponse {}) };
    let _turn = container.turn().await;
    let record = container.record.get();
    if !matches!(record.phase(), ContainerPhase::Created | ContainerPhase::Running) {
        return Err(CriError::WrongState {
            kind: "container",
            id: record.id.clone(),
            operation: "update resources",
            reason: "it is neither created nor running".into(),
        });
    }
    let linux = record.config.as_ref().and_then(|config| config.linux.as_ref());
    let current = linux.and_then(|linux| linux.resources.clone()).unwrap_or_default();
    if changed.oom_score_adj != 0 && changed.oom_score_adj != current.oom_score_adj {
        return Err(CriError::field(
            "linux.oom_score_adj",
            "cannot be changed once the container is created",
        ));
    }
    let resources = resources::convert(&changed, &node.host)?;
    let pod = node.store.sandboxes.get(&record.sandbox_id)?.live("update resources")?;
    let updated = pod.update_resources(&record.id, &resources).await;
    updated.map_err(CriError::runtime("update resources of container", &record.id))?;
    let merged = merge(current, changed);
    let change = container.update(Durability::Process, move |record| {
        let linux = record.config.get_or_insert_default().linux.get_or_insert_default();
        linux.resources = Some(merged);
    });
    change.await?;
    Ok(UpdateContainerResourcesResponse {})
}

/// What is zero or empty in the request stays as it is.
fn merge(current: LinuxContainerResources, changed: LinuxContainerResources) -> LinuxContainerResources {
    let number = |old: i64, new: i64| if new == 0 { old } else { new };
    let text = |old: String, new: String| if new.is_empty() { old } else { new };
    let mut unified = current.unified;
    unified.extend(changed.unified);
    LinuxContainerResources {
        cpu_period: number(current.cpu_period, changed.cpu_period),
        cpu_quota: number(current.cpu_quota, changed.cpu_quota),
        cpu_shares: number(current.cpu_shares, changed.cpu_shares),
        memory_limit_in_bytes: number(current.memory_limit_in_bytes, changed.memory_limit_in_bytes),
        oom_score_adj: number(current.oom_score_adj, changed.oom_score_adj),
        cpuset_cpus: text(current.cpuset_cpus, changed.cpuset_cpus),
        cpuset_mems: text(current.cpuset_mems, changed.cpuset_mems),
        hugepage_limits: if changed.hugepage_limits.is_empty() {
            current.hugepage_limits
        } else {
            changed.hugepage_limits
        },
        unified,
        memory_swap_limit_in_bytes: number(
            current.memory_swap_limit_in_bytes,
            changed.memory_swap_limit_in_bytes,
        ),
    }
}
