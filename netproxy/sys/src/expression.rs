//! Statements as the kernel's expressions, with registers.
//!
//! Register 0 is the verdict. Data has sixteen registers of four bytes, numbered from 8 (`NFT_REG32_00`); a value of
//! several fields lies in consecutive ones. Each statement starts again at the first: none leaves a value for the next.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::attribute::Writer;
use crate::field::{Field, Load};
use crate::object::Family;
use crate::rule::{Address, Compare, NatTarget, Reject, Statement, Verdict};
use crate::value::Value;

/// `NFT_REG32_00`.
const FIRST: u32 = 8;
/// `NFT_REG_VERDICT`.
const VERDICT: u32 = 0;

/// `NFTA_LIST_ELEM`, also the index of data values: `NFTA_DATA_VALUE`.
const ELEMENT: u16 = 1;
const DATA_VERDICT: u16 = 2;

/// Writes one statement as one or several elements of a rule's expression list.
pub(crate) fn write(out: &mut Writer, family: Family, statement: &Statement) {
    match statement {
        Statement::Protocol(family) => {
            load_meta(out, META_NFPROTO);
            compare(out, Compare::Equal, &[family.number()]);
        }
        Statement::Field(field, operator, value) => {
            load(out, *field, FIRST);
            compare(out, *operator, value.bytes());
        }
        Statement::Network(address, operator, network) => network_test(out, *address, *operator, *network),
        Statement::Mark { mask, compare: operator, value } => {
            load(out, Field::Mark, FIRST);
            bitwise(out, *mask, 0);
            compare(out, *operator, &value.to_ne_bytes());
        }
        Statement::CtState(states) => connection_bits(out, CT_STATE, states.bits()),
        Statement::CtDestinationTranslated => connection_bits(out, CT_STATUS, STATUS_DST_NAT),
        Statement::Local(address, operator) => local_test(out, *address, *operator),
        Statement::InSet { key, compare, set } => {
            load_key(out, key);
            lookup(out, set, None, *compare);
        }
        Statement::VerdictMap { key, map } => {
            load_key(out, key);
            lookup(out, map, Some(VERDICT), Compare::Equal);
        }
        Statement::Update { set, key, data, timeout } => {
            let after = load_key(out, key);
            if let Some(data) = data {
                immediate(out, after, data);
            }
            expression(out, "dynset", |e| {
                e.text(1, set);
                e.number(3, DYNSET_UPDATE);
                e.number(4, FIRST);
                if data.is_some() {
                    e.number(5, after);
                }
                if let Some(timeout) = timeout {
                    e.number64(6, u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
                }
            });
        }
        Statement::Counter => expression(out, "counter", |_| {}),
        Statement::SetMark { keep, flip } => {
            load(out, Field::Mark, FIRST);
            bitwise(out, *keep, *flip);
            expression(out, "meta", |e| {
                e.number(2, META_MARK);
                e.number(3, FIRST);
            });
        }
        Statement::Verdict(verdict) => expression(out, "immediate", |e| {
            e.number(1, VERDICT);
            e.nest(2, |data| write_verdict(data, verdict));
        }),
        Statement::DestinationNat(family, target) => destination_nat(out, *family, target),
        Statement::SourceNat(address) => {
            immediate(out, FIRST, &Value::address(*address));
            nat(out, NAT_SOURCE, family_of(*address), None);
        }
        Statement::Masquerade { fully_random } => expression(out, "masq", |e| {
            if *fully_random {
                e.number(1, RANGE_RANDOM_FULLY);
            }
        }),
        Statement::Reject(reject) => expression(out, "reject", |e| {
            // ICMPX, which stands for both families, is known in `inet` tables only.
            let (kind, code) = match (reject, family) {
                (Reject::PortUnreachable, Family::Ip) => (REJECT_ICMP, 3),
                (Reject::PortUnreachable, Family::Ip6) => (REJECT_ICMP, 4),
                (Reject::PortUnreachable, Family::Inet) => (REJECT_ICMPX, 1),
                (Reject::TcpReset, _) => (REJECT_TCP_RESET, 0),
            };
            e.number(1, kind);
            e.bytes(2, &[code]);
        }),
    }
}

/// Writes a verdict as data (`NFTA_DATA_VERDICT`).
pub(crate) fn write_verdict(out: &mut Writer, verdict: &Verdict) {
    // NF_DROP, NF_ACCEPT, NFT_JUMP (-3), NFT_GOTO (-4), NFT_RETURN (-5).
    let (code, chain) = match verdict {
        Verdict::Drop => (0, None),
        Verdict::Accept => (1, None),
        Verdict::Jump(chain) => (0xffff_fffd, Some(chain)),
        Verdict::Goto(chain) => (0xffff_fffc, Some(chain)),
        Verdict::Return => (0xffff_fffb, None),
    };
    out.nest(DATA_VERDICT, |verdict| {
        verdict.number(1, code);
        if let Some(chain) = chain {
            verdict.text(2, chain);
        }
    });
}

const META_MARK: u32 = 3;
const META_NFPROTO: u32 = 15;
const CT_STATE: u32 = 0;
const CT_STATUS: u32 = 2;
/// `IPS_DST_NAT`.
const STATUS_DST_NAT: u32 = 0x20;
const DYNSET_UPDATE: u32 = 1;
const NAT_SOURCE: u32 = 0;
const NAT_DESTINATION: u32 = 1;
/// `NF_NAT_RANGE_PROTO_RANDOM_FULLY`.
const RANGE_RANDOM_FULLY: u32 = 0x10;
const REJECT_ICMP: u32 = 0;
const REJECT_TCP_RESET: u32 = 1;
const REJECT_ICMPX: u32 = 2;
/// `NFT_FIB_RESULT_ADDRTYPE`.
const FIB_ADDRESS_TYPE: u32 = 3;
/// `RTN_LOCAL`.
const ROUTE_LOCAL: u32 = 2;

fn expression(out: &mut Writer, name: &str, fill: impl FnOnce(&mut Writer)) {
    out.nest(ELEMENT, |element| {
        element.text(1, name);
        element.nest(2, fill);
    });
}

fn load(out: &mut Writer, field: Field, register: u32) {
    match field.load() {
        Load::Payload { base, offset } => load_payload(out, base, offset, field.length(), register),
        Load::Meta(key) => expression(out, "meta", |e| {
            e.number(2, key);
            e.number(1, register);
        }),
        Load::Random(modulus) => expression(out, "numgen", |e| {
            e.number(1, register);
            e.number(2, modulus);
            e.number(3, 1);
            e.number(4, 0);
        }),
    }
}

fn load_payload(out: &mut Writer, base: u32, offset: u32, length: u32, register: u32) {
    expression(out, "payload", |e| {
        e.number(1, register);
        e.number(2, base);
        e.number(3, offset);
        e.number(4, length);
    });
}

fn load_meta(out: &mut Writer, key: u32) {
    expression(out, "meta", |e| {
        e.number(2, key);
        e.number(1, FIRST);
    });
}

/// Loads the fields one after the other; gives the first register after them.
fn load_key(out: &mut Writer, key: &[Field]) -> u32 {
    key.iter().fold(FIRST, |register, field| {
        load(out, *field, register);
        register + field.length().div_ceil(4)
    })
}

fn compare(out: &mut Writer, operator: Compare, value: &[u8]) {
    expression(out, "cmp", |e| {
        e.number(1, FIRST);
        e.number(2, u32::from(operator == Compare::NotEqual));
        e.nest(3, |data| data.bytes(ELEMENT, value));
    });
}

fn bitwise(out: &mut Writer, mask: u32, flip: u32) {
    bitwise_bytes(out, &mask.to_ne_bytes(), &flip.to_ne_bytes());
}

fn bitwise_bytes(out: &mut Writer, mask: &[u8], flip: &[u8]) {
    expression(out, "bitwise", |e| {
        e.number(1, FIRST);
        e.number(2, FIRST);
        e.number(3, u32::try_from(mask.len()).unwrap_or(4));
        e.nest(4, |data| data.bytes(ELEMENT, mask));
        e.nest(5, |data| data.bytes(ELEMENT, flip));
    });
}

fn immediate(out: &mut Writer, register: u32, value: &Value) {
    expression(out, "immediate", |e| {
        e.number(1, register);
        e.nest(2, |data| data.bytes(ELEMENT, value.bytes()));
    });
}

fn lookup(out: &mut Writer, set: &str, target: Option<u32>, operator: Compare) {
    expression(out, "lookup", |e| {
        e.text(1, set);
        e.number(2, FIRST);
        if let Some(register) = target {
            e.number(3, register);
        }
        if operator == Compare::NotEqual {
            e.number(5, 1);
        }
    });
}

fn connection_bits(out: &mut Writer, key: u32, bits: u32) {
    expression(out, "ct", |e| {
        e.number(2, key);
        e.number(1, FIRST);
    });
    bitwise(out, bits, 0);
    compare(out, Compare::NotEqual, &0u32.to_ne_bytes());
}

fn local_test(out: &mut Writer, address: Address, operator: Compare) {
    expression(out, "fib", |e| {
        e.number(3, if address == Address::Source { 1 } else { 2 });
        e.number(2, FIB_ADDRESS_TYPE);
        e.number(1, FIRST);
    });
    compare(out, operator, &ROUTE_LOCAL.to_ne_bytes());
}

/// Prefixes of whole bytes are loaded as such, as nft does; others are masked.
fn network_test(out: &mut Writer, address: Address, operator: Compare, network: IpNet) {
    let (offset, bytes, mask) = match network {
        IpNet::V4(v4) => {
            let offset = if address == Address::Source { 12 } else { 16 };
            (offset, v4.network().octets().to_vec(), v4.netmask().octets().to_vec())
        }
        IpNet::V6(v6) => {
            let offset = if address == Address::Source { 8 } else { 24 };
            (offset, v6.network().octets().to_vec(), v6.netmask().octets().to_vec())
        }
    };
    let whole = usize::from(network.prefix_len() / 8);
    if network.prefix_len().is_multiple_of(8) && whole > 0 {
        load_payload(out, 1, offset, u32::from(network.prefix_len() / 8), FIRST);
        compare(out, operator, bytes.get(..whole).unwrap_or(&bytes));
    } else {
        load_payload(out, 1, offset, u32::try_from(bytes.len()).unwrap_or(4), FIRST);
        bitwise_bytes(out, &mask, &vec![0; mask.len()]);
        compare(out, operator, &bytes);
    }
}

fn family_of(address: IpAddr) -> Family {
    if address.is_ipv4() { Family::Ip } else { Family::Ip6 }
}

fn destination_nat(out: &mut Writer, family: Family, target: &NatTarget) {
    let after = if family == Family::Ip6 { FIRST + 4 } else { FIRST + 1 };
    match target {
        NatTarget::Fixed(address, port) => {
            immediate(out, FIRST, &Value::address(*address));
            if let Some(port) = port {
                immediate(out, after, &Value::port(*port));
            }
            nat(out, NAT_DESTINATION, family, port.map(|_| after));
        }
        NatTarget::Map { key, map } => {
            load_key(out, key);
            lookup(out, map, Some(FIRST), Compare::Equal);
            nat(out, NAT_DESTINATION, family, Some(after));
        }
    }
}

fn nat(out: &mut Writer, kind: u32, family: Family, port: Option<u32>) {
    expression(out, "nat", |e| {
        e.number(1, kind);
        e.number(2, u32::from(family.number()));
        e.number(3, FIRST);
        if let Some(port) = port {
            e.number(5, port);
        }
    });
}
