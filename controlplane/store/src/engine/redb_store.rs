//! Opening the file, and the [`Store`] on it.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    thread::{self, JoinHandle},
};

use async_trait::async_trait;
use redb::{Database, ReadableDatabase, backends::FileBackend};
use rustix::fs::Mode;
use tokio::sync::{mpsc, oneshot};

use super::{
    committer::{Committer, Job, Shared},
    compaction::Compaction,
    tables::{LOG, META, META_COMPACTED, META_REVISION, Record, VERSIONS, latest, meta},
};
use crate::{
    error::StoreError,
    model::{Event, KeyValue, RangeRequest, RangeResponse, Revision, Txn, TxnOutcome},
    store::Store,
    watch::Watch,
};

/// Transactions that may wait for the committer before writers have to.
const QUEUE: usize = 4096;

/// How to open the store.
#[derive(Debug, Clone)]
pub struct RedbConfig {
    /// The file; it is created, with mode 0600, if it does not exist. Its directory must exist.
    pub path: PathBuf,
    /// Bytes of page cache.
    pub cache_bytes: usize,
}

impl RedbConfig {
    /// A store at `path` with a cache of 16 MiB.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), cache_bytes: 16 << 20 }
    }
}

/// A store in one redb file. Dropping it finishes what has been accepted and closes the file.
#[derive(Debug)]
pub struct RedbStore {
    database: Arc<Database>,
    shared: Arc<Shared>,
    jobs: Option<mpsc::Sender<Job>>,
    committer: Option<JoinHandle<()>>,
}

impl RedbStore {
    /// Opens or creates the store. Blocks while the file is repaired after a crash.
    ///
    /// # Errors
    /// [`StoreError::Engine`] if the file cannot be opened, is in use by another process, or is no store.
    pub fn open(config: &RedbConfig) -> Result<Self, StoreError> {
        let file = rustix::fs::open(
            &config.path,
            rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CREATE | rustix::fs::OFlags::CLOEXEC,
            Mode::RUSR | Mode::WUSR,
        )
        .map_err(StoreError::engine("open store file"))?;
        let database = Database::builder()
            .set_cache_size(config.cache_bytes)
            .create_with_backend(
                FileBackend::new(file.into()).map_err(StoreError::engine("lock store file"))?,
            )
            .map_err(StoreError::engine("open store"))?;
        create_tables(&database)?;
        let database = Arc::new(database);
        let shared = Arc::new(Shared::default());
        let read = database.begin_read().map_err(StoreError::engine("begin read"))?;
        let numbers = read.open_table(META).map_err(StoreError::engine("open meta"))?;
        let compacted = meta(&numbers, META_COMPACTED)?;
        shared.revision.store(meta(&numbers, META_REVISION)?, Ordering::Release);
        shared.compacted.store(compacted, Ordering::Release);
        let (jobs, receiver) = mpsc::channel(QUEUE);
        let committer = Committer {
            database: Arc::clone(&database),
            shared: Arc::clone(&shared),
            jobs: receiver,
            compaction: (compacted > 0).then(|| Compaction::resumed(compacted)),
        };
        let committer = thread::Builder::new()
            .name("store-committer".into())
            .spawn(move || committer.run())
            .map_err(StoreError::engine("start committer"))?;
        Ok(Self { database, shared, jobs: Some(jobs), committer: Some(committer) })
    }

    async fn submit<T>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Job,
    ) -> Result<T, StoreError> {
        let jobs = self.jobs.as_ref().ok_or(StoreError::Closed)?;
        let (sender, receiver) = oneshot::channel();
        jobs.send(job(sender)).await.map_err(|_closed| StoreError::Closed)?;
        receiver.await.map_err(|_closed| StoreError::Closed)?
    }

    /// Runs a read on a thread that may block.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Database, &Shared) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (database, shared) = (Arc::clone(&self.database), Arc::clone(&self.shared));
        tokio::task::spawn_blocking(move || read(&database, &shared))
            .await
            .map_err(StoreError::engine("read"))?
    }
}

impl Drop for RedbStore {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(committer) = self.committer.take()
            && committer.join().is_err()
        {
            tracing::error!("store committer panicked");
        }
    }
}

#[async_trait]
impl Store for RedbStore {
    fn revision(&self) -> Revision {
        self.shared.revision.load(Ordering::Acquire)
    }

    async fn range(&self, request: RangeRequest) -> Result<RangeResponse, StoreError> {
        self.read(move |database, shared| range(database, shared, &request)).await
    }

    async fn txn(&self, txn: Txn) -> Result<TxnOutcome, StoreError> {
        self.submit(|reply| Job::Txn(txn, reply)).await
    }

    async fn watch(&self, prefix: &str, from: Revision) -> Result<Watch, StoreError> {
        // Subscribed first, read second: what is committed in between is in both and dropped from the live part.
        let watch = self.shared.hub.subscribe(prefix, from);
        let prefix = prefix.to_owned();
        let (history, until) =
            self.read(move |database, shared| history(database, shared, &prefix, from)).await?;
        Ok(watch.with_history(history, until))
    }

    async fn compact(&self, revision: Revision) -> Result<(), StoreError> {
        self.submit(|reply| Job::Compact(revision, reply)).await
    }
}

fn create_tables(database: &Database) -> Result<(), StoreError> {
    let write = database.begin_write().map_err(StoreError::engine("begin commit"))?;
    write.open_table(VERSIONS).map_err(StoreError::engine("create versions"))?;
    write.open_table(LOG).map_err(StoreError::engine("create log"))?;
    write.open_table(META).map_err(StoreError::engine("create meta"))?;
    write.commit().map_err(StoreError::engine("create tables"))
}

fn check_not_compacted(shared: &Shared, requested: Revision) -> Result<(), StoreError> {
    let oldest = shared.compacted.load(Ordering::Acquire);
    if requested < oldest { Err(StoreError::Compacted { requested, oldest }) } else { Ok(()) }
}

fn range(database: &Database, shared: &Shared, request: &RangeRequest) -> Result<RangeResponse, StoreError> {
    let read = database.begin_read().map_err(StoreError::engine("begin read"))?;
    let versions = read.open_table(VERSIONS).map_err(StoreError::engine("open versions"))?;
    let numbers = read.open_table(META).map_err(StoreError::engine("open meta"))?;
    let newest = meta(&numbers, META_REVISION)?;
    let revision = request.revision.unwrap_or(newest);
    if revision > newest {
        return Err(StoreError::Future { requested: revision, newest });
    }
    check_not_compacted(shared, revision)?;
    let mut kvs = Vec::new();
    let Some(end) = &request.end else {
        let found = latest(&versions, &request.start, revision)?;
        kvs.extend(found.and_then(|(at, record)| record.into_key_value(&request.start, at)));
        return Ok(RangeResponse { kvs, more: false, revision });
    };
    let limit = request.limit.unwrap_or(usize::MAX);
    let mut newest_of_key: Option<KeyValue> = None;
    let mut more = false;
    let bounds = (request.start.as_str(), 0)..(end.as_str(), 0);
    for entry in versions.range(bounds).map_err(StoreError::engine("read versions"))? {
        let (found, bytes) = entry.map_err(StoreError::engine("read version"))?;
        let (key, at) = found.value();
        if at > revision {
            continue;
        }
        if newest_of_key.as_ref().is_some_and(|kv| kv.key != key) {
            kvs.extend(newest_of_key.take());
            if kvs.len() > limit {
                break;
            }
        }
        let record = Record::decode(bytes.value())
            .ok_or_else(|| StoreError::Damaged { key: key.to_owned(), revision: at })?;
        newest_of_key = record.into_key_value(key, at);
    }
    kvs.extend(newest_of_key);
    if kvs.len() > limit {
        kvs.truncate(limit);
        more = true;
    }
    // Checked again: a compaction may have begun while we read.
    check_not_compacted(shared, revision)?;
    Ok(RangeResponse { kvs, more, revision })
}

/// All changes with `prefix` from `from` on, and the revision up to which that is complete.
fn history(
    database: &Database,
    shared: &Shared,
    prefix: &str,
    from: Revision,
) -> Result<(Vec<Event>, Revision), StoreError> {
    let read = database.begin_read().map_err(StoreError::engine("begin read"))?;
    let numbers = read.open_table(META).map_err(StoreError::engine("open meta"))?;
    let newest = meta(&numbers, META_REVISION)?;
    if from > newest {
        return Ok((Vec::new(), newest.max(from.saturating_sub(1))));
    }
    // Changes after the compacted revision are all there, so that one plus one is the oldest start.
    check_not_compacted(shared, from.saturating_sub(1))?;
    let versions = read.open_table(VERSIONS).map_err(StoreError::engine("open versions"))?;
    let log = read.open_table(LOG).map_err(StoreError::engine("open log"))?;
    let mut events = Vec::new();
    for entry in log.range((from, 0)..).map_err(StoreError::engine("read log"))? {
        let (place, key) = entry.map_err(StoreError::engine("read log"))?;
        let (revision, key) = (place.value().0, key.value());
        if !key.starts_with(prefix) {
            continue;
        }
        let damaged = || StoreError::Damaged { key: key.to_owned(), revision };
        let bytes =
            versions.get((key, revision)).map_err(StoreError::engine("read version"))?.ok_or_else(damaged)?;
        events.push(Record::decode(bytes.value()).ok_or_else(damaged)?.into_event(key.to_owned(), revision));
    }
    check_not_compacted(shared, from.saturating_sub(1))?;
    Ok((events, newest))
}
