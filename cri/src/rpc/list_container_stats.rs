//! ListContainerStats: "returns stats of all running containers".

use kingpost_proto::cri::{
    ContainerStats, ContainerStatsFilter, ListContainerStatsRequest, ListContainerStatsResponse,
};

use super::container_stats;
use crate::filter;
use crate::node::Node;

pub(crate) async fn list_container_stats(
    node: &Node,
    request: &ListContainerStatsRequest,
) -> ListContainerStatsResponse {
    ListContainerStatsResponse { stats: select(node, request.filter.as_ref()).await }
}

/// One that ends while it is asked is left out.
pub(crate) async fn select(node: &Node, by: Option<&ContainerStatsFilter>) -> Vec<ContainerStats> {
    node.rates
        .retain(|id| node.store.containers.find(id).is_some() || node.store.sandboxes.find(id).is_some());
    let mut selected = Vec::new();
    for container in node.store.containers.all() {
        let record = container.record.get();
        if !filter::container_stats(by, &record) {
            continue;
        }
        match container_stats::of(node, &record).await {
            Ok(stats) => selected.push(stats),
            Err(error) => tracing::debug!(container = %record.id, %error, "no statistics"),
        }
    }
    selected
}
