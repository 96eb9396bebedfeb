//! The seam between the API server and the engine that keeps its objects.

use async_trait::async_trait;

use crate::{
    error::StoreError,
    model::{RangeRequest, RangeResponse, Revision, Txn, TxnOutcome},
    watch::Watch,
};

/// A store with etcd's semantics.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Newest durable revision. Every transaction acknowledged before the call is included.
    fn revision(&self) -> Revision;

    /// Reads keys as of one revision.
    ///
    /// # Errors
    /// [`StoreError::Compacted`], [`StoreError::Future`], or the engine's failure.
    async fn range(&self, request: RangeRequest) -> Result<RangeResponse, StoreError>;

    /// Runs a transaction and returns once it is durable.
    ///
    /// # Errors
    /// [`StoreError::Closed`], or the engine's failure: then nothing of the transaction has happened.
    async fn txn(&self, txn: Txn) -> Result<TxnOutcome, StoreError>;

    /// Every change of a key with `prefix` from revision `from` on: first history, then live.
    ///
    /// # Errors
    /// [`StoreError::Compacted`] if `from` is older than what is kept, or the engine's failure.
    async fn watch(&self, prefix: &str, from: Revision) -> Result<Watch, StoreError>;

    /// Forgets what was replaced or deleted at or before `revision`. The state as of `revision` stays readable.
    ///
    /// # Errors
    /// [`StoreError::Compacted`] if that has been done, [`StoreError::Future`], or the engine's failure.
    async fn compact(&self, revision: Revision) -> Result<(), StoreError>;
}
