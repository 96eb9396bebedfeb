//! The nf_tables side: how frontends and endpoints lie in sets and maps, and which transaction a change takes.

mod adopt;
mod balance;
mod encode;
mod installed;
mod layout;
mod sticky;

pub use adopt::adopt;
pub use balance::{arrange, slots_for};
pub use installed::Installed;
pub use layout::Layout;
