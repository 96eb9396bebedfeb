//! An EndpointSlice, reduced to what the proxy needs (`discovery.k8s.io/v1`).

use std::net::Ipv4Addr;

use k8s_openapi::api::discovery::v1::EndpointSlice;

use crate::frontend::Protocol;

/// The label that names a slice's Service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// A slice of IPv4 endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Name of the Service that it belongs to, in its own namespace.
    pub service: String,
    /// Name, protocol and number of its ports.
    pub ports: Vec<(String, Protocol, u16)>,
    /// Its endpoints that can be used at all.
    pub endpoints: Vec<EndpointState>,
}

/// An endpoint with the conditions that decide when it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointState {
    /// Its address.
    pub address: Ipv4Addr,
    /// Takes connections.
    pub ready: bool,
    /// Is being deleted, but still answers: used while there is no ready one (KEP-1669).
    pub serving_terminating: bool,
    /// Runs on this node.
    pub local: bool,
    /// May run on this node: it is local, or does not say where it runs.
    pub maybe_local: bool,
}

impl Slice {
    /// Reads a slice; none if it is of another family or belongs to no Service.
    #[must_use]
    pub fn read(slice: &EndpointSlice, node_name: &str) -> Option<Self> {
        if slice.address_type != "IPv4" {
            return None;
        }
        let service = slice.metadata.labels.as_ref()?.get(SERVICE_NAME)?.clone();
        let ports = slice.ports.iter().flatten().filter_map(|port| {
            // A port without a number means all ports, which no Service uses.
            let number = u16::try_from(port.port?).ok().filter(|number| *number > 0)?;
            let protocol = Protocol::parse(port.protocol.as_deref())?;
            Some((port.name.clone().unwrap_or_default(), protocol, number))
        });
        let endpoints = slice.endpoints.iter().flatten().filter_map(|endpoint| {
            let conditions = endpoint.conditions.as_ref();
            // Missing conditions count as true, as upstream documents them; missing `terminating` as false.
            let ready = conditions.and_then(|c| c.ready).unwrap_or(true);
            let serving = conditions.and_then(|c| c.serving).unwrap_or(ready);
            let terminating = conditions.and_then(|c| c.terminating).unwrap_or(false);
            let local = endpoint.node_name.as_deref() == Some(node_name);
            Some(EndpointState {
                // Consumers use the first address only, says the API.
                address: endpoint.addresses.first()?.parse().ok().filter(|ip| is_allowed(*ip))?,
                ready,
                serving_terminating: serving && terminating,
                local,
                maybe_local: local || endpoint.node_name.is_none(),
            })
        });
        Some(Self { service, ports: ports.collect(), endpoints: endpoints.collect() })
    }
}

/// Addresses that would reach the node's own loopback, its metadata service or nobody (CVE-2021-25737).
fn is_allowed(address: Ipv4Addr) -> bool {
    !(address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_unspecified()
        || address.is_broadcast())
}
