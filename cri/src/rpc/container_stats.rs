//! ContainerStats: "returns stats of the container. If the container does not exist, the call returns an error."

use kingpost_proto::cri::{
    ContainerStats, ContainerStatsRequest, ContainerStatsResponse, FilesystemIdentifier, FilesystemUsage,
    UInt64Value,
};

use crate::error::{CriError, Result};
use crate::node::Node;
use crate::record::{ContainerPhase, ContainerRecord};
use crate::{id, projection, stats};

pub(crate) async fn container_stats(
    node: &Node,
    request: ContainerStatsRequest,
) -> Result<ContainerStatsResponse> {
    let record = node.store.containers.get(&request.container_id)?.record.get();
    Ok(ContainerStatsResponse { stats: Some(of(node, &record).await?) })
}

/// The statistics of one container; of one that does not run, its writable layer alone.
pub(crate) async fn of(node: &Node, record: &ContainerRecord) -> Result<ContainerStats> {
    let mut usage = stats::Usage::default();
    let pod = node.store.sandboxes.find(&record.sandbox_id).and_then(|sandbox| sandbox.pod());
    if record.phase() == ContainerPhase::Running
        && let Some(pod) = pod
    {
        let paths = pod.container_cgroup(&record.id).await;
        let paths = paths.map_err(CriError::runtime("find cgroup of container", &record.id))?;
        usage = tokio::task::spawn_blocking(move || stats::read(&paths)).await?;
    }
    if let Some(cpu) = &mut usage.cpu {
        node.rates.fill(&record.id, cpu);
    }
    Ok(ContainerStats {
        attributes: Some(projection::container_attributes(record)),
        cpu: usage.cpu,
        memory: usage.memory,
        writable_layer: writable_layer(node, record).await?,
        swap: None,
        io: None,
    })
}

async fn writable_layer(node: &Node, record: &ContainerRecord) -> Result<Option<FilesystemUsage>> {
    let usage = node.images.snapshot_usage(&record.id).await;
    let usage = usage.map_err(CriError::images("measure writable layer of", &record.id))?;
    Ok(Some(FilesystemUsage {
        timestamp: id::now(),
        fs_id: Some(FilesystemIdentifier { mountpoint: node.config.root_dir.display().to_string() }),
        used_bytes: Some(UInt64Value { value: usage.bytes }),
        inodes_used: Some(UInt64Value { value: usage.inodes }),
    }))
}
