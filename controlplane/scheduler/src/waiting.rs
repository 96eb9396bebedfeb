//! Pods that wait for a node: those to be tried now, in order of priority, and those that fitted nowhere.
//!
//! A pod that fitted nowhere is tried again when a node or a pod changes in a way that could help, not before its back-off is
//! over (1 s, doubled to 10 s), and every five minutes in any case (upstream's `unschedulablePods` and its flush).

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kingpost_informers::Key;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);
const FLUSH: Duration = Duration::from_secs(300);

/// Higher priority first, then first come, first served.
type Rank = (Reverse<i32>, u64);

#[derive(Default)]
pub(crate) struct Waiting {
    state: Mutex<State>,
    changed: Notify,
}

/// How often something has changed that could help; taken along with a pod, so that a change during its trial is not missed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moment(u64);

#[derive(Default)]
struct State {
    arrivals: u64,
    now: Moment,
    /// To be tried now.
    active: BTreeMap<Rank, Key>,
    ranks: HashMap<Key, Rank>,
    /// Fitted nowhere.
    parked: HashMap<Key, Parked>,
    attempts: HashMap<Key, u32>,
}

struct Parked {
    priority: i32,
    not_before: Instant,
    /// Whether something changed that could help.
    stirred: bool,
    flush: Instant,
}

impl Parked {
    fn due(&self) -> Instant {
        if self.stirred { self.not_before } else { self.flush }
    }
}

impl Waiting {
    /// A pod that needs a node.
    pub(crate) fn add(&self, key: Key, pod: &Pod) {
        let priority = pod.spec.as_ref().and_then(|spec| spec.priority).unwrap_or(0);
        let mut state = self.state.lock();
        // A change of a pod that waits parked (its labels, its gates) may be what it needs.
        if let Some(parked) = state.parked.get_mut(&key) {
            parked.stirred = true;
        } else {
            state.activate(key, priority);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// A pod that needs none any more.
    pub(crate) fn remove(&self, key: &Key) {
        let mut state = self.state.lock();
        if let Some(rank) = state.ranks.remove(key) {
            state.active.remove(&rank);
        }
        state.parked.remove(key);
        state.attempts.remove(key);
    }

    /// The pod, taken at `taken`, fitted nowhere or could not be bound; `again` if it may be tried after its back-off alone.
    pub(crate) fn park(&self, key: Key, pod: &Pod, taken: Moment, again: bool) {
        let priority = pod.spec.as_ref().and_then(|spec| spec.priority).unwrap_or(0);
        let now = Instant::now();
        let mut state = self.state.lock();
        let stirred = again || state.now != taken;
        let attempts = state.attempts.entry(key.clone()).or_default();
        let backoff = FIRST_BACKOFF
            .saturating_mul(1_u32.checked_shl(*attempts).unwrap_or(u32::MAX))
            .min(LONGEST_BACKOFF);
        *attempts = attempts.saturating_add(1);
        state.parked.insert(key, Parked { priority, not_before: now + backoff, stirred, flush: now + FLUSH });
        drop(state);
        self.changed.notify_one();
    }

    /// Something changed that could let a parked pod fit.
    pub(crate) fn stir(&self) {
        let mut state = self.state.lock();
        state.now.0 += 1;
        state.parked.values_mut().for_each(|parked| parked.stirred = true);
        drop(state);
        self.changed.notify_one();
    }

    /// Waits for the next pod to be tried.
    pub(crate) async fn next(&self) -> (Key, Moment) {
        loop {
            let changed = self.changed.notified();
            let wake = {
                let mut state = self.state.lock();
                state.release_due(Instant::now());
                if let Some((_, key)) = state.active.pop_first() {
                    state.ranks.remove(&key);
                    return (key, state.now);
                }
                state.parked.values().map(Parked::due).min()
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
}

impl State {
    fn activate(&mut self, key: Key, priority: i32) {
        if self.ranks.contains_key(&key) {
            return;
        }
        self.arrivals += 1;
        let rank = (Reverse(priority), self.arrivals);
        self.active.insert(rank, key.clone());
        self.ranks.insert(key, rank);
    }

    fn release_due(&mut self, now: Instant) {
        let due = self.parked.iter().filter(|(_, parked)| parked.due() <= now);
        let due: Vec<_> = due.map(|(key, parked)| (key.clone(), parked.priority)).collect();
        for (key, priority) in due {
            self.parked.remove(&key);
            self.activate(key, priority);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(priority: i32) -> Pod {
        serde_json::from_value(json!({"metadata": {}, "spec": {"priority": priority, "containers": []}}))
            .unwrap()
    }

    #[tokio::test]
    async fn higher_priority_goes_first_then_the_order_of_arrival() {
        let waiting = Waiting::default();
        for (name, priority) in [("low", 0), ("high", 10), ("low-too", 0)] {
            waiting.add(Key::new("", name), &pod(priority));
        }
        for expected in ["high", "low", "low-too"] {
            assert_eq!(waiting.next().await.0.name, expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_parked_pod_waits_for_a_change_and_its_backoff() {
        let waiting = Waiting::default();
        let key = Key::new("", "p");
        let start = Instant::now();
        waiting.park(key.clone(), &pod(0), Moment::default(), false);
        waiting.stir();
        let (_, taken) = waiting.next().await;
        assert_eq!(start.elapsed().as_secs(), 1);
        waiting.park(key.clone(), &pod(0), taken, false);
        waiting.next().await;
        assert_eq!(start.elapsed().as_secs(), 301, "nothing changed: only the flush helps");
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_during_the_trial_of_a_pod_is_not_missed() {
        let waiting = Waiting::default();
        waiting.add(Key::new("", "p"), &pod(0));
        let (key, taken) = waiting.next().await;
        waiting.stir();
        let start = Instant::now();
        waiting.park(key, &pod(0), taken, false);
        waiting.next().await;
        assert_eq!(start.elapsed().as_secs(), 1);
    }
}
