//! ListContainers: "lists all containers by filters".

use kingpost_proto::cri::{Container, ContainerFilter, ListContainersRequest, ListContainersResponse};

use crate::node::Node;
use crate::{filter, projection};

pub(crate) fn list_containers(node: &Node, request: &ListContainersRequest) -> ListContainersResponse {
    ListContainersResponse { containers: select(node, request.filter.as_ref()) }
}

pub(crate) fn select(node: &Node, by: Option<&ContainerFilter>) -> Vec<Container> {
    let records = node.store.containers.all().into_iter().map(|container| container.record.get());
    records
        .filter(|record| filter::container(by, record))
        .map(|record| projection::container(&record))
        .collect()
}
