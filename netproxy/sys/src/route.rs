//! Routes of the main table, as far as a node needs them: look one up, add one, delete one (rtnetlink(7)).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use rustix::io::Errno;

use crate::attribute::{Attributes, Writer};
use crate::error::Error;
use crate::socket::{CREATE, EXCLUSIVE, Socket};

const NEW_ROUTE: u16 = 24;
const DELETE_ROUTE: u16 = 25;
const GET_ROUTE: u16 = 26;
const GET_ADDRESS: u16 = 22;

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const TABLE_MAIN: u8 = 254;
/// `RTPROT_STATIC`: set by an administrator's tool, so that routing daemons leave it alone.
const PROTOCOL_STATIC: u8 = 4;
const SCOPE_LINK: u8 = 253;
const TYPE_UNICAST: u8 = 1;

const ROUTE_DESTINATION: u16 = 1;
const ROUTE_INTERFACE: u16 = 4;
const ROUTE_SOURCE: u16 = 7;

/// A route to a network that is reached directly on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where it leads.
    pub destination: IpNet,
    /// Index of the interface that packets leave by.
    pub interface: u32,
    /// Source address of this host's own packets on it.
    pub source: Option<IpAddr>,
}

/// A connection to the routing tables of one network namespace.
#[derive(Debug)]
pub struct Routes {
    socket: Socket,
}

impl Routes {
    /// Connects to the tables of the calling thread's network namespace.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub fn open() -> Result<Self, Error> {
        Ok(Self { socket: Socket::route()? })
    }

    /// Whether this host has a route by which it would send to `destination`.
    ///
    /// # Errors
    /// When the kernel fails for another reason than that there is none.
    pub fn reaches(&mut self, destination: IpAddr) -> Result<bool, Error> {
        let (family, bytes) = family_and_bytes(destination);
        let mut request = Writer::default();
        request.buffer.extend_from_slice(&[family, full_length(destination), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        request.bytes(ROUTE_DESTINATION, &bytes);
        let what = format!("look up the route to {destination}");
        match self.socket.query(GET_ROUTE, &request.buffer, &what) {
            Ok(_) => Ok(true),
            Err(Error::Request { source: Errno::NETUNREACH | Errno::HOSTUNREACH, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Adds a route; one that is there already is no error.
    ///
    /// # Errors
    /// When the kernel refuses, for example because the interface is down.
    pub fn add(&mut self, route: &Route) -> Result<(), Error> {
        let what = format!("add a route to {}", route.destination);
        match self.socket.request(NEW_ROUTE, CREATE | EXCLUSIVE, &encode(route), &what) {
            Err(error) if error.errno() == Some(Errno::EXIST) => Ok(()),
            other => other,
        }
    }

    /// Deletes a route; one that is not there is no error.
    ///
    /// # Errors
    /// When the kernel refuses for another reason.
    pub fn delete(&mut self, route: &Route) -> Result<(), Error> {
        let what = format!("delete the route to {}", route.destination);
        match self.socket.request(DELETE_ROUTE, 0, &encode(route), &what) {
            Err(error) if error.is_not_found() || error.errno() == Some(Errno::NODEV) => Ok(()),
            other => other,
        }
    }

    /// This host's addresses, each with the index of its interface.
    ///
    /// # Errors
    /// When the kernel refuses the query.
    pub fn addresses(&mut self) -> Result<Vec<(u32, IpAddr)>, Error> {
        self.socket.dump(GET_ADDRESS, &[0; 8], "list addresses", read_address)
    }
}

/// An address from its four or sixteen bytes.
pub(crate) fn address_from(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(v4).into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|v6| Ipv6Addr::from(v6).into())
}

/// `struct ifaddrmsg` and its attributes: `IFA_LOCAL`, or `IFA_ADDRESS` where there is no peer.
fn read_address(body: &[u8]) -> Option<(u32, IpAddr)> {
    let index = u32::from_ne_bytes(body.get(4..8)?.try_into().ok()?);
    let attributes = Attributes(body.get(8..)?);
    Some((index, address_from(attributes.get(2).or_else(|| attributes.get(1))?)?))
}

fn encode(route: &Route) -> Vec<u8> {
    let (family, bytes) = family_and_bytes(route.destination.network());
    let mut request = Writer::default();
    let length = route.destination.prefix_len();
    // struct rtmsg: family, destination length, source length, tos, table, protocol, scope, type, flags.
    request.buffer.extend_from_slice(&[
        family,
        length,
        0,
        0,
        TABLE_MAIN,
        PROTOCOL_STATIC,
        SCOPE_LINK,
        TYPE_UNICAST,
        0,
        0,
        0,
        0,
    ]);
    request.bytes(ROUTE_DESTINATION, &bytes);
    request.bytes(ROUTE_INTERFACE, &route.interface.to_ne_bytes());
    if let Some(source) = route.source {
        request.bytes(ROUTE_SOURCE, &family_and_bytes(source).1);
    }
    request.buffer
}

fn family_and_bytes(address: IpAddr) -> (u8, Vec<u8>) {
    match address {
        IpAddr::V4(v4) => (AF_INET, v4.octets().to_vec()),
        IpAddr::V6(v6) => (AF_INET6, v6.octets().to_vec()),
    }
}

fn full_length(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}
