//! A work queue of keys.
//!
//! Invariants (client-go's `workqueue`): a key is queued at most once; while it is being worked on it is not handed out again, but
//! remembered if it is added meanwhile; a failed key comes back after a delay that doubles with every failure.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Delay after the first failure; doubled with each further one.
const FIRST_DELAY: Duration = Duration::from_millis(5);
/// The longest delay between two tries.
const LONGEST_DELAY: Duration = Duration::from_secs(300);

/// A queue of keys to be worked on, shared by cloning.
pub struct Queue<K> {
    shared: Arc<Shared<K>>,
}

impl<K> Clone for Queue<K> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

struct Shared<K> {
    state: Mutex<State<K>>,
    changed: Notify,
}

struct State<K> {
    ready: VecDeque<K>,
    /// In `ready`, or to be put there once its worker is done.
    dirty: HashSet<K>,
    working: HashSet<K>,
    /// Keys to be added later. A key stands here once, with its earliest time.
    later: HashMap<K, Instant>,
    failures: HashMap<K, u32>,
}

impl<K: Clone + Eq + Hash> Default for Queue<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Clone + Eq + Hash> Queue<K> {
    /// An empty queue.
    pub fn new() -> Self {
        let state = State {
            ready: VecDeque::new(),
            dirty: HashSet::new(),
            working: HashSet::new(),
            later: HashMap::new(),
            failures: HashMap::new(),
        };
        Self { shared: Arc::new(Shared { state: Mutex::new(state), changed: Notify::new() }) }
    }

    /// Adds a key, unless it waits already.
    pub fn add(&self, key: K) {
        self.shared.state.lock().add(key);
        self.shared.changed.notify_one();
    }

    /// Adds a key once `delay` is over; an earlier time that is already set stays.
    pub fn add_after(&self, key: K, delay: Duration) {
        if delay.is_zero() {
            return self.add(key);
        }
        let at = Instant::now() + delay;
        let mut state = self.shared.state.lock();
        state.later.entry(key).and_modify(|known| *known = at.min(*known)).or_insert(at);
        drop(state);
        self.shared.changed.notify_one();
    }

    /// Adds a key after the back-off that its failures in a row have earned.
    pub fn add_after_failure(&self, key: K) {
        let mut state = self.shared.state.lock();
        let failures = state.failures.entry(key.clone()).or_default();
        let delay =
            FIRST_DELAY.saturating_mul(1_u32.checked_shl(*failures).unwrap_or(u32::MAX)).min(LONGEST_DELAY);
        *failures = failures.saturating_add(1);
        drop(state);
        self.add_after(key, delay);
    }

    /// Forgets a key's failures.
    pub fn forget(&self, key: &K) {
        self.shared.state.lock().failures.remove(key);
    }

    /// Waits for the next key. Its worker calls [`Queue::done`] when finished.
    pub async fn next(&self) -> K {
        loop {
            let changed = self.shared.changed.notified();
            let wake = {
                let mut state = self.shared.state.lock();
                state.take_due(Instant::now());
                if let Some(key) = state.take() {
                    // Other workers may find more.
                    if !state.ready.is_empty() {
                        self.shared.changed.notify_one();
                    }
                    return key;
                }
                state.later.values().min().copied()
            };
            match wake {
                Some(at) => tokio::select! {
                    () = changed => {}
                    () = tokio::time::sleep_until(at) => {}
                },
                None => changed.await,
            }
        }
    }

    /// Says that the work on a key is over; if it was added meanwhile it is queued again.
    pub fn done(&self, key: &K) {
        let mut state = self.shared.state.lock();
        state.working.remove(key);
        if state.dirty.contains(key) {
            state.ready.push_back(key.clone());
            drop(state);
            self.shared.changed.notify_one();
        }
    }
}

impl<K: Clone + Eq + Hash> State<K> {
    fn add(&mut self, key: K) {
        self.later.remove(&key);
        if self.dirty.insert(key.clone()) && !self.working.contains(&key) {
            self.ready.push_back(key);
        }
    }

    fn take(&mut self) -> Option<K> {
        let key = self.ready.pop_front()?;
        self.dirty.remove(&key);
        self.working.insert(key.clone());
        Some(key)
    }

    fn take_due(&mut self, now: Instant) {
        let due: Vec<K> =
            self.later.iter().filter(|(_, at)| **at <= now).map(|(key, _)| key.clone()).collect();
        for key in due {
            self.add(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_key_waits_once_and_is_worked_on_by_one_worker() {
        let queue = Queue::new();
        queue.add("a");
        queue.add("a");
        assert_eq!(queue.next().await, "a");
        queue.add("a");
        assert!(queue.next().now_or_never().is_none(), "handed out while being worked on");
        queue.done(&"a");
        assert_eq!(queue.next().await, "a");
        queue.done(&"a");
        assert!(queue.next().now_or_never().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn failures_double_the_delay_until_forgotten() {
        let queue = Queue::new();
        for expected in [5, 10, 20] {
            let start = Instant::now();
            queue.add_after_failure("a");
            assert_eq!(queue.next().await, "a");
            queue.done(&"a");
            let waited = start.elapsed().as_millis();
            assert!((expected..expected + 5).contains(&waited), "{waited} ms instead of {expected}");
        }
        queue.forget(&"a");
        let start = Instant::now();
        queue.add_after_failure("a");
        queue.next().await;
        assert!(start.elapsed() < Duration::from_millis(10));
    }

    #[tokio::test(start_paused = true)]
    async fn a_later_time_does_not_push_back_an_earlier_one() {
        let queue = Queue::new();
        let start = Instant::now();
        queue.add_after("a", Duration::from_secs(1));
        queue.add_after("a", Duration::from_secs(60));
        queue.next().await;
        assert!(start.elapsed() < Duration::from_secs(2));
        queue.done(&"a");
        assert!(queue.next().now_or_never().is_none(), "the second time was kept beside the first");
    }
}
