//! What callers say and hear.

use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// What a [`crate::PodNetwork`] needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// Directory of the address records. What is in it is void after a reboot: a directory that a reboot clears is
    /// right.
    pub state_dir: PathBuf,
    /// Range of the pods' addresses; may come later ([`crate::PodNetwork::set_pod_cidr`]).
    pub pod_cidr: Option<IpNet>,
    /// The node's own address, which its packets to pods come from. Without one: the first global address on the
    /// interface of the default route, or on any.
    pub node_address: Option<IpAddr>,
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// `IPPROTO_*`.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }
}

impl std::fmt::Display for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

/// A port of the node that leads to a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PortMapping {
    /// Protocol.
    pub protocol: Protocol,
    /// Port within the pod.
    pub container_port: u16,
    /// Port on the node.
    pub host_port: u16,
    /// The one address of the node that has the port; none, or the unspecified one, stands for all but loopback.
    pub host_ip: Option<IpAddr>,
}

/// A pod's network.
#[derive(Debug)]
pub struct Attachment {
    /// The network namespace. It lives as long as a descriptor of it or a process in it: nothing else holds it.
    pub netns: OwnedFd,
    /// The pod's addresses.
    pub ips: Vec<IpAddr>,
}

/// Why no pod can be attached now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReadyReason {
    /// No range of addresses is known.
    #[error("no pod address range: neither the configuration nor UpdateRuntimeConfig has given one")]
    NoPodCidr,
    /// The node has no address of its own.
    #[error("the node has no global {family} address")]
    NoNodeAddress {
        /// `IPv4` or `IPv6`.
        family: &'static str,
    },
    /// The kernel does not let us look.
    #[error("{reason}")]
    Unknown {
        /// What failed.
        reason: String,
    },
}
