//! The one writer: takes transactions from a queue and makes each batch durable in one commit.
//!
//! While a commit waits for the disk the next transactions gather in the queue, so the batch grows with the load. The
//! order within a batch is the order of arrival; a transaction sees those before it. After a commit first the watchers
//! are told, then the writers are answered.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use redb::{Database, Durability, Table, WriteTransaction};
use tokio::sync::{mpsc, oneshot};

use super::{
    compaction::{self, Compaction},
    tables::{LOG, META, META_REVISION, Record, VERSIONS, latest},
};
use crate::{
    error::StoreError,
    model::{Event, Operation, Revision, Txn, TxnOutcome},
    watch::Hub,
};

/// Transactions in one commit at most.
const BATCH: usize = 2048;

/// Something for the committer to do.
pub(super) enum Job {
    /// Run a transaction.
    Txn(Txn, oneshot::Sender<Result<TxnOutcome, StoreError>>),
    /// Forget old history.
    Compact(Revision, oneshot::Sender<Result<(), StoreError>>),
}

/// What the committer shares with readers.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Newest durable revision.
    pub(super) revision: AtomicU64,
    /// Revision up to which history is gone.
    pub(super) compacted: AtomicU64,
    /// Watchers.
    pub(super) hub: Hub,
}

/// The committer's thread.
pub(super) struct Committer {
    pub(super) database: Arc<Database>,
    pub(super) shared: Arc<Shared>,
    pub(super) jobs: mpsc::Receiver<Job>,
    pub(super) compaction: Option<Compaction>,
}

type TxnReply = (oneshot::Sender<Result<TxnOutcome, StoreError>>, TxnOutcome);

impl Committer {
    /// Works until all senders are gone.
    pub(super) fn run(mut self) {
        let mut batch = Vec::new();
        loop {
            // With a compaction under way there is always work, so only look.
            if self.compaction.is_none() {
                match self.jobs.blocking_recv() {
                    Some(job) => batch.push(job),
                    None => break,
                }
            }
            while batch.len() < BATCH {
                match self.jobs.try_recv() {
                    Ok(job) => batch.push(job),
                    Err(_) => break,
                }
            }
            self.work(batch.drain(..));
        }
        self.shared.hub.close();
    }

    fn work(&mut self, batch: impl Iterator<Item = Job>) {
        let mut txns = Vec::new();
        for job in batch {
            match job {
                Job::Txn(txn, reply) => txns.push((txn, reply)),
                Job::Compact(revision, reply) => self.begin_compaction(revision, reply),
            }
        }
        let (transactions, replies): (Vec<_>, Vec<_>) = txns.into_iter().unzip();
        match self.commit(&transactions) {
            Ok((events, outcomes)) => {
                if !events.is_empty() {
                    self.shared.hub.publish(events);
                }
                let answered: Vec<TxnReply> = replies.into_iter().zip(outcomes).collect();
                for (reply, outcome) in answered {
                    // The writer may have gone away; its change stands.
                    let _gone = reply.send(Ok(outcome));
                }
            }
            Err(error) => {
                tracing::error!(%error, transactions = transactions.len(), "commit failed");
                for reply in replies {
                    let _gone = reply.send(Err(error.clone()));
                }
                if let Some(compaction) = self.compaction.take() {
                    compaction.fail(error);
                }
            }
        }
    }

    /// Runs the transactions and makes them durable together; nothing of them has happened on error.
    fn commit(&mut self, txns: &[Txn]) -> Result<(Vec<Event>, Vec<TxnOutcome>), StoreError> {
        let mut write = self.database.begin_write().map_err(StoreError::engine("begin commit"))?;
        write.set_durability(Durability::Immediate).map_err(StoreError::engine("set durability"))?;
        let before = self.shared.revision.load(Ordering::Acquire);
        let (revision, events, outcomes) = apply(&write, txns, before)?;
        let progress = match &self.compaction {
            Some(compaction) => Some(compaction::step(&write, compaction)?),
            None => None,
        };
        if revision == before && progress.is_none() {
            write.abort().map_err(StoreError::engine("abort"))?;
            return Ok((events, outcomes));
        }
        write.commit().map_err(StoreError::engine("commit"))?;
        self.shared.revision.store(revision, Ordering::Release);
        if let Some(progress) = progress {
            self.compaction = self.compaction.take().and_then(|compaction| compaction.advance(progress));
        }
        Ok((events, outcomes))
    }

    fn begin_compaction(&mut self, revision: Revision, reply: oneshot::Sender<Result<(), StoreError>>) {
        let newest = self.shared.revision.load(Ordering::Acquire);
        let oldest = self.shared.compacted.load(Ordering::Acquire);
        let refused = if revision > newest {
            Some(StoreError::Future { requested: revision, newest })
        } else if revision <= oldest {
            Some(StoreError::Compacted { requested: revision, oldest })
        } else {
            None
        };
        if let Some(error) = refused {
            let _gone = reply.send(Err(error));
            return;
        }
        // Readers are turned away before anything is removed.
        self.shared.compacted.store(revision, Ordering::Release);
        match self.compaction.take() {
            Some(running) => self.compaction = Some(running.extend(revision, reply)),
            None => self.compaction = Some(Compaction::new(revision, reply)),
        }
    }
}

type Versions<'t> = Table<'t, (&'static str, u64), &'static [u8]>;

/// Runs `txns` in order within one write transaction.
fn apply(
    write: &WriteTransaction,
    txns: &[Txn],
    before: Revision,
) -> Result<(Revision, Vec<Event>, Vec<TxnOutcome>), StoreError> {
    let mut versions = write.open_table(VERSIONS).map_err(StoreError::engine("open versions"))?;
    let mut log = write.open_table(LOG).map_err(StoreError::engine("open log"))?;
    let mut revision = before;
    let mut events = Vec::with_capacity(txns.len());
    let mut outcomes = Vec::with_capacity(txns.len());
    for txn in txns {
        if let Some(conflict) = first_conflict(&versions, txn)? {
            outcomes.push(conflict);
            continue;
        }
        let next = revision + 1;
        let mut place = 0;
        for operation in &txn.operations {
            let Some(event) = run_operation(&mut versions, operation, next)? else { continue };
            log.insert((next, place), event.key.as_str()).map_err(StoreError::engine("write log"))?;
            place += 1;
            events.push(event);
        }
        if place > 0 {
            revision = next;
        }
        outcomes.push(TxnOutcome::Committed(revision));
    }
    if revision != before {
        let mut meta = write.open_table(META).map_err(StoreError::engine("open meta"))?;
        meta.insert(META_REVISION, revision).map_err(StoreError::engine("write revision"))?;
    }
    Ok((revision, events, outcomes))
}

fn first_conflict(versions: &Versions<'_>, txn: &Txn) -> Result<Option<TxnOutcome>, StoreError> {
    for compare in &txn.compares {
        let current = latest(versions, &compare.key, u64::MAX)?
            .and_then(|(revision, record)| record.into_key_value(&compare.key, revision));
        if current.as_ref().map_or(0, |kv| kv.mod_revision) != compare.mod_revision {
            return Ok(Some(TxnOutcome::Conflict { key: compare.key.clone(), current }));
        }
    }
    Ok(None)
}

/// Writes one version; `None` if there is nothing to delete.
fn run_operation(
    versions: &mut Versions<'_>,
    operation: &Operation,
    revision: Revision,
) -> Result<Option<Event>, StoreError> {
    let (key, record) = match operation {
        Operation::Put { key, value } => {
            let (create_revision, version) = match latest(versions, key, u64::MAX)? {
                Some((_, Record::Value { create_revision, version, .. })) => (create_revision, version + 1),
                _ => (revision, 1),
            };
            (key, Record::Value { create_revision, version, value: value.clone() })
        }
        Operation::Delete { key } => match latest(versions, key, u64::MAX)? {
            Some((_, Record::Value { .. })) => (key, Record::Tombstone),
            _ => return Ok(None),
        },
    };
    versions
        .insert((key.as_str(), revision), record.encode().as_slice())
        .map_err(StoreError::engine("write version"))?;
    Ok(Some(record.into_event(key.clone(), revision)))
}
