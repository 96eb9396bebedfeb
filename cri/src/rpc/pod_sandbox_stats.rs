//! PodSandboxStats: "returns stats of the pod sandbox. If the pod sandbox does not exist, the call returns an error."

use kingpost_proto::cri::{
    ContainerStatsFilter, LinuxPodSandboxStats, PodSandboxStats, PodSandboxStatsRequest,
    PodSandboxStatsResponse, ProcessUsage, UInt64Value,
};

use super::list_container_stats;
use crate::error::Result;
use crate::node::Node;
use crate::record::SandboxRecord;
use crate::{id, projection, stats};

pub(crate) async fn pod_sandbox_stats(
    node: &Node,
    request: PodSandboxStatsRequest,
) -> Result<PodSandboxStatsResponse> {
    let record = node.store.sandboxes.get(&request.pod_sandbox_id)?.record.get();
    Ok(PodSandboxStatsResponse { stats: Some(of(node, &record).await?) })
}

/// CPU, memory and processes of a pod's cgroup, and its containers.
pub(crate) async fn of(node: &Node, record: &SandboxRecord) -> Result<PodSandboxStats> {
    let mut usage = stats::Usage::default();
    let pod = node.store.sandboxes.find(&record.id).and_then(|sandbox| sandbox.pod());
    if let Some(paths) = pod.and_then(|pod| pod.pod_cgroup()) {
        usage = tokio::task::spawn_blocking(move || stats::read(&paths)).await?;
    }
    if let Some(cpu) = &mut usage.cpu {
        node.rates.fill(&record.id, cpu);
    }
    let filter =
        ContainerStatsFilter { pod_sandbox_id: record.id.clone(), ..ContainerStatsFilter::default() };
    Ok(PodSandboxStats {
        attributes: Some(projection::sandbox_attributes(record)),
        linux: Some(LinuxPodSandboxStats {
            cpu: usage.cpu,
            memory: usage.memory,
            network: None,
            process: usage.tasks.map(|value| ProcessUsage {
                timestamp: id::now(),
                process_count: Some(UInt64Value { value }),
            }),
            containers: list_container_stats::select(node, Some(&filter)).await,
            io: None,
        }),
        windows: None,
    })
}
