//! nf_tables, conntrack entries and routes over netlink, as typed values.
//!
//! A [`Batch`] is a list of changes that the kernel applies as one transaction: all of it or nothing, and no packet
//! sees half of it. It is a plain value, so callers can compare and print it ([`std::fmt::Display`] writes one line per
//! change). [`Nftables`] sends it and says which change was refused.
//!
//! Sets and maps are declared by the packet fields that form their key ([`Field`]). From those the `typeof` userdata
//! is written with which `nft(8)` (1.0.6 of Debian 12 and newer) lists, exports and reloads what is installed here.
//!
//! Every call is a short blocking system call on a socket that belongs to the network namespace of the thread that
//! opened it; asynchronous callers use `spawn_blocking`.
//!
//! Sources: `linux/netfilter/nf_tables.h`, `linux/netfilter/nfnetlink_conntrack.h`, `linux/rtnetlink.h`, netlink(7).

mod attribute;
mod batch;
mod conntrack;
mod dump;
mod encode;
mod error;
mod expression;
mod field;
mod nftables;
mod object;
mod route;
mod rule;
mod socket;
mod userdata;
mod value;

pub use batch::{Batch, Change, TableBatch};
pub use conntrack::{Conntrack, Flow, FlowEnd};
pub use dump::{ChainRecord, RuleRecord, SetRecord, TableRecord};
pub use error::{Error, Refusal};
pub use field::Field;
pub use nftables::Nftables;
pub use object::{BaseChain, Chain, ChainKind, Element, Family, Hook, MapData, Policy, Set, Table, priority};
pub use route::{Route, Routes};
pub use rule::{Address, Compare, CtState, NatTarget, Reject, Rule, Statement, Verdict};
pub use value::Value;
