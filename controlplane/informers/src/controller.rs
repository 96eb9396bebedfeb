//! The loop of a controller: take a key, make the world so, say when to look again.

use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::Queue;

/// Why a reconciliation failed; the key is tried again after its back-off.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused or did not answer.
    #[error(transparent)]
    Api(#[from] kube::Error),
    /// An object was not of the form that its kind promises.
    #[error("{object}: {problem}")]
    Object {
        /// Kind and name.
        object: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Several of the steps failed; each is named.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Several(Vec<Error>),
}

impl Error {
    /// The HTTP status that the API server answered with, if it answered.
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Api(kube::Error::Api(status)) => Some(status.code),
            _ => None,
        }
    }

    /// Whether somebody changed the object in between: not worth a warning, the next try sees the new state.
    pub fn is_conflict(&self) -> bool {
        self.code() == Some(409)
    }

    /// Whether the object is not there.
    pub fn is_not_found(&self) -> bool {
        self.code() == Some(404)
    }
}

/// Brings one object closer to what its specification says. Idempotent, and not told why it runs.
pub trait Reconcile: Send + Sync + 'static {
    /// What names a piece of work.
    type Key: Clone + Debug + Eq + Hash + Send + Sync + 'static;

    /// Does it; `Some(delay)` asks to be called again even if nothing changes.
    fn reconcile(&self, key: &Self::Key) -> impl Future<Output = Result<Option<Duration>, Error>> + Send;
}

/// Runs `workers` workers on `queue` until `shutdown`; what is being worked on is finished first.
pub async fn run_workers<R: Reconcile>(
    name: &'static str,
    reconciler: Arc<R>,
    queue: Queue<R::Key>,
    workers: usize,
    shutdown: CancellationToken,
) {
    let mut tasks = JoinSet::new();
    for _ in 0..workers {
        let (reconciler, queue, shutdown) = (Arc::clone(&reconciler), queue.clone(), shutdown.clone());
        tasks.spawn(async move {
            loop {
                let key = tokio::select! {
                    biased;
                    () = shutdown.cancelled() => return,
                    key = queue.next() => key,
                };
                settle(name, &queue, &key, reconciler.reconcile(&key).await);
                queue.done(&key);
            }
        });
    }
    tasks.join_all().await;
}

fn settle<K: Clone + Debug + Eq + Hash>(
    name: &'static str,
    queue: &Queue<K>,
    key: &K,
    outcome: Result<Option<Duration>, Error>,
) {
    match outcome {
        Ok(again) => {
            queue.forget(key);
            if let Some(delay) = again {
                queue.add_after(key.clone(), delay);
            }
        }
        Err(error) => {
            if error.is_conflict() {
                debug!(controller = name, ?key, %error, "changed meanwhile, trying again");
            } else {
                warn!(controller = name, ?key, %error, "reconciliation failed, trying again");
            }
            queue.add_after_failure(key.clone());
        }
    }
}
