//! ListPodSandbox: "returns a list of PodSandboxes".

use kingpost_proto::cri::{ListPodSandboxRequest, ListPodSandboxResponse, PodSandbox, PodSandboxFilter};

use crate::node::Node;
use crate::{filter, projection};

pub(crate) fn list_pod_sandbox(node: &Node, request: &ListPodSandboxRequest) -> ListPodSandboxResponse {
    ListPodSandboxResponse { items: select(node, request.filter.as_ref()) }
}

pub(crate) fn select(node: &Node, by: Option<&PodSandboxFilter>) -> Vec<PodSandbox> {
    let records = node.store.sandboxes.all().into_iter().map(|sandbox| sandbox.record.get());
    records.filter(|record| filter::sandbox(by, record)).map(|record| projection::sandbox(&record)).collect()
}
