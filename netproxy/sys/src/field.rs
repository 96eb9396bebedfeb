//! Packet fields that sets, maps and comparisons are made of.
//!
//! For each: how a rule loads it, its length, and how `nft(8)` names it. The name travels twice: as a data type
//! number (`datatype.h` of nftables, six bits a field when joined) and as an expression in the set's userdata, without
//! which `nft` cannot list a set whose type has no fixed length.

use std::num::NonZeroU32;

use crate::userdata::Userdata;

/// A field of a packet or of its context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// `ip saddr`: IPv4 source address.
    Ip4Saddr,
    /// `ip daddr`: IPv4 destination address.
    Ip4Daddr,
    /// `ip6 saddr`: IPv6 source address.
    Ip6Saddr,
    /// `ip6 daddr`: IPv6 destination address.
    Ip6Daddr,
    /// `meta l4proto`: transport protocol number.
    L4Proto,
    /// `th sport`: source port of TCP, UDP or SCTP.
    Sport,
    /// `th dport`: destination port of TCP, UDP or SCTP.
    Dport,
    /// `iifname`: name of the interface that the packet came in by.
    IifName,
    /// `oifname`: name of the interface that the packet leaves by.
    OifName,
    /// `iif`: index of the interface that the packet came in by.
    Iif,
    /// `oif`: index of the interface that the packet leaves by.
    Oif,
    /// `meta mark`: the packet mark.
    Mark,
    /// `numgen random mod N`: a random number below the modulus.
    Random(NonZeroU32),
}

/// How a rule puts a field into a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// Bytes of the network (1) or transport (2) header at an offset.
    Payload { base: u32, offset: u32 },
    /// A key of `enum nft_meta_keys`.
    Meta(u32),
    /// `numgen random` with its modulus.
    Random(u32),
}

/// Byte order tags of nftables' userdata (`enum byteorder`).
const BIG_ENDIAN: u32 = 2;
const HOST_ENDIAN: u32 = 1;
const NO_ORDER: u32 = 0;

/// Expression types of nftables' userdata (`enum expr_types`).
const EXPR_PAYLOAD: u32 = 7;
const EXPR_META: u32 = 9;
const EXPR_CONCAT: u32 = 13;
const EXPR_NUMGEN: u32 = 23;

/// Header descriptions of nftables' userdata (`enum proto_desc_id`).
const DESC_TH: u32 = 11;
const DESC_IP: u32 = 12;
const DESC_IP6: u32 = 13;

const META_MARK: u32 = 3;
const META_IIF: u32 = 4;
const META_OIF: u32 = 5;
const META_IIFNAME: u32 = 6;
const META_OIFNAME: u32 = 7;
const META_L4PROTO: u32 = 16;

const NUMGEN_RANDOM: u32 = 1;

impl Field {
    /// Length in bytes when alone.
    #[must_use]
    pub fn length(self) -> u32 {
        match self {
            Self::Ip6Saddr | Self::Ip6Daddr | Self::IifName | Self::OifName => 16,
            Self::L4Proto => 1,
            Self::Sport | Self::Dport => 2,
            Self::Ip4Saddr | Self::Ip4Daddr | Self::Iif | Self::Oif | Self::Mark | Self::Random(_) => 4,
        }
    }

    pub(crate) fn load(self) -> Load {
        let network = |offset| Load::Payload { base: 1, offset };
        let transport = |offset| Load::Payload { base: 2, offset };
        match self {
            Self::Ip4Saddr => network(12),
            Self::Ip4Daddr => network(16),
            Self::Ip6Saddr => network(8),
            Self::Ip6Daddr => network(24),
            Self::Sport => transport(0),
            Self::Dport => transport(2),
            Self::L4Proto => Load::Meta(META_L4PROTO),
            Self::IifName => Load::Meta(META_IIFNAME),
            Self::OifName => Load::Meta(META_OIFNAME),
            Self::Iif => Load::Meta(META_IIF),
            Self::Oif => Load::Meta(META_OIF),
            Self::Mark => Load::Meta(META_MARK),
            Self::Random(modulus) => Load::Random(modulus.get()),
        }
    }

    /// nftables' data type number (`enum datatypes`).
    fn data_type(self) -> u32 {
        match self {
            Self::Random(_) => 4,
            Self::Ip4Saddr | Self::Ip4Daddr => 7,
            Self::Ip6Saddr | Self::Ip6Daddr => 8,
            Self::L4Proto => 12,
            Self::Sport | Self::Dport => 13,
            Self::Mark => 19,
            Self::Iif | Self::Oif => 20,
            Self::IifName | Self::OifName => 41,
        }
    }

    fn byte_order(self) -> u32 {
        match self {
            Self::IifName | Self::OifName | Self::Iif | Self::Oif | Self::Mark | Self::Random(_) => {
                HOST_ENDIAN
            }
            _ => BIG_ENDIAN,
        }
    }

    /// The field as a `typeof` expression: its type and the numbers that describe it.
    fn expression(self) -> (u32, Userdata) {
        let payload =
            |description, field| (EXPR_PAYLOAD, Userdata::default().number(0, description).number(1, field));
        match self {
            Self::Ip4Saddr => payload(DESC_IP, 11),
            Self::Ip4Daddr => payload(DESC_IP, 12),
            Self::Ip6Saddr => payload(DESC_IP6, 8),
            Self::Ip6Daddr => payload(DESC_IP6, 9),
            Self::Sport => payload(DESC_TH, 1),
            Self::Dport => payload(DESC_TH, 2),
            Self::Random(modulus) => {
                let numbers =
                    Userdata::default().number(0, NUMGEN_RANDOM).number(1, modulus.get()).number(2, 0);
                (EXPR_NUMGEN, numbers)
            }
            Self::L4Proto | Self::IifName | Self::OifName | Self::Iif | Self::Oif | Self::Mark => {
                let key = match self.load() {
                    Load::Meta(key) => key,
                    Load::Payload { .. } | Load::Random(_) => 0,
                };
                (EXPR_META, Userdata::default().number(0, key))
            }
        }
    }
}

/// Length of the key that `fields` form.
pub(crate) fn key_length(fields: &[Field]) -> u32 {
    match fields {
        [single] => single.length(),
        several => several.iter().map(|field| field.length().next_multiple_of(4)).sum(),
    }
}

/// Data type number of the key that `fields` form: six bits each.
pub(crate) fn key_type(fields: &[Field]) -> u32 {
    fields.iter().fold(0, |joined, field| (joined << 6) | field.data_type())
}

/// Byte order tag of the key that `fields` form: a joined one has none.
pub(crate) fn key_order(fields: &[Field]) -> u32 {
    match fields {
        [single] => single.byte_order(),
        _ => NO_ORDER,
    }
}

/// The `typeof` expression of the key that `fields` form (`set_make_key` of nftables reads it back).
pub(crate) fn key_typeof(fields: &[Field]) -> Userdata {
    let (kind, data) = match fields {
        [single] => single.expression(),
        several => {
            let parts = (0u8..).zip(several).fold(Userdata::default(), |parts, (index, field)| {
                let (kind, data) = field.expression();
                parts.nested(index, &Userdata::default().number(0, kind).nested(1, &data))
            });
            (EXPR_CONCAT, parts)
        }
    };
    Userdata::default().number(0, kind).nested(1, &data)
}
