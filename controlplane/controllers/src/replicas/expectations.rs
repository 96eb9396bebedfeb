//! What a controller has done and not yet seen come back through its informer.
//!
//! Without this, a second look at a stale copy would create or delete the same pods again (upstream's
//! `UIDTrackingControllerExpectations`).

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use kingpost_informers::Key;
use parking_lot::Mutex;
use tokio::time::Instant;

/// After this long a change that never showed up is given up on.
const TIMEOUT: Duration = Duration::from_secs(300);

#[derive(Default)]
pub(super) struct Expectations {
    expected: Mutex<HashMap<Key, Expected>>,
}

struct Expected {
    creations: usize,
    deletions: HashSet<String>,
    since: Instant,
}

impl Expectations {
    /// Whether all that was done has been seen, or it has taken too long.
    pub(super) fn satisfied(&self, key: &Key) -> bool {
        self.expected.lock().get(key).is_none_or(|expected| {
            (expected.creations == 0 && expected.deletions.is_empty()) || expected.since.elapsed() > TIMEOUT
        })
    }

    pub(super) fn expect_creations(&self, key: &Key, creations: usize) {
        self.set(key, creations, HashSet::new());
    }

    pub(super) fn expect_deletions(&self, key: &Key, uids: impl Iterator<Item = String>) {
        self.set(key, 0, uids.collect());
    }

    fn set(&self, key: &Key, creations: usize, deletions: HashSet<String>) {
        self.expected.lock().insert(key.clone(), Expected { creations, deletions, since: Instant::now() });
    }

    /// A creation was seen, or has failed.
    pub(super) fn created(&self, key: &Key) {
        if let Some(expected) = self.expected.lock().get_mut(key) {
            expected.creations = expected.creations.saturating_sub(1);
        }
    }

    /// A deletion was seen, or has failed.
    pub(super) fn deleted(&self, key: &Key, uid: &str) {
        if let Some(expected) = self.expected.lock().get_mut(key) {
            expected.deletions.remove(uid);
        }
    }

    /// The owner is gone.
    pub(super) fn forget(&self, key: &Key) {
        self.expected.lock().remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deletion_counts_once_however_often_it_is_seen() {
        let expectations = Expectations::default();
        let key = Key::new("ns", "rs");
        expectations.expect_deletions(&key, ["a".to_owned(), "b".to_owned()].into_iter());
        expectations.deleted(&key, "a");
        expectations.deleted(&key, "a");
        assert!(!expectations.satisfied(&key));
        expectations.deleted(&key, "b");
        assert!(expectations.satisfied(&key));
    }

    #[tokio::test(start_paused = true)]
    async fn what_never_shows_up_does_not_block_for_ever() {
        let expectations = Expectations::default();
        let key = Key::new("ns", "rs");
        expectations.expect_creations(&key, 3);
        assert!(!expectations.satisfied(&key));
        tokio::time::advance(TIMEOUT + Duration::from_secs(1)).await;
        assert!(expectations.satisfied(&key));
    }
}
