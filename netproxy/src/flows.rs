//! Forgetting UDP flows whose endpoint is gone.
//!
//! Translation is decided once per flow. A TCP connection to a pod that is gone fails and is made anew; a UDP client that
//! keeps its port (a DNS resolver) would send to the dead address as long as it sends often enough. The same holds for
//! flows that began while the Service had no endpoints, and therefore are not translated at all.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};

use kingpost_nftables::{Conntrack, Error, Family, Flow, Routes};

use crate::frontend::{Backends, Endpoint, Frontend, Protocol};
use crate::service::Catalog;

/// Deletes the flows of these frontends that lead to no current endpoint; gives their number.
pub(crate) fn forget(
    conntrack: &mut Conntrack,
    routes: &mut Routes,
    frontends: &[Frontend],
    catalog: &Catalog,
) -> Result<usize, Error> {
    let live = Live::new(routes, frontends, catalog)?;
    let stale: Vec<Flow> = conntrack
        .flows(Family::Ip, Protocol::Udp.number())?
        .into_iter()
        .filter(|flow| live.is_stale(flow))
        .collect();
    for flow in &stale {
        conntrack.delete(flow)?;
    }
    Ok(stale.len())
}

/// The frontends in question with their current endpoints.
struct Live {
    endpoints: HashMap<Frontend, HashSet<Endpoint>>,
    /// This node's addresses, where a node port is in question.
    node: HashSet<IpAddr>,
}

impl Live {
    fn new(routes: &mut Routes, frontends: &[Frontend], catalog: &Catalog) -> Result<Self, Error> {
        let mut endpoints: HashMap<Frontend, HashSet<Endpoint>> = HashMap::new();
        let mut ports = false;
        for frontend in frontends {
            let now = catalog.backends(*frontend).map(Backends::endpoints).unwrap_or_default();
            // Clients from outside and from the cluster share a node port: an endpoint of either is a live one.
            let key = match *frontend {
                Frontend::NodeLocal(protocol, port) => Frontend::Node(protocol, port),
                other => other,
            };
            ports |= !matches!(key, Frontend::Cluster(..));
            let twin = catalog.backends(key).map(Backends::endpoints).unwrap_or_default();
            endpoints.entry(key).or_default().extend(now.iter().chain(twin));
        }
        let node = if ports { routes.addresses()? } else { Vec::new() };
        Ok(Self { endpoints, node: node.into_iter().map(|(_, address)| address).collect() })
    }

    fn is_stale(&self, flow: &Flow) -> bool {
        let (IpAddr::V4(destination), IpAddr::V4(server)) = (flow.original.destination, flow.reply.source)
        else {
            return false;
        };
        let server = Endpoint { address: server, port: flow.reply.source_port };
        self.expected(destination, flow.original.destination_port)
            .is_some_and(|endpoints| !endpoints.contains(&server))
    }

    fn expected(&self, destination: Ipv4Addr, port: u16) -> Option<&HashSet<Endpoint>> {
        let cluster = self.endpoints.get(&Frontend::Cluster(destination, Protocol::Udp, port));
        let node = || self.endpoints.get(&Frontend::Node(Protocol::Udp, port));
        cluster.or_else(|| node().filter(|_| self.node.contains(&IpAddr::V4(destination))))
    }
}
