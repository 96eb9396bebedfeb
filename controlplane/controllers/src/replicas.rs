//! Keeping a number of equal pods: what ReplicaSet and ReplicationController have in common.
//!
//! Follows upstream's `pkg/controller/replicaset`: pods are claimed by selector and controller reference, created in batches
//! that double, deleted in an order that hurts least, and counted into the status.

mod claim;
mod expectations;
mod ranking;
mod replica_set;
mod replication_controller;
mod status;
mod sync;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};
use kingpost_informers::{Change, Informer, Key, Object, Queue, Recorder, controller_of, run_workers};
use kube::Client;
use kube::core::{Selector, SelectorExt};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

pub(crate) use claim::{claim, claim_pods};
use expectations::Expectations;
pub(crate) use replica_set::run as run_replica_sets;
pub(crate) use replication_controller::run as run_replication_controllers;
use status::ReplicaStatus;

/// How many keys are worked on at once.
const WORKERS: usize = 5;

/// A kind that keeps replicas of a pod.
pub(crate) trait ReplicaOwner:
    Object + Serialize + kube::Resource<Scope = kube::core::NamespaceResourceScope>
{
    /// `apiVersion` and `kind` for owner references.
    const API_VERSION: &'static str;
    const KIND: &'static str;
    /// Whether the status has a place for the number of terminating pods.
    const REPORTS_TERMINATING: bool;

    /// Which pods belong to it; an error says what is wrong with the selector.
    fn selector(&self) -> Result<Selector, String>;
    /// How many there should be.
    fn replicas(&self) -> i32;
    /// What they look like.
    fn template(&self) -> Option<&PodTemplateSpec>;
    /// How long a pod has to be ready before it counts as available.
    fn min_ready(&self) -> Duration;
    /// What the status says now.
    fn status(&self) -> ReplicaStatus;
    /// The object with another status.
    fn with_status(&self, status: ReplicaStatus) -> Self;
}

/// Negative seconds do not pass validation; read as none.
fn seconds(value: Option<i32>) -> Duration {
    Duration::from_secs(value.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(0))
}

/// The controller of one kind of replica owner.
struct Replicas<O> {
    client: Client,
    owners: Arc<Informer<O>>,
    pods: Arc<Informer<Pod>>,
    expectations: Expectations,
    recorder: Recorder,
}

/// Wires informers to a queue and works on it until `shutdown`.
async fn run<O: ReplicaOwner>(
    name: &'static str,
    client: Client,
    owners: Arc<Informer<O>>,
    pods: Arc<Informer<Pod>>,
    shutdown: CancellationToken,
) {
    let queue = Queue::new();
    let controller = Arc::new(Replicas {
        recorder: Recorder::new(client.clone(), name),
        client,
        owners: Arc::clone(&owners),
        pods: Arc::clone(&pods),
        expectations: Expectations::default(),
    });
    owners.synced().await;
    pods.synced().await;

    let keys = queue.clone();
    owners.on_change(move |change| {
        let (Change::Applied { new: owner, .. } | Change::Deleted(owner)) = change;
        keys.add(Key::of(&**owner));
    });
    let (keys, watcher) = (queue.clone(), Arc::clone(&controller));
    pods.on_change(move |change| watcher.pod_changed(&change, &keys));

    run_workers(name, controller, queue, WORKERS, shutdown).await;
}

impl<O: ReplicaOwner> Replicas<O> {
    /// Queues the owners that a change of a pod concerns, and marks what they were waiting for as seen.
    fn pod_changed(&self, change: &Change<'_, Pod>, queue: &Queue<Key>) {
        match change {
            Change::Applied { old, new } => {
                let owner = self.owner_key(new);
                match (old, &owner) {
                    (None, Some(key)) => self.expectations.created(key),
                    (Some(old), _) => {
                        // Released or taken by another owner: the former one has to notice.
                        if let Some(former) =
                            self.owner_key(old).filter(|former| Some(former) != owner.as_ref())
                        {
                            queue.add(former);
                        }
                    }
                    (None, None) => {}
                }
                match owner {
                    Some(key) => {
                        if new.metadata.deletion_timestamp.is_some() {
                            self.expectations.deleted(&key, uid(new));
                        }
                        self.pod_owned(&key, old.map(AsRef::as_ref), new, queue);
                    }
                    None if controller_of(&***new).is_none() => self.queue_possible_adopters(new, queue),
                    None => {}
                }
            }
            Change::Deleted(pod) => {
                if let Some(key) = self.owner_key(pod) {
                    self.expectations.deleted(&key, uid(pod));
                    queue.add(key);
                }
            }
        }
    }

    fn pod_owned(&self, key: &Key, old: Option<&Pod>, new: &Pod, queue: &Queue<Key>) {
        queue.add(key.clone());
        // It becomes available later without any further event.
        let became_ready = crate::pod::is_ready(new) && !old.is_some_and(crate::pod::is_ready);
        if became_ready && let Some(owner) = self.owners.get(key) {
            let min_ready = owner.min_ready();
            if !min_ready.is_zero() {
                queue.add_after(key.clone(), min_ready + Duration::from_secs(1));
            }
        }
    }

    fn queue_possible_adopters(&self, pod: &Pod, queue: &Queue<Key>) {
        let labels = pod.metadata.labels.clone().unwrap_or_default();
        for owner in self.owners.list_in(pod.metadata.namespace.as_deref().unwrap_or_default()) {
            if owner.selector().is_ok_and(|selector| !selector.selects_all() && selector.matches(&labels)) {
                queue.add(Key::of(&*owner));
            }
        }
    }

    /// The key of the owner of our kind that controls the pod, if it is there with that uid.
    fn owner_key(&self, pod: &Pod) -> Option<Key> {
        let reference = controller_of(pod).filter(|reference| reference.kind == O::KIND)?;
        let key = Key::new(pod.metadata.namespace.clone().unwrap_or_default(), reference.name.clone());
        let owner = self.owners.get(&key)?;
        (owner.meta().uid.as_deref() == Some(&reference.uid)).then_some(key)
    }
}

fn uid(pod: &Pod) -> &str {
    pod.metadata.uid.as_deref().unwrap_or_default()
}
