//! Frontends and endpoints as keys and values of the kernel's sets and maps, and back.

use std::net::Ipv4Addr;

use kingpost_nftables::Value;

use crate::frontend::{Endpoint, Frontend, Protocol};

/// `address . protocol . port`, or for node ports `protocol . port`.
pub(crate) fn frontend(frontend: Frontend) -> Value {
    let service = |protocol: Protocol, port| Value::protocol(protocol.number()).and(Value::port(port));
    match frontend {
        Frontend::Cluster(address, protocol, port) => Value::address(address).and(service(protocol, port)),
        Frontend::Node(protocol, port) | Frontend::NodeLocal(protocol, port) => service(protocol, port),
    }
}

/// `frontend . slot`.
pub(crate) fn slot(frontend: Frontend, slot: usize) -> Value {
    // A slot number is below four times the number of a Service's endpoints.
    self::frontend(frontend).and(Value::number(u32::try_from(slot).unwrap_or(u32::MAX)))
}

/// `address . port`.
pub(crate) fn endpoint(endpoint: Endpoint) -> Value {
    Value::address(endpoint.address).and(Value::port(endpoint.port))
}

/// `address . address`.
pub(crate) fn hairpin(address: Ipv4Addr) -> Value {
    Value::address(address).and(Value::address(address))
}

/// Reads registers one after the other.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl Reader<'_> {
    fn register(&mut self) -> Option<[u8; 4]> {
        let (register, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(*register)
    }

    pub(crate) fn address(&mut self) -> Option<Ipv4Addr> {
        self.register().map(Ipv4Addr::from)
    }

    pub(crate) fn protocol(&mut self) -> Option<Protocol> {
        let [number, ..] = self.register()?;
        Protocol::from_number(number)
    }

    pub(crate) fn port(&mut self) -> Option<u16> {
        let [high, low, ..] = self.register()?;
        Some(u16::from_be_bytes([high, low]))
    }

    pub(crate) fn number(&mut self) -> Option<usize> {
        self.register().and_then(|bytes| usize::try_from(u32::from_ne_bytes(bytes)).ok())
    }

    pub(crate) fn endpoint(&mut self) -> Option<Endpoint> {
        Some(Endpoint { address: self.address()?, port: self.port()? })
    }
}
