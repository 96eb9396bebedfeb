//! The store of the control plane: a small trait with etcd's semantics, and the embedded engine behind it.
//!
//! * [`Store`]: `range(revision) · txn(compare mod revision) · watch(from revision) · compact`.
//! * [`RedbStore`]: one file, one committer thread that groups concurrent transactions into one durable commit.
//!
//! Invariants every engine keeps:
//!
//! * revisions are global, start at 1 and grow by one per transaction that changed something;
//! * nothing is acknowledged, and no watcher is told of it, before it is durable;
//! * a watcher sees every change after its first revision, once, in revision order, or an error that says it did not;
//! * history older than the last compaction is gone and asking for it is [`StoreError::Compacted`].

mod engine;
mod error;
mod model;
mod store;
mod watch;

pub use engine::{RedbConfig, RedbStore};
pub use error::StoreError;
pub use model::{
    Compare, Event, EventKind, KeyValue, Operation, RangeRequest, RangeResponse, Revision, Txn, TxnOutcome,
};
pub use store::Store;
pub use watch::Watch;
