//! What the proxy serves: frontends that clients address, and the endpoints behind them.

use std::fmt;
use std::net::Ipv4Addr;

/// A transport protocol that Services can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// From the API's spelling; a missing one is TCP.
    #[must_use]
    pub fn parse(name: Option<&str>) -> Option<Self> {
        match name {
            None | Some("TCP") => Some(Self::Tcp),
            Some("UDP") => Some(Self::Udp),
            Some("SCTP") => Some(Self::Sctp),
            Some(_) => None,
        }
    }

    /// IANA protocol number.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }

    /// From its IANA protocol number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::Tcp, Self::Udp, Self::Sctp].into_iter().find(|protocol| protocol.number() == number)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

/// What a client's packet has to be addressed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Frontend {
    /// A cluster IP and port.
    Cluster(Ipv4Addr, Protocol, u16),
    /// A port of any of this node's addresses; endpoints anywhere serve it.
    Node(Protocol, u16),
    /// The same for clients from outside the cluster of a Service with `externalTrafficPolicy: Local`: endpoints of this
    /// node serve it, and see the client's address.
    NodeLocal(Protocol, u16),
}

impl Frontend {
    /// Its transport protocol.
    #[must_use]
    pub fn protocol(self) -> Protocol {
        match self {
            Self::Cluster(_, protocol, _) | Self::Node(protocol, _) | Self::NodeLocal(protocol, _) => {
                protocol
            }
        }
    }

    /// Its port.
    #[must_use]
    pub fn port(self) -> u16 {
        match self {
            Self::Cluster(_, _, port) | Self::Node(_, port) | Self::NodeLocal(_, port) => port,
        }
    }
}

impl fmt::Display for Frontend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster(address, protocol, port) => write!(f, "{address}-{protocol}-{port}"),
            Self::Node(protocol, port) => write!(f, "node-{protocol}-{port}"),
            Self::NodeLocal(protocol, port) => write!(f, "local-{protocol}-{port}"),
        }
    }
}

/// Where a connection ends: the address and port of a pod, or of a process on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    /// Its address.
    pub address: Ipv4Addr,
    /// Its port.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.address, self.port)
    }
}

/// What happens to a frontend's connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backends {
    /// Spread evenly over these, sorted and each once; none drops them (a `Local` policy without local endpoints).
    Balance(Vec<Endpoint>),
    /// A client stays with its endpoint until it has been silent for so many seconds (`sessionAffinity: ClientIP`).
    Sticky {
        /// Sorted, each once, at least one.
        endpoints: Vec<Endpoint>,
        /// `sessionAffinityConfig.clientIP.timeoutSeconds`.
        seconds: u32,
    },
    /// Refused: the Service has no endpoints.
    Reject,
}

impl Backends {
    /// The endpoints that serve it.
    #[must_use]
    pub fn endpoints(&self) -> &[Endpoint] {
        match self {
            Self::Balance(endpoints) | Self::Sticky { endpoints, .. } => endpoints,
            Self::Reject => &[],
        }
    }
}
