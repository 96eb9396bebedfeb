//! Rules: a row of statements, each a test, an action or a verdict. Registers are assigned when they are encoded.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use crate::field::Field;
use crate::object::Family;
use crate::value::Value;

/// Where a packet goes from here.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Leaves this base chain; other hooks still see it.
    Accept,
    /// Is gone.
    Drop,
    /// Back to the rule after the jump that led here; in a base chain the policy.
    Return,
    /// Into a chain, and back afterwards.
    Jump(String),
    /// Into a chain, not back.
    Goto(String),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accept => f.write_str("accept"),
            Self::Drop => f.write_str("drop"),
            Self::Return => f.write_str("return"),
            Self::Jump(chain) => write!(f, "jump {chain}"),
            Self::Goto(chain) => write!(f, "goto {chain}"),
        }
    }
}

/// How a field is compared with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// Is the same.
    Equal,
    /// Differs.
    NotEqual,
}

/// States of a packet within its connection, as a bit mask (`ct state`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CtState(u32);

impl CtState {
    /// Belongs to no connection, and begins none.
    pub const INVALID: Self = Self(1);
    /// Of a connection seen in both directions.
    pub const ESTABLISHED: Self = Self(2);
    /// Begins a connection that another one announced.
    pub const RELATED: Self = Self(4);
    /// Begins a connection.
    pub const NEW: Self = Self(8);

    /// Either of two.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn bits(self) -> u32 {
        self.0
    }
}

/// Which address of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// Its source.
    Source,
    /// Its destination.
    Destination,
}

/// What a refused packet's sender is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reject {
    /// ICMP port unreachable: what a closed UDP port answers, and `ECONNREFUSED` for TCP too.
    PortUnreachable,
    /// A TCP reset; the packet must be TCP.
    TcpReset,
}

/// Where a connection is translated to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NatTarget {
    /// A fixed address and, unless the port stays, port. A port needs a test of `meta l4proto` earlier in the rule.
    Fixed(IpAddr, Option<u16>),
    /// The address and port that a map of `address . port` gives for these fields. Where it has none the rule ends.
    Map {
        /// Fields of the key.
        key: Vec<Field>,
        /// Name of the map.
        map: String,
    },
}

/// One step of a rule. A test that fails ends the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// The packet is of this family (`meta nfproto`): goes before address fields in an [`Family::Inet`] table.
    Protocol(Family),
    /// A field against a value.
    Field(Field, Compare, Value),
    /// An address within a network.
    Network(Address, Compare, IpNet),
    /// The packet mark, masked, against a value.
    Mark {
        /// Bits that count.
        mask: u32,
        /// Comparison.
        compare: Compare,
        /// What they are compared with.
        value: u32,
    },
    /// The packet is in one of these states.
    CtState(CtState),
    /// The connection's destination was translated (`ct status dnat`).
    CtDestinationTranslated,
    /// An address is one of this host's own (`fib … type local`), or is not.
    Local(Address, Compare),
    /// The fields are in a set, or are not.
    InSet {
        /// Fields of the key.
        key: Vec<Field>,
        /// Comparison.
        compare: Compare,
        /// Name of the set.
        set: String,
    },
    /// The verdict that a map has for the fields; goes on where it has none.
    VerdictMap {
        /// Fields of the key.
        key: Vec<Field>,
        /// Name of the map.
        map: String,
    },
    /// Adds an element to a dynamic set, or renews its life.
    Update {
        /// Name of the set or map.
        set: String,
        /// Fields of the key.
        key: Vec<Field>,
        /// In maps: the value.
        data: Option<Value>,
        /// Life of the element; the set's when none.
        timeout: Option<Duration>,
    },
    /// Counts packets and bytes.
    Counter,
    /// Sets the packet mark to `(mark & keep) ^ flip`.
    SetMark {
        /// Bits that stay.
        keep: u32,
        /// Bits that are turned over afterwards.
        flip: u32,
    },
    /// Ends or redirects the packet's way.
    Verdict(Verdict),
    /// Translates the destination.
    DestinationNat(Family, NatTarget),
    /// Translates the source to a fixed address.
    SourceNat(IpAddr),
    /// Translates the source to the address of the interface that the packet leaves by.
    Masquerade {
        /// Draws the source port at random, against collisions of parallel connections.
        fully_random: bool,
    },
    /// Refuses the packet.
    Reject(Reject),
}

impl From<Verdict> for Statement {
    fn from(verdict: Verdict) -> Self {
        Self::Verdict(verdict)
    }
}

/// A row of statements, run in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// The steps.
    pub statements: Vec<Statement>,
    /// Text for `nft list`, up to 127 bytes.
    pub comment: Option<String>,
}

impl Rule {
    /// A rule of these steps.
    pub fn new(statements: impl IntoIterator<Item = Statement>) -> Self {
        Self { statements: statements.into_iter().collect(), comment: None }
    }

    /// The same rule with a text for `nft list`.
    #[must_use]
    pub fn with_comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(comment.into());
        self
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, statement) in self.statements.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            write!(f, "{statement}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Compare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Equal { "==" } else { "!=" })
    }
}

impl fmt::Display for Statement {
    /// Close to nft's language, with values in hexadecimal: for logs and golden tests.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol(family) => write!(f, "nfproto {family}"),
            Self::Field(field, compare, value) => write!(f, "{field:?} {compare} {value}"),
            Self::Network(address, compare, network) => write!(f, "{address:?} {compare} {network}"),
            Self::Mark { mask, compare, value } => write!(f, "mark & {mask:#x} {compare} {value:#x}"),
            Self::CtState(state) => write!(f, "ct state {:#x}", state.0),
            Self::CtDestinationTranslated => f.write_str("ct status dnat"),
            Self::Local(address, compare) => write!(f, "fib {address:?} type {compare} local"),
            Self::InSet { key, compare, set } => write!(f, "{key:?} {compare} @{set}"),
            Self::VerdictMap { key, map } => write!(f, "{key:?} vmap @{map}"),
            Self::Update { set, key, .. } => write!(f, "update @{set} {key:?}"),
            Self::Counter => f.write_str("counter"),
            Self::SetMark { keep, flip } => write!(f, "mark = (mark & {keep:#x}) ^ {flip:#x}"),
            Self::Verdict(verdict) => write!(f, "{verdict}"),
            Self::DestinationNat(_, NatTarget::Fixed(address, port)) => {
                write!(f, "dnat to {address}")?;
                port.map_or(Ok(()), |port| write!(f, " . {port}"))
            }
            Self::DestinationNat(_, NatTarget::Map { key, map }) => {
                write!(f, "dnat to {key:?} map @{map}")
            }
            Self::SourceNat(address) => write!(f, "snat to {address}"),
            Self::Masquerade { fully_random } => {
                f.write_str(if *fully_random { "masquerade fully-random" } else { "masquerade" })
            }
            Self::Reject(Reject::PortUnreachable) => f.write_str("reject"),
            Self::Reject(Reject::TcpReset) => f.write_str("reject with tcp reset"),
        }
    }
}
