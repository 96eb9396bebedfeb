//! What the scheduler asks of a pod.

use k8s_openapi::api::core::v1::{Pod, PodSpec};

/// The scheduler that pods ask for who do not name one.
pub(crate) const DEFAULT_SCHEDULER: &str = "default-scheduler";

/// The node that the pod is bound to.
pub(crate) fn node_name(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref().filter(|name| !name.is_empty())
}

/// Whether the pod takes up its node's resources: it has not finished.
pub(crate) fn occupies(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    !matches!(phase, Some("Succeeded" | "Failed"))
}

/// Whether the pod waits for a node from a scheduler of this name.
pub(crate) fn wants_node(pod: &Pod, scheduler: &str) -> bool {
    let asked =
        pod.spec.as_ref().and_then(|spec| spec.scheduler_name.as_deref()).unwrap_or(DEFAULT_SCHEDULER);
    node_name(pod).is_none()
        && occupies(pod)
        && asked == scheduler
        && pod.metadata.deletion_timestamp.is_none()
}

/// Whether the pod asks not to be looked at yet (KEP-3521).
pub(crate) fn is_gated(pod: &Pod) -> bool {
    pod.spec.as_ref().and_then(|spec| spec.scheduling_gates.as_ref()).is_some_and(|gates| !gates.is_empty())
}

/// A port of the host that a pod wants for itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct HostPort {
    pub(crate) protocol: String,
    /// `0.0.0.0` for all addresses.
    pub(crate) ip: String,
    pub(crate) port: i32,
}

impl HostPort {
    /// Whether two pods with these ports cannot share a node.
    pub(crate) fn conflicts(&self, other: &Self) -> bool {
        const ANY: &str = "0.0.0.0";
        let meets = self.ip == other.ip || self.ip == ANY || other.ip == ANY;
        self.port == other.port && self.protocol == other.protocol && meets
    }
}

/// The ports of the host that the pod wants.
pub(crate) fn host_ports(spec: &PodSpec) -> Vec<HostPort> {
    let sidecars = spec.init_containers.iter().flatten();
    let sidecars = sidecars.filter(|container| container.restart_policy.as_deref() == Some("Always"));
    let ports = spec.containers.iter().chain(sidecars).flat_map(|container| container.ports.iter().flatten());
    ports
        .filter_map(|port| {
            let ip = port.host_ip.clone().filter(|ip| !ip.is_empty() && ip != "::");
            Some(HostPort {
                protocol: port.protocol.clone().unwrap_or_else(|| "TCP".to_owned()),
                ip: ip.unwrap_or_else(|| "0.0.0.0".to_owned()),
                port: port.host_port.filter(|port| *port > 0)?,
            })
        })
        .collect()
}

/// What a pod asks of its node that this scheduler does not decide on. Such a pod is not placed: a place that breaks what
/// it asks for would be worse than none.
pub(crate) fn unsupported(spec: &PodSpec) -> Option<&'static str> {
    let affinity = spec.affinity.as_ref();
    let required_pods = affinity.and_then(|affinity| affinity.pod_affinity.as_ref()).and_then(|pods| {
        pods.required_during_scheduling_ignored_during_execution.as_ref().filter(|terms| !terms.is_empty())
    });
    let repelled_pods = affinity.and_then(|affinity| affinity.pod_anti_affinity.as_ref()).and_then(|pods| {
        pods.required_during_scheduling_ignored_during_execution.as_ref().filter(|terms| !terms.is_empty())
    });
    let spread = spec.topology_spread_constraints.iter().flatten();
    let mut volumes = spec.volumes.iter().flatten();
    if required_pods.is_some() {
        Some("spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution")
    } else if repelled_pods.is_some() {
        Some("spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution")
    } else if spread.into_iter().any(|constraint| constraint.when_unsatisfiable == "DoNotSchedule") {
        Some("spec.topologySpreadConstraints with whenUnsatisfiable: DoNotSchedule")
    } else if volumes.any(|volume| volume.persistent_volume_claim.is_some() || volume.ephemeral.is_some()) {
        Some("spec.volumes with persistentVolumeClaim or ephemeral")
    } else if spec.resource_claims.as_ref().is_some_and(|claims| !claims.is_empty()) {
        Some("spec.resourceClaims")
    } else {
        None
    }
}
