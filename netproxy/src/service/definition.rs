//! A Service, reduced to what the proxy needs (`core/v1.Service`).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};

use crate::frontend::Protocol;

/// A Service that has at least one IPv4 cluster IP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Its IPv4 cluster IPs.
    pub cluster_ips: Vec<Ipv4Addr>,
    /// Its ports.
    pub ports: Vec<PortDefinition>,
    /// `internalTrafficPolicy: Local`: cluster IPs reach endpoints of this node only.
    pub internal_local: bool,
    /// `externalTrafficPolicy: Local`: node ports reach endpoints of this node only.
    pub external_local: bool,
    /// `sessionAffinity: ClientIP`: seconds of silence after which a client may change its endpoint.
    pub affinity_seconds: Option<u32>,
}

/// One of its ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortDefinition {
    /// Name, empty if it has none: ports of EndpointSlices carry the same.
    pub name: String,
    /// Protocol.
    pub protocol: Protocol,
    /// Port at the cluster IP.
    pub port: u16,
    /// Port at the node's addresses.
    pub node_port: Option<u16>,
}

/// Something in a Service that is not served; logged when it appears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Addresses that anyone who may write Services could use to draw traffic to themselves (CVE-2020-8554).
    ExternalIps,
    /// Addresses of load balancers are not captured on the node.
    LoadBalancerIps,
    /// IPv6 cluster IPs have no rules.
    Ipv6,
    /// A node port outside the configured range.
    NodePort(u16),
    /// A port whose protocol or number is none.
    Port(String),
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ExternalIps => f.write_str("spec.externalIPs are refused"),
            Self::LoadBalancerIps => f.write_str("status.loadBalancer.ingress addresses are not served"),
            Self::Ipv6 => f.write_str("IPv6 cluster IPs are not served"),
            Self::NodePort(port) => write!(f, "node port {port} is outside the configured range, not served"),
            Self::Port(name) => write!(f, "port {name:?} has an unknown protocol or number, not served"),
        }
    }
}

/// Upstream's default of `clientIP.timeoutSeconds`: three hours.
const AFFINITY_SECONDS: u32 = 10_800;

impl Definition {
    /// Reads a Service; none if it has nothing to serve (headless, `ExternalName`).
    #[must_use]
    pub fn read(service: &Service, node_ports: &RangeInclusive<u16>) -> (Option<Self>, Vec<Notice>) {
        let mut notices = Vec::new();
        let Some(spec) = &service.spec else { return (None, notices) };
        if spec.type_.as_deref() == Some("ExternalName") {
            return (None, notices);
        }
        let cluster_ips = cluster_ips(spec, &mut notices);
        if cluster_ips.is_empty() {
            return (None, notices);
        }
        if spec.external_ips.as_ref().is_some_and(|ips| !ips.is_empty()) {
            notices.push(Notice::ExternalIps);
        }
        let ingress =
            service.status.as_ref().and_then(|status| status.load_balancer.as_ref()?.ingress.as_ref());
        if ingress.is_some_and(|ingress| ingress.iter().any(|entry| entry.ip.is_some())) {
            notices.push(Notice::LoadBalancerIps);
        }
        let ports = spec.ports.iter().flatten();
        let ports = ports.filter_map(|port| read_port(port, node_ports, &mut notices)).collect();
        let definition = Self {
            cluster_ips,
            ports,
            internal_local: spec.internal_traffic_policy.as_deref() == Some("Local"),
            external_local: spec.external_traffic_policy.as_deref() == Some("Local"),
            affinity_seconds: affinity(spec),
        };
        (Some(definition), notices)
    }
}

fn cluster_ips(spec: &ServiceSpec, notices: &mut Vec<Notice>) -> Vec<Ipv4Addr> {
    // `clusterIPs` repeats `clusterIP` first; a server older than dual stack sends the latter alone.
    let listed = spec.cluster_ips.as_ref().filter(|ips| !ips.is_empty());
    let texts: Vec<&String> = match listed {
        Some(ips) => ips.iter().collect(),
        None => spec.cluster_ip.iter().collect(),
    };
    let mut addresses = Vec::new();
    for text in texts {
        match text.parse() {
            Ok(IpAddr::V4(v4)) => addresses.push(v4),
            Ok(IpAddr::V6(_)) => notices.push(Notice::Ipv6),
            // "None" and "": headless, or not allocated yet.
            Err(_) => {}
        }
    }
    addresses
}

fn read_port(
    port: &ServicePort,
    node_ports: &RangeInclusive<u16>,
    notices: &mut Vec<Notice>,
) -> Option<PortDefinition> {
    let name = port.name.clone().unwrap_or_default();
    let number = u16::try_from(port.port).ok().filter(|number| *number > 0);
    let (Some(protocol), Some(number)) = (Protocol::parse(port.protocol.as_deref()), number) else {
        notices.push(Notice::Port(name));
        return None;
    };
    let node_port = port.node_port.and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0);
    let allowed = node_port.filter(|port| node_ports.contains(port));
    if let (Some(refused), None) = (node_port, allowed) {
        notices.push(Notice::NodePort(refused));
    }
    Some(PortDefinition { name, protocol, port: number, node_port: allowed })
}

fn affinity(spec: &ServiceSpec) -> Option<u32> {
    if spec.session_affinity.as_deref() != Some("ClientIP") {
        return None;
    }
    let configured =
        spec.session_affinity_config.as_ref().and_then(|config| config.client_ip.as_ref()?.timeout_seconds);
    Some(
        configured
            .and_then(|seconds| u32::try_from(seconds).ok())
            .filter(|s| *s > 0)
            .unwrap_or(AFFINITY_SECONDS),
    )
}
