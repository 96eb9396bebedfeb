//! Tables, chains, sets and their elements.

use std::fmt;
use std::time::Duration;

use crate::field::Field;
use crate::rule::Verdict;
use crate::value::Value;

/// The packets that a table sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4 (`ip`).
    Ip,
    /// IPv6 (`ip6`).
    Ip6,
    /// IPv4 and IPv6 (`inet`).
    Inet,
}

impl Family {
    /// `NFPROTO_*`.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Inet => 1,
            Self::Ip => 2,
            Self::Ip6 => 10,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ip => "ip",
            Self::Ip6 => "ip6",
            Self::Inet => "inet",
        })
    }
}

/// A table: a name in a family.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Table {
    /// Packets that it sees.
    pub family: Family,
    /// Name, unique in its family and network namespace.
    pub name: String,
}

impl Table {
    /// A table in a family.
    pub fn new(family: Family, name: impl Into<String>) -> Self {
        Self { family, name: name.into() }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.family, self.name)
    }
}

/// Priorities of base chains by their usual names (nft(8), "Standard priority names").
pub mod priority {
    /// Before everything that looks at connections.
    pub const RAW: i32 = -300;
    /// Destination NAT in prerouting (and, written as a number, in output).
    pub const DSTNAT: i32 = -100;
    /// Filtering.
    pub const FILTER: i32 = 0;
    /// Source NAT in postrouting.
    pub const SRCNAT: i32 = 100;
}

/// What a base chain is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainKind {
    /// Any decision on packets.
    Filter,
    /// Address translation: sees the first packet of each connection only.
    Nat,
    /// Re-routing of locally made packets whose mark or header changed (output only).
    Route,
}

impl ChainKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Nat => "nat",
            Self::Route => "route",
        }
    }
}

/// Where in the IP stack a base chain runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// Before the routing decision.
    Prerouting,
    /// To this host.
    Input,
    /// Through this host.
    Forward,
    /// From this host.
    Output,
    /// After the routing decision.
    Postrouting,
}

impl Hook {
    /// `enum nf_inet_hooks`.
    pub(crate) fn number(self) -> u32 {
        match self {
            Self::Prerouting => 0,
            Self::Input => 1,
            Self::Forward => 2,
            Self::Output => 3,
            Self::Postrouting => 4,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Prerouting => "prerouting",
            Self::Input => "input",
            Self::Forward => "forward",
            Self::Output => "output",
            Self::Postrouting => "postrouting",
        }
    }
}

/// What happens to a packet that no rule of a base chain decided on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// It goes on.
    Accept,
    /// It is dropped.
    Drop,
}

/// How a chain is attached to the IP stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BaseChain {
    /// What it is for.
    pub kind: ChainKind,
    /// Where it runs.
    pub hook: Hook,
    /// Order among chains of the same hook, lowest first.
    pub priority: i32,
    /// What happens to undecided packets.
    pub policy: Policy,
}

/// A chain of rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Name, unique in the table.
    pub name: String,
    /// Its place in the IP stack; none for one that is only jumped to.
    pub base: Option<BaseChain>,
}

impl Chain {
    /// A chain that is reached by jump and goto.
    pub fn regular(name: impl Into<String>) -> Self {
        Self { name: name.into(), base: None }
    }

    /// A chain that the IP stack calls; undecided packets are accepted.
    pub fn base(name: impl Into<String>, kind: ChainKind, hook: Hook, priority: i32) -> Self {
        let base = BaseChain { kind, hook, priority, policy: Policy::Accept };
        Self { name: name.into(), base: Some(base) }
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match self.base {
            None => Ok(()),
            Some(BaseChain { kind, hook, priority, policy }) => {
                let policy = if policy == Policy::Drop { "drop" } else { "accept" };
                write!(
                    f,
                    " {{ type {} hook {} priority {priority}; policy {policy}; }}",
                    kind.name(),
                    hook.name()
                )
            }
        }
    }
}

/// What a map gives back for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MapData {
    /// Values of these fields.
    Fields(Vec<Field>),
    /// Verdicts.
    Verdict,
}

/// A set or, with data, a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// Name, unique among the table's sets and maps.
    pub name: String,
    /// Fields of the key.
    pub key: Vec<Field>,
    /// For a map: what it gives back.
    pub data: Option<MapData>,
    /// Holds ranges of one field ([`Element::range`]) in place of single values.
    pub interval: bool,
    /// Lets rules add elements ([`crate::Statement::Update`]), up to `size`.
    pub dynamic: bool,
    /// Lets elements expire: life of those that do not say otherwise.
    pub timeout: Option<Duration>,
    /// Most elements; dynamic sets need one (nft takes 65,535).
    pub size: Option<u32>,
    /// Text for `nft list`.
    pub comment: Option<String>,
}

impl Set {
    /// A set of keys of these fields.
    pub fn new(name: impl Into<String>, key: &[Field]) -> Self {
        Self {
            name: name.into(),
            key: key.to_vec(),
            data: None,
            interval: false,
            dynamic: false,
            timeout: None,
            size: None,
            comment: None,
        }
    }

    /// A map from keys to values of the `data` fields.
    pub fn map(name: impl Into<String>, key: &[Field], data: &[Field]) -> Self {
        Self { data: Some(MapData::Fields(data.to_vec())), ..Self::new(name, key) }
    }

    /// A map from keys to verdicts.
    pub fn verdict_map(name: impl Into<String>, key: &[Field]) -> Self {
        Self { data: Some(MapData::Verdict), ..Self::new(name, key) }
    }

    /// The same set holding ranges of its one field.
    #[must_use]
    pub fn with_intervals(mut self) -> Self {
        self.interval = true;
        self
    }

    /// The same set filled by rules, elements living `timeout` unless their rule says otherwise.
    #[must_use]
    pub fn dynamic(mut self, size: u32, timeout: Duration) -> Self {
        self.dynamic = true;
        self.size = Some(size);
        self.timeout = Some(timeout);
        self
    }

    /// The same set with a text for `nft list`.
    #[must_use]
    pub fn with_comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(comment.into());
        self
    }
}

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.name, self.key)?;
        match &self.data {
            None => {}
            Some(MapData::Fields(fields)) => write!(f, " : {fields:?}")?,
            Some(MapData::Verdict) => f.write_str(" : verdict")?,
        }
        if self.interval {
            f.write_str(" interval")?;
        }
        if self.dynamic {
            f.write_str(" dynamic")?;
        }
        if let Some(timeout) = self.timeout {
            write!(f, " timeout {}s", timeout.as_secs())?;
        }
        Ok(())
    }
}

/// An element of a set or map.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Element {
    /// The key, as long as the set's fields say.
    pub key: Value,
    /// In maps of values: the value.
    pub data: Option<Value>,
    /// In maps of verdicts: the verdict.
    pub verdict: Option<Verdict>,
    /// In interval sets: the first key after the range; none if the range reaches the last key there is.
    pub end: Option<Value>,
    /// Life of this element in a set with a timeout, where it differs from the set's.
    pub timeout: Option<Duration>,
}

impl Element {
    /// An element of a set.
    #[must_use]
    pub fn key(key: Value) -> Self {
        Self { key, data: None, verdict: None, end: None, timeout: None }
    }

    /// An element of a map of values.
    #[must_use]
    pub fn pair(key: Value, data: Value) -> Self {
        Self { data: Some(data), ..Self::key(key) }
    }

    /// An element of a verdict map.
    #[must_use]
    pub fn verdict(key: Value, verdict: Verdict) -> Self {
        Self { verdict: Some(verdict), ..Self::key(key) }
    }

    /// A range of an interval set, from `first` up to but without `end`.
    #[must_use]
    pub fn range(first: Value, end: Option<Value>) -> Self {
        Self { end, ..Self::key(first) }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.key)?;
        if let Some(end) = &self.end {
            write!(f, "..{end}")?;
        }
        if let Some(data) = &self.data {
            write!(f, " : {data}")?;
        }
        if let Some(verdict) = &self.verdict {
            write!(f, " : {verdict}")?;
        }
        Ok(())
    }
}
