//! Errors of the store.

use std::{error::Error, sync::Arc};

use crate::model::Revision;

/// Why the store did not do what it was asked to. Cheap to clone: one failed commit answers many writers.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The revision is older than what is kept (etcd's `ErrCompacted`).
    #[error("required revision {requested} has been compacted, the oldest is {oldest}")]
    Compacted {
        /// Revision asked for.
        requested: Revision,
        /// Oldest revision that can still be read.
        oldest: Revision,
    },
    /// The revision does not exist yet (etcd's `ErrFutureRev`).
    #[error("required revision {requested} is a future revision, the newest is {newest}")]
    Future {
        /// Revision asked for.
        requested: Revision,
        /// Newest revision.
        newest: Revision,
    },
    /// A watcher did not take its events in time and was cut off.
    #[error("watcher was too slow and has been cut off")]
    Lagged,
    /// The store has been shut down.
    #[error("store is closed")]
    Closed,
    /// A record cannot be read back.
    #[error("record of {key:?} at revision {revision} is damaged")]
    Damaged {
        /// Key of the record.
        key: String,
        /// Revision of the record.
        revision: Revision,
    },
    /// The engine failed: the disk is full, the file is unreadable, or the like.
    #[error("{operation}: {source}")]
    Engine {
        /// What was being done.
        operation: &'static str,
        /// The engine's own error.
        source: Arc<dyn Error + Send + Sync>,
    },
}

impl StoreError {
    /// Wraps an engine's error.
    pub(crate) fn engine<E: Error + Send + Sync + 'static>(
        operation: &'static str,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self::Engine { operation, source: Arc::new(source) }
    }
}
