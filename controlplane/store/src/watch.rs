//! Watchers: how they are told, and how slow ones are cut off.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::{
    error::StoreError,
    model::{Event, Revision},
};

/// Commits that a watcher may lag behind before it is cut off.
const BACKLOG: usize = 1024;

/// The receiving end of a watch.
#[derive(Debug)]
pub struct Watch {
    history: VecDeque<Event>,
    live: mpsc::Receiver<Arc<[Event]>>,
    lagged: Arc<AtomicBool>,
    prefix: String,
    from: Revision,
}

impl Watch {
    /// The next changes, in order, all of one or several whole revisions. Cancel-safe.
    ///
    /// # Errors
    /// [`StoreError::Lagged`] if the caller was too slow, [`StoreError::Closed`] after shutdown.
    pub async fn next(&mut self) -> Result<Vec<Event>, StoreError> {
        if !self.history.is_empty() {
            return Ok(self.history.drain(..).collect());
        }
        loop {
            let Some(batch) = self.live.recv().await else {
                let lagged = self.lagged.load(Ordering::Acquire);
                return Err(if lagged { StoreError::Lagged } else { StoreError::Closed });
            };
            let wanted =
                |event: &&Event| event.mod_revision >= self.from && event.key.starts_with(&self.prefix);
            let events: Vec<Event> = batch.iter().filter(wanted).cloned().collect();
            if !events.is_empty() {
                return Ok(events);
            }
        }
    }
}

/// Everybody who watches.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    watchers: Mutex<Vec<Watcher>>,
}

#[derive(Debug)]
struct Watcher {
    live: mpsc::Sender<Arc<[Event]>>,
    lagged: Arc<AtomicBool>,
}

impl Hub {
    /// Registers a watcher that hears everything published from now on.
    pub(crate) fn subscribe(&self, prefix: &str, from: Revision) -> Watch {
        let (sender, live) = mpsc::channel(BACKLOG);
        let lagged = Arc::new(AtomicBool::new(false));
        self.watchers.lock().push(Watcher { live: sender, lagged: Arc::clone(&lagged) });
        Watch { history: VecDeque::new(), live, lagged, prefix: prefix.to_owned(), from }
    }

    /// Tells all watchers of a commit. Never waits: who is full is cut off.
    pub(crate) fn publish(&self, events: Vec<Event>) {
        let events: Arc<[Event]> = events.into();
        self.watchers.lock().retain(|watcher| match watcher.live.try_send(Arc::clone(&events)) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(_)) => {
                watcher.lagged.store(true, Ordering::Release);
                false
            }
            Err(mpsc::error::TrySendError::Closed(_)) => false,
        });
    }

    /// Ends all watches.
    pub(crate) fn close(&self) {
        self.watchers.lock().clear();
    }
}

impl Watch {
    /// Puts what happened before the subscription in front. Live events up to `until` are in it already.
    pub(crate) fn with_history(mut self, history: Vec<Event>, until: Revision) -> Self {
        self.history = history.into();
        self.from = self.from.max(until + 1);
        self
    }
}
