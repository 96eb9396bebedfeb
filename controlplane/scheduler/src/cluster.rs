//! What is on which node, pods that were bound a moment ago included.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Node, Pod};

use crate::pod::{HostPort, host_ports, node_name, occupies};
use crate::resources::{Amounts, pod_requests, weighed_requests};

/// A node and what its pods take of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct NodeInfo {
    /// `None` while pods are known to be on a node that is not known itself.
    pub(crate) node: Option<Arc<Node>>,
    /// What pods may take (`status.allocatable`).
    pub(crate) allocatable: Amounts,
    /// What its pods ask for.
    pub(crate) requested: Amounts,
    /// The same with a price for pods that ask for nothing.
    pub(crate) weighed: Amounts,
    /// Its pods by uid.
    pub(crate) pods: HashMap<String, Placed>,
}

/// A pod on its node.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    requests: Amounts,
    weighed: Amounts,
    pub(crate) host_ports: Vec<HostPort>,
    /// The uid of its controller: pods of one controller are spread.
    pub(crate) controller: Option<String>,
}

/// All nodes.
#[derive(Debug, Default)]
pub(crate) struct Cluster {
    nodes: BTreeMap<String, NodeInfo>,
    places: HashMap<String, String>,
}

impl Cluster {
    /// All nodes that are known, by name.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = (&Arc<Node>, &NodeInfo)> {
        self.nodes.values().filter_map(|info| Some((info.node.as_ref()?, info)))
    }

    /// A node appeared or changed.
    pub(crate) fn set_node(&mut self, node: &Arc<Node>) {
        let info = self.nodes.entry(node.metadata.name.clone().unwrap_or_default()).or_default();
        let status = node.status.as_ref();
        info.allocatable =
            Amounts::of(status.and_then(|status| status.allocatable.as_ref().or(status.capacity.as_ref())));
        info.node = Some(Arc::clone(node));
    }

    /// A node is gone; its pods are remembered until they are gone too.
    pub(crate) fn remove_node(&mut self, name: &str) {
        if let Some(info) = self.nodes.get_mut(name) {
            info.node = None;
            if info.pods.is_empty() {
                self.nodes.remove(name);
            }
        }
    }

    /// A pod appeared or changed. The same again changes nothing.
    pub(crate) fn set_pod(&mut self, pod: &Pod) {
        match node_name(pod).filter(|_| occupies(pod)) {
            Some(node) => self.place(pod, node),
            None => self.remove_pod(pod.metadata.uid.as_deref().unwrap_or_default()),
        }
    }

    /// Counts a pod on a node, from the moment it is decided.
    pub(crate) fn place(&mut self, pod: &Pod, node: &str) {
        let uid = pod.metadata.uid.clone().unwrap_or_default();
        self.remove_pod(&uid);
        let placed = Placed {
            requests: pod_requests(pod),
            weighed: weighed_requests(pod),
            host_ports: pod.spec.as_ref().map(host_ports).unwrap_or_default(),
            controller: kingpost_informers::controller_of(pod).map(|owner| owner.uid.clone()),
        };
        let info = self.nodes.entry(node.to_owned()).or_default();
        info.requested.add(&placed.requests);
        info.weighed.add(&placed.weighed);
        info.pods.insert(uid.clone(), placed);
        self.places.insert(uid, node.to_owned());
    }

    /// A pod is gone, or was not bound after all.
    pub(crate) fn remove_pod(&mut self, uid: &str) {
        let Some(node) = self.places.remove(uid) else { return };
        let Some(info) = self.nodes.get_mut(&node) else { return };
        if let Some(placed) = info.pods.remove(uid) {
            info.requested.subtract(&placed.requests);
            info.weighed.subtract(&placed.weighed);
        }
        if info.node.is_none() && info.pods.is_empty() {
            self.nodes.remove(&node);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(uid: &str, node: Option<&str>, phase: &str) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"uid": uid},
            "spec": {"nodeName": node, "containers": [{"name": "c", "resources": {"requests": {"cpu": "1"}}}]},
            "status": {"phase": phase},
        }))
        .unwrap()
    }

    fn requested(cluster: &Cluster, node: &str) -> i64 {
        cluster.nodes.get(node).map_or(0, |info| info.requested.get("cpu"))
    }

    #[test]
    fn an_assumed_pod_counts_once_when_its_binding_comes_back() {
        let mut cluster = Cluster::default();
        cluster.place(&pod("a", None, "Pending"), "n1");
        cluster.set_pod(&pod("a", Some("n1"), "Pending"));
        cluster.set_pod(&pod("a", Some("n1"), "Running"));
        assert_eq!(requested(&cluster, "n1"), 1000);
    }

    #[test]
    fn a_finished_pod_gives_its_room_back() {
        let mut cluster = Cluster::default();
        cluster.set_pod(&pod("a", Some("n1"), "Running"));
        cluster.set_pod(&pod("a", Some("n1"), "Succeeded"));
        assert_eq!(requested(&cluster, "n1"), 0);
        assert!(cluster.nodes.is_empty(), "an unknown node without pods is kept");
    }
}
