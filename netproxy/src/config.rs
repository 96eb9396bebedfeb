//! What the proxy has to be told.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use ipnet::IpNet;
use kingpost_nftables::{Family, Table};

/// Configuration of a node's proxy.
#[derive(Clone, Debug)]
pub struct Config {
    /// File with the API server's address and this proxy's credentials.
    pub kubeconfig: PathBuf,
    /// `metadata.name` of this node: endpoints with this `nodeName` are local.
    pub node_name: String,
    /// Addresses of this node; the first IPv4 one is the source of the node's own connections to Services where the node has
    /// no route to them.
    pub node_addresses: Vec<IpAddr>,
    /// Range of all pods of the cluster; clients outside it are masqueraded on their way to a cluster IP.
    pub pod_cidr: IpNet,
    /// Range of cluster IPs; those that no Service has are dropped.
    pub service_cidr: IpNet,
    /// Ports that Services may take on the node.
    pub node_port_range: RangeInclusive<u16>,
    /// Directory for what `uninstall` has to put back.
    pub state_dir: PathBuf,
    /// Name of the nf_tables table, in family `ip`.
    pub table: String,
}

impl Config {
    /// The usual values: `kingpost-services`, node ports 30000 to 32767.
    pub const DEFAULT_TABLE: &'static str = "kingpost-services";
    /// Node ports as upstream's `--service-node-port-range` has them.
    pub const DEFAULT_NODE_PORTS: RangeInclusive<u16> = 30_000..=32_767;

    pub(crate) fn table(&self) -> Table {
        Table::new(Family::Ip, &self.table)
    }
}
