//! Connection tracking entries: list those of a protocol, delete one (`linux/netfilter/nfnetlink_conntrack.h`).

use std::net::IpAddr;

use crate::attribute::{Attributes, Writer};
use crate::error::Error;
use crate::object::Family;
use crate::route::address_from;
use crate::socket::Socket;

/// `NFNL_SUBSYS_CTNETLINK << 8` with `IPCTNL_MSG_CT_GET` and `IPCTNL_MSG_CT_DELETE`.
const GET: u16 = (1 << 8) | 1;
const DELETE: u16 = (1 << 8) | 2;

const TUPLE_ORIGINAL: u16 = 1;
const TUPLE_REPLY: u16 = 2;
const ID: u16 = 12;
const FILTER: u16 = 25;
const TUPLE_IP: u16 = 1;
const TUPLE_PROTO: u16 = 2;
const PROTO_NUMBER: u16 = 1;
/// `CTA_FILTER_F_CTA_PROTO_NUM`.
const FILTER_BY_PROTOCOL: u32 = 1 << 3;

/// One direction of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowEnd {
    /// Address that its packets come from.
    pub source: IpAddr,
    /// Address that they go to.
    pub destination: IpAddr,
    /// Port that they come from.
    pub source_port: u16,
    /// Port that they go to.
    pub destination_port: u16,
}

/// A tracked flow. Translation shows as a difference: the reply comes from where the original was translated to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// As its first packet was sent.
    pub original: FlowEnd,
    /// As answers are sent.
    pub reply: FlowEnd,
    family: u8,
    /// The original tuple as the kernel gave it, zone included, by which the entry is found again.
    tuple: Vec<u8>,
    id: Vec<u8>,
}

/// A connection to the conntrack table of one network namespace.
#[derive(Debug)]
pub struct Conntrack {
    socket: Socket,
}

impl Conntrack {
    /// Connects to the table of the calling thread's network namespace.
    ///
    /// # Errors
    /// When the kernel has no netfilter netlink.
    pub fn open() -> Result<Self, Error> {
        Ok(Self { socket: Socket::netfilter()? })
    }

    /// Flows of a transport protocol. The kernel (5.8 and newer) filters; older ones send everything.
    ///
    /// # Errors
    /// When the kernel refuses the query.
    pub fn flows(&mut self, family: Family, protocol: u8) -> Result<Vec<Flow>, Error> {
        let mut request = Writer::default();
        request.buffer.extend_from_slice(&[family.number(), 0, 0, 0]);
        request.nest(TUPLE_ORIGINAL, |tuple| {
            tuple.nest(TUPLE_PROTO, |proto| proto.bytes(PROTO_NUMBER, &[protocol]));
        });
        request.nest(FILTER, |filter| {
            filter.bytes(1, &FILTER_BY_PROTOCOL.to_ne_bytes());
            filter.bytes(2, &0u32.to_ne_bytes());
        });
        self.socket.dump(GET, &request.buffer, "list tracked flows", |body| read_flow(body, protocol))
    }

    /// Deletes a flow that [`Conntrack::flows`] gave; one that is gone, or replaced by a newer one, is left alone.
    ///
    /// # Errors
    /// When the kernel refuses for another reason than that it is gone.
    pub fn delete(&mut self, flow: &Flow) -> Result<(), Error> {
        let mut request = Writer::default();
        request.buffer.extend_from_slice(&[flow.family, 0, 0, 0]);
        request.nest(TUPLE_ORIGINAL, |tuple| tuple.buffer.extend_from_slice(&flow.tuple));
        request.bytes(ID, &flow.id);
        match self.socket.request(DELETE, 0, &request.buffer, "delete a tracked flow") {
            Err(error) if error.is_not_found() => Ok(()),
            other => other,
        }
    }
}

fn read_flow(body: &[u8], protocol: u8) -> Option<Flow> {
    let family = *body.first()?;
    let attributes = Attributes(body.get(4..)?);
    let tuple = attributes.get(TUPLE_ORIGINAL)?;
    let original = Attributes(tuple);
    if original.nested(TUPLE_PROTO).get(PROTO_NUMBER)? != [protocol] {
        return None;
    }
    Some(Flow {
        original: read_end(original)?,
        reply: read_end(attributes.nested(TUPLE_REPLY))?,
        family,
        tuple: tuple.to_vec(),
        id: attributes.get(ID)?.to_vec(),
    })
}

fn read_end(tuple: Attributes<'_>) -> Option<FlowEnd> {
    let addresses = tuple.nested(TUPLE_IP);
    let ports = tuple.nested(TUPLE_PROTO);
    // IPv4 source and destination are attributes 1 and 2, IPv6 3 and 4.
    let address = |v4, v6| address_from(addresses.get(v4).or_else(|| addresses.get(v6))?);
    let port = |kind| Some(u16::from_be_bytes(ports.get(kind)?.try_into().ok()?));
    Some(FlowEnd {
        source: address(1, 3)?,
        destination: address(2, 4)?,
        source_port: port(2)?,
        destination_port: port(3)?,
    })
}
