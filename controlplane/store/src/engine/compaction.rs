//! Compaction: forgetting versions that were replaced, and deletions, up to a revision.
//!
//! It runs in the committer's own commits, a bounded step in each, so that writers never wait long for it.

use redb::{ReadableTable, WriteTransaction};
use tokio::sync::oneshot;

use super::tables::{LOG, META, META_COMPACTED, Record, VERSIONS, latest, versions_of};
use crate::{error::StoreError, model::Revision};

/// Log entries handled in one commit.
const STEP: usize = 1024;

/// A compaction under way.
pub(super) struct Compaction {
    target: Revision,
    waiting: Vec<oneshot::Sender<Result<(), StoreError>>>,
}

/// How far a step came.
pub(super) struct Progress {
    finished: bool,
}

impl Compaction {
    pub(super) fn new(target: Revision, reply: oneshot::Sender<Result<(), StoreError>>) -> Self {
        Self { target, waiting: vec![reply] }
    }

    /// A compaction that a crash interrupted.
    pub(super) fn resumed(target: Revision) -> Self {
        Self { target, waiting: Vec::new() }
    }

    /// Moves the target of a running compaction forward.
    pub(super) fn extend(mut self, target: Revision, reply: oneshot::Sender<Result<(), StoreError>>) -> Self {
        self.target = self.target.max(target);
        self.waiting.push(reply);
        self
    }

    /// Takes note of a durable step; `None` when there is nothing left to do.
    pub(super) fn advance(self, progress: Progress) -> Option<Self> {
        if !progress.finished {
            return Some(self);
        }
        for reply in self.waiting {
            let _gone = reply.send(Ok(()));
        }
        None
    }

    pub(super) fn fail(self, error: StoreError) {
        for reply in self.waiting {
            let _gone = reply.send(Err(error.clone()));
        }
    }
}

/// Removes what the oldest log entries up to the target make superfluous, and the entries.
pub(super) fn step(write: &WriteTransaction, compaction: &Compaction) -> Result<Progress, StoreError> {
    let mut versions = write.open_table(VERSIONS).map_err(StoreError::engine("open versions"))?;
    let mut log = write.open_table(LOG).map_err(StoreError::engine("open log"))?;
    let mut meta = write.open_table(META).map_err(StoreError::engine("open meta"))?;
    meta.insert(META_COMPACTED, compaction.target).map_err(StoreError::engine("write compacted"))?;
    let mut entries = Vec::with_capacity(STEP);
    for entry in log.range(..=(compaction.target, u32::MAX)).map_err(StoreError::engine("read log"))? {
        let (place, key) = entry.map_err(StoreError::engine("read log"))?;
        entries.push((place.value(), key.value().to_owned()));
        if entries.len() == STEP {
            break;
        }
    }
    for (place, key) in &entries {
        // What stays is the last version up to the target, unless it is a deletion.
        if let Some((newest, record)) = latest(&versions, key, compaction.target)? {
            let end = if record == Record::Tombstone { newest } else { newest.saturating_sub(1) };
            let superfluous: Vec<u64> = versions
                .range(versions_of(key, 0..=end))
                .map_err(StoreError::engine("read versions"))?
                .map(|entry| entry.map(|(found, _)| found.value().1))
                .collect::<Result<_, _>>()
                .map_err(StoreError::engine("read version"))?;
            for revision in superfluous {
                versions.remove((key.as_str(), revision)).map_err(StoreError::engine("remove version"))?;
            }
        }
        log.remove(place).map_err(StoreError::engine("remove log entry"))?;
    }
    Ok(Progress { finished: entries.len() < STEP })
}
