//! The embedded engine: a redb file written by one committer thread.
//!
//! Tables: `versions` holds every kept version of every key under (key, revision), `log` the keys changed at
//! (revision, place in the transaction), `meta` the newest and the oldest revision. A key's state at a revision is its
//! last version not newer than it; a deletion is a version without a value.
//!
//! Reads are redb read transactions (copy on write), so they never wait for the committer.

mod committer;
mod compaction;
mod redb_store;
mod tables;

pub use redb_store::{RedbConfig, RedbStore};

#[cfg(test)]
mod tests;
