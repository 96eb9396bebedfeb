//! A record in memory, and its file, which is never behind.

use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use super::{Durability, Record, RecordError, Records};

/// One record. Readers take the current value without waiting; changes are written to disk first, one at a time.
#[derive(Debug)]
pub(crate) struct Recorded<R> {
    current: RwLock<Arc<R>>,
    /// Held by the one change under way, in a blocking thread.
    order: Mutex<()>,
    records: Records,
}

impl<R: Record> Recorded<R> {
    /// Writes a new record, of an object that nobody was told of yet: if power is lost, so is the object.
    pub(crate) async fn create(records: Records, record: R) -> Result<Arc<Self>, RecordError> {
        blocking(move || {
            records.write(&record, Durability::Process)?;
            Ok(Self::loaded(records, record))
        })
        .await
    }

    /// Takes over a record that was read.
    pub(crate) fn loaded(records: Records, record: R) -> Arc<Self> {
        Arc::new(Self { current: RwLock::new(Arc::new(record)), order: Mutex::new(()), records })
    }

    /// The record as it is now.
    pub(crate) fn get(&self) -> Arc<R> {
        Arc::clone(&self.current.read())
    }

    /// Changes the record. A change that leaves it equal is not written.
    pub(crate) async fn update(
        self: &Arc<Self>,
        durability: Durability,
        change: impl FnOnce(&mut R) + Send + 'static,
    ) -> Result<Arc<R>, RecordError> {
        let this = Arc::clone(self);
        blocking(move || {
            let _turn = this.order.lock();
            let current = this.get();
            let mut record = R::clone(&current);
            change(&mut record);
            if record.encode_to_vec() == current.encode_to_vec() {
                return Ok(current);
            }
            this.records.write(&record, durability)?;
            let record = Arc::new(record);
            *this.current.write() = Arc::clone(&record);
            Ok(record)
        })
        .await
    }

    /// Removes the record's files.
    pub(crate) async fn remove(self: &Arc<Self>) -> Result<(), RecordError> {
        let this = Arc::clone(self);
        blocking(move || {
            let _turn = this.order.lock();
            this.records.remove(this.get().id())
        })
        .await
    }

    /// The record's directory.
    pub(crate) fn directory(&self) -> std::path::PathBuf {
        self.records.directory(self.get().id())
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RecordError> + Send + 'static,
) -> Result<T, RecordError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(RecordError {
            operation: "write records",
            path: std::path::PathBuf::new(),
            source: std::io::Error::other(error),
        }),
    }
}
