//! Frontends with session affinity: a chain each, and per endpoint a chain and a set of the clients that stay with it.
//!
//! A client's entry lives in its endpoint's own set, which goes away with the endpoint in the same transaction: no client
//! can be led to an endpoint that is not there any more, however long its entry would still have lived.

use std::net::Ipv4Addr;
use std::time::Duration;

use kingpost_nftables::{
    Chain, Change, Compare, Family, Field, NatTarget, Rule, Set, Statement, TableBatch, Value, Verdict,
};

use crate::frontend::{Endpoint, Frontend, Protocol};
use crate::rules::layout::goto;

/// Most clients that are remembered per endpoint, as nft's own default.
const CLIENTS: u32 = 65_535;
const PREFIX: &str = "to-";
/// Between frontend and endpoint in the name of an endpoint's chain and set.
const SEPARATOR: char = '/';

/// A frontend as installed. Zero seconds: left behind by an earlier process, its rules not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sticky {
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) seconds: u32,
}

/// The chain that chooses an endpoint.
pub(crate) fn chain(frontend: Frontend) -> String {
    format!("{PREFIX}{frontend}")
}

fn endpoint_chain(frontend: Frontend, endpoint: Endpoint) -> String {
    format!("{PREFIX}{frontend}{SEPARATOR}{endpoint}")
}

/// Frontend and, for an endpoint's chain, endpoint from a chain's name.
pub(crate) fn parse(name: &str) -> Option<(Frontend, Option<Endpoint>)> {
    let name = name.strip_prefix(PREFIX)?;
    let (frontend, endpoint) = match name.split_once(SEPARATOR) {
        None => (name, None),
        Some((frontend, endpoint)) => {
            let (address, port) = endpoint.split_once('-')?;
            (frontend, Some(Endpoint { address: address.parse().ok()?, port: port.parse().ok()? }))
        }
    };
    let mut parts = frontend.split('-');
    let (place, protocol, port) = (parts.next()?, parts.next()?, parts.next()?.parse().ok()?);
    let protocol = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp]
        .into_iter()
        .find(|candidate| candidate.to_string() == protocol)?;
    let frontend = match place {
        "node" => Frontend::Node(protocol, port),
        "local" => Frontend::NodeLocal(protocol, port),
        address => Frontend::Cluster(address.parse::<Ipv4Addr>().ok()?, protocol, port),
    };
    Some((frontend, endpoint))
}

/// Brings a frontend's chains from `old` (none: not there) to `new`.
pub(crate) fn install(table: &mut TableBatch<'_>, frontend: Frontend, old: Option<&Sticky>, new: &Sticky) {
    let chooser = chain(frontend);
    table.add_chain(Chain::regular(&chooser));
    for endpoint in &new.endpoints {
        let known = old.is_some_and(|old| old.endpoints.contains(endpoint));
        if known && old.is_some_and(|old| old.seconds == new.seconds) {
            continue;
        }
        let name = endpoint_chain(frontend, *endpoint);
        let life = Duration::from_secs(new.seconds.into());
        if !known {
            table.add_set(Set::new(&name, &[Field::Ip4Saddr]).dynamic(CLIENTS, life));
            table.add_chain(Chain::regular(&name));
        }
        table.change(Change::FlushChain(name.clone()));
        let key = vec![Field::Ip4Saddr];
        // A full set ends this rule, not the connection.
        let update = Statement::Update { set: name.clone(), key, data: None, timeout: Some(life) };
        table.append_rule(&name, Rule::new([update]));
        let protocol = Value::protocol(frontend.protocol().number());
        let target = NatTarget::Fixed(endpoint.address.into(), Some(endpoint.port));
        table.append_rule(
            &name,
            Rule::new([
                Statement::Field(Field::L4Proto, Compare::Equal, protocol),
                Statement::DestinationNat(Family::Ip, target),
            ]),
        );
    }
    table.change(Change::FlushChain(chooser.clone()));
    write_chooser(table, &chooser, frontend, &new.endpoints);
    for gone in old.iter().flat_map(|old| &old.endpoints).filter(|e| !new.endpoints.contains(e)) {
        remove_endpoint(table, frontend, *gone);
    }
}

/// Removes a frontend's chains; its element of the verdict map has to be gone by then.
pub(crate) fn remove(table: &mut TableBatch<'_>, frontend: Frontend, old: &Sticky) {
    let chooser = chain(frontend);
    table.change(Change::FlushChain(chooser.clone()));
    for endpoint in &old.endpoints {
        remove_endpoint(table, frontend, *endpoint);
    }
    table.change(Change::DeleteChain(chooser));
}

/// Who was here before stays with its endpoint; the others draw one, each equally likely.
fn write_chooser(table: &mut TableBatch<'_>, chooser: &str, frontend: Frontend, endpoints: &[Endpoint]) {
    for endpoint in endpoints {
        let name = endpoint_chain(frontend, *endpoint);
        let known =
            Statement::InSet { key: vec![Field::Ip4Saddr], compare: Compare::Equal, set: name.clone() };
        table.append_rule(chooser, Rule::new([known, goto(&name)]));
    }
    let remaining = (1..=u32::try_from(endpoints.len()).unwrap_or(u32::MAX)).rev();
    for (endpoint, remaining) in endpoints.iter().zip(remaining.filter_map(std::num::NonZeroU32::new)) {
        let mut statements = Vec::new();
        if remaining.get() > 1 {
            let drawn = Field::Random(remaining);
            statements.push(Statement::Field(drawn, Compare::Equal, Value::number(0)));
        }
        statements.push(goto(&endpoint_chain(frontend, *endpoint)));
        table.append_rule(chooser, Rule::new(statements));
    }
    table.append_rule(chooser, Rule::new([Verdict::Drop.into()]));
}

fn remove_endpoint(table: &mut TableBatch<'_>, frontend: Frontend, endpoint: Endpoint) {
    let name = endpoint_chain(frontend, endpoint);
    table.change(Change::FlushChain(name.clone()));
    table.change(Change::DeleteChain(name.clone()));
    table.change(Change::DeleteSet(name));
}
