//! ListPodSandboxStats: "returns stats of the pod sandboxes matching a filter".

use kingpost_proto::cri::{
    ListPodSandboxStatsRequest, ListPodSandboxStatsResponse, PodSandboxStats, PodSandboxStatsFilter,
};

use super::pod_sandbox_stats;
use crate::filter;
use crate::node::Node;

pub(crate) async fn list_pod_sandbox_stats(
    node: &Node,
    request: &ListPodSandboxStatsRequest,
) -> ListPodSandboxStatsResponse {
    ListPodSandboxStatsResponse { stats: select(node, request.filter.as_ref()).await }
}

pub(crate) async fn select(node: &Node, by: Option<&PodSandboxStatsFilter>) -> Vec<PodSandboxStats> {
    let mut selected = Vec::new();
    for sandbox in node.store.sandboxes.all() {
        let record = sandbox.record.get();
        if !filter::sandbox_stats(by, &record) {
            continue;
        }
        match pod_sandbox_stats::of(node, &record).await {
            Ok(stats) => selected.push(stats),
            Err(error) => tracing::debug!(pod = %record.id, %error, "no statistics"),
        }
    }
    selected
}
