//! Which nodes can take a pod, and why the others cannot.

mod affinity;
mod fit;
mod taints;

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Node, Pod};

pub(crate) use affinity::matches_term;
pub(crate) use taints::tolerates;

use crate::cluster::{Cluster, NodeInfo};
use crate::pod::unsupported;

/// Why no node will do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unschedulable {
    /// How many nodes there are.
    pub(crate) nodes: usize,
    /// How many nodes each reason keeps away.
    pub(crate) reasons: BTreeMap<String, usize>,
    /// A reason that has to do with the pod alone.
    pub(crate) pod: Option<String>,
}

impl std::fmt::Display for Unschedulable {
    /// Upstream's sentence: `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s).`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(reason) = &self.pod {
            return f.write_str(reason);
        }
        if self.nodes == 0 {
            return f.write_str("no nodes available to schedule pods");
        }
        let mut reasons: Vec<_> =
            self.reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        reasons.sort();
        write!(f, "0/{} nodes are available: {}.", self.nodes, reasons.join(", "))
    }
}

/// The nodes that can take the pod; if there are none, why.
pub(crate) fn feasible<'a>(
    pod: &Pod,
    cluster: &'a Cluster,
) -> Result<Vec<(&'a Arc<Node>, &'a NodeInfo)>, Unschedulable> {
    let field = pod.spec.as_ref().and_then(unsupported);
    if let Some(field) = field {
        let reason = format!("this scheduler does not support {field}, so the pod is not placed");
        return Err(Unschedulable {
            nodes: cluster.nodes().count(),
            reasons: BTreeMap::new(),
            pod: Some(reason),
        });
    }
    let mut fitting = Vec::new();
    let mut reasons = BTreeMap::<String, usize>::new();
    let mut nodes = 0;
    for (node, info) in cluster.nodes() {
        nodes += 1;
        let against = objections(pod, node, info);
        if against.is_empty() {
            fitting.push((node, info));
        }
        for reason in against {
            *reasons.entry(reason).or_default() += 1;
        }
    }
    if fitting.is_empty() { Err(Unschedulable { nodes, reasons, pod: None }) } else { Ok(fitting) }
}

/// What speaks against a node; the first filter that objects is the one that is heard, as in upstream's framework.
fn objections(pod: &Pod, node: &Node, info: &NodeInfo) -> Vec<String> {
    let Some(spec) = &pod.spec else {
        return vec!["node(s) were given a pod without a specification".to_owned()];
    };
    let tolerations = spec.tolerations.as_deref().unwrap_or_default();
    // NodeUnschedulable
    let unschedulable = node.spec.as_ref().and_then(|spec| spec.unschedulable) == Some(true);
    if unschedulable && !taints::tolerates_unschedulable(tolerations) {
        return vec!["node(s) were unschedulable".to_owned()];
    }
    // NodeName: a pod with a name in it is not ours to place, but its node may be checked by others.
    if crate::pod::node_name(pod).is_some_and(|name| node.metadata.name.as_deref() != Some(name)) {
        return vec!["node(s) didn't match the requested node name".to_owned()];
    }
    // TaintToleration
    let node_taints = node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
    if taints::first_untolerated(node_taints, tolerations).is_some() {
        return vec!["node(s) had untolerated taint(s)".to_owned()];
    }
    // NodeAffinity
    if !affinity::matches(spec, node) {
        return vec!["node(s) didn't match Pod's node affinity/selector".to_owned()];
    }
    // NodePorts
    let wanted = crate::pod::host_ports(spec);
    let mut taken = info.pods.values().flat_map(|placed| &placed.host_ports);
    if taken.any(|taken| wanted.iter().any(|port| port.conflicts(taken))) {
        return vec!["node(s) didn't have free ports for the requested pod ports".to_owned()];
    }
    // NodeResourcesFit
    fit::insufficient(pod, info)
}

#[cfg(test)]
mod tests;
