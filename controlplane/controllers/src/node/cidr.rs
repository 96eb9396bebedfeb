//! Ranges for the pods of each node, cut from the cluster's range.

use std::collections::HashSet;

use ipnet::IpNet;
use k8s_openapi::api::core::v1::Node;
use kingpost_informers::{Error, EventType};
use kube::api::{Patch, PatchParams};
use parking_lot::Mutex;
use serde_json::json;

use super::Nodes;
use crate::references::object_reference;

/// The cluster's range in pieces of one size.
pub(super) struct Ranges {
    cluster: IpNet,
    mask: u8,
    /// Given out by this process and perhaps not yet visible on their nodes.
    given: Mutex<HashSet<IpNet>>,
}

impl Ranges {
    pub(super) fn new(cluster: IpNet, mask: u8) -> Self {
        Self { cluster, mask, given: Mutex::default() }
    }

    /// The first piece that nobody has; `None` when all are given out.
    fn take(&self, used: &HashSet<IpNet>) -> Option<IpNet> {
        let mut given = self.given.lock();
        // What its node shows by now, or what its node never got because it is gone, needs no memory here.
        given.retain(|range| !used.contains(range));
        let free = self
            .cluster
            .subnets(self.mask)
            .ok()?
            .find(|range| !used.contains(range) && !given.contains(range))?;
        given.insert(free);
        Some(free)
    }

    fn put_back(&self, range: &IpNet) {
        self.given.lock().remove(range);
    }
}

fn range_of(node: &Node) -> Option<IpNet> {
    node.spec.as_ref()?.pod_cidr.as_deref()?.parse().ok()
}

impl Nodes {
    /// Gives a node without a range one; says whether it did.
    pub(super) async fn assign_range(&self, node: &Node) -> Result<bool, Error> {
        let Some(ranges) = self.ranges.as_ref().filter(|_| range_of(node).is_none()) else {
            return Ok(false);
        };
        let used = self.nodes.list().iter().filter_map(|node| range_of(node)).collect();
        let Some(range) = ranges.take(&used) else {
            let about = object_reference(node, "v1", "Node");
            let message = format!("no range of /{} is left in {}", ranges.mask, ranges.cluster);
            self.recorder.event(&about, EventType::Warning, "CIDRNotAvailable", message);
            return Ok(false);
        };
        let name = node.metadata.name.as_deref().unwrap_or_default();
        let patch = json!({
            "metadata": {"resourceVersion": node.metadata.resource_version},
            "spec": {"podCIDR": range.to_string(), "podCIDRs": [range.to_string()]},
        });
        match self.api().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await {
            Ok(_) => Ok(true),
            Err(error) => {
                ranges.put_back(&range);
                Err(error.into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_given_out_once_and_again_when_its_node_is_gone() {
        let ranges = Ranges::new("10.244.0.0/23".parse().unwrap(), 24);
        let first = ranges.take(&HashSet::new()).unwrap();
        let second = ranges.take(&HashSet::new()).unwrap();
        assert_eq!(
            (first.to_string(), second.to_string()),
            ("10.244.0.0/24".to_owned(), "10.244.1.0/24".to_owned())
        );
        assert!(ranges.take(&HashSet::new()).is_none());
        // Both are seen on their nodes, then the first node goes.
        assert!(ranges.take(&HashSet::from([first, second])).is_none());
        assert_eq!(ranges.take(&HashSet::from([second])), Some(first));
    }
}
