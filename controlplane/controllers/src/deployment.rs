//! Deployments: a ReplicaSet per version of the pod template, and the way from one to the next.
//!
//! Follows upstream's `pkg/controller/deployment`. One reconciliation takes at most one step (create a ReplicaSet, scale some)
//! and relies on the changes that it causes to be called again.

mod cleanup;
mod conditions;
mod progress;
mod recreate;
mod replica_sets;
mod revision;
mod rolling;
mod scale;
mod status;
mod template_hash;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{ObjectReference, Pod};
use kingpost_informers::{
    Change, Error, EventType, Informer, Key, Object, Queue, Reconcile, Recorder, controller_of, run_workers,
};
use kube::core::{Selector, SelectorExt};
use kube::{Api, Client};
use tokio_util::sync::CancellationToken;

use crate::references::{controller_reference, object_reference};
use crate::replicas::claim;

const WORKERS: usize = 5;
const API_VERSION: &str = "apps/v1";
const KIND: &str = "Deployment";

/// The Deployment controller.
struct Deployments {
    client: Client,
    deployments: Arc<Informer<Deployment>>,
    replica_sets: Arc<Informer<ReplicaSet>>,
    pods: Arc<Informer<Pod>>,
    recorder: Recorder,
}

/// Runs the Deployment controller until `shutdown`.
pub(crate) async fn run(
    client: Client,
    deployments: Arc<Informer<Deployment>>,
    replica_sets: Arc<Informer<ReplicaSet>>,
    pods: Arc<Informer<Pod>>,
    shutdown: CancellationToken,
) {
    deployments.synced().await;
    replica_sets.synced().await;
    pods.synced().await;
    let controller = Arc::new(Deployments {
        recorder: Recorder::new(client.clone(), "deployment-controller"),
        client,
        deployments,
        replica_sets,
        pods,
    });
    let queue = Queue::new();
    controller.watch(&queue);
    run_workers("deployment-controller", controller, queue, WORKERS, shutdown).await;
}

impl Deployments {
    fn watch(self: &Arc<Self>, queue: &Queue<Key>) {
        let keys = queue.clone();
        self.deployments.on_change(move |change| {
            let (Change::Applied { new: deployment, .. } | Change::Deleted(deployment)) = change;
            keys.add(Key::of(&**deployment));
        });
        let (keys, controller) = (queue.clone(), Arc::clone(self));
        self.replica_sets.on_change(move |change| controller.replica_set_changed(&change, &keys));
        let (keys, controller) = (queue.clone(), Arc::clone(self));
        // A Deployment of type Recreate waits for the last old pod to be gone.
        self.pods.on_change(move |change| {
            if let Change::Deleted(pod) = change {
                controller.pod_deleted(pod, &keys);
            }
        });
    }

    fn replica_set_changed(&self, change: &Change<'_, ReplicaSet>, queue: &Queue<Key>) {
        let (current, former) = match change {
            Change::Applied { old, new } => (*new, old.and_then(|old| self.owner_of(&**old))),
            Change::Deleted(old) => (*old, None),
        };
        let owner = self.owner_of(&**current);
        former.into_iter().chain(owner).for_each(|key| queue.add(key));
        if controller_of(&**current).is_none() {
            let labels = current.metadata.labels.clone().unwrap_or_default();
            let namespace = current.metadata.namespace.as_deref().unwrap_or_default();
            for deployment in self.deployments.list_in(namespace) {
                if selector_of(&deployment).is_ok_and(|selector| selector.matches(&labels)) {
                    queue.add(Key::of(&*deployment));
                }
            }
        }
    }

    fn pod_deleted(&self, pod: &Pod, queue: &Queue<Key>) {
        let Some(reference) = controller_of(pod).filter(|reference| reference.kind == "ReplicaSet") else {
            return;
        };
        let namespace = pod.metadata.namespace.clone().unwrap_or_default();
        let replica_set = self.replica_sets.get(&Key::new(namespace, reference.name.clone()));
        let key = replica_set.and_then(|replica_set| self.owner_of(&*replica_set));
        if let Some(key) = key
            && self.deployments.get(&key).is_some_and(|deployment| is_recreate(&deployment))
        {
            queue.add(key);
        }
    }

    /// The Deployment that controls an object, if it is there with that uid.
    fn owner_of<K: Object>(&self, object: &K) -> Option<Key> {
        let reference = controller_of(object).filter(|reference| reference.kind == KIND)?;
        let key = Key::new(object.meta().namespace.clone().unwrap_or_default(), reference.name.clone());
        let owner = self.deployments.get(&key)?;
        (owner.metadata.uid.as_deref() == Some(&reference.uid)).then_some(key)
    }

    /// The ReplicaSets of a Deployment, oldest first, after adoption and release.
    async fn claim_replica_sets(&self, deployment: &Deployment) -> Result<Vec<Arc<ReplicaSet>>, Error> {
        let selector = selector_of(deployment)?;
        let owner = controller_reference(deployment, API_VERSION, KIND);
        let ending = deployment.metadata.deletion_timestamp.is_some();
        let mut claimed = Vec::new();
        for replica_set in self.replica_sets.list_in(namespace(deployment)) {
            if claim(&self.client, &*replica_set, &owner, ending, &selector).await? {
                claimed.push(replica_set);
            }
        }
        claimed.sort_by_key(|set| (set.metadata.creation_timestamp.clone(), set.metadata.name.clone()));
        Ok(claimed)
    }

    fn api(&self, deployment: &Deployment) -> Api<Deployment> {
        Api::namespaced(self.client.clone(), namespace(deployment))
    }

    fn replica_set_api(&self, deployment: &Deployment) -> Api<ReplicaSet> {
        Api::namespaced(self.client.clone(), namespace(deployment))
    }

    fn event(&self, deployment: &Deployment, event_type: EventType, reason: &str, message: String) {
        self.recorder.event(&reference(deployment), event_type, reason, message);
    }
}

impl Reconcile for Deployments {
    type Key = Key;

    async fn reconcile(&self, key: &Key) -> Result<Option<Duration>, Error> {
        let Some(deployment) = self.deployments.get(key) else { return Ok(None) };
        let deployment = &*deployment;
        if selector_of(deployment)?.selects_all() {
            let message =
                "This deployment is selecting all pods. A non-empty selector is required.".to_owned();
            self.event(deployment, EventType::Warning, "SelectingAll", message);
            return Ok(None);
        }
        let sets = self.claim_replica_sets(deployment).await?;
        if deployment.metadata.deletion_timestamp.is_some() {
            let (new, _) = replica_sets::split(deployment, &sets);
            return self.write_status(deployment, &sets, new.as_deref(), Vec::new()).await.map(|_| None);
        }
        if self.note_pause(deployment).await? {
            // The change brings us back here with the condition in place.
            return Ok(None);
        }
        if deployment.spec.paused == Some(true) || scale::is_scaling_event(deployment, &sets) {
            return self.sync_scale(deployment, &sets).await;
        }
        if is_recreate(deployment) {
            self.recreate(deployment, &sets).await
        } else {
            self.roll(deployment, &sets).await
        }
    }
}

fn selector_of(deployment: &Deployment) -> Result<Selector, Error> {
    Selector::try_from(deployment.spec.selector.clone()).map_err(|error| Error::Object {
        object: format!("deployment {}", Key::of(deployment)),
        problem: error.to_string(),
    })
}

fn namespace(deployment: &Deployment) -> &str {
    deployment.metadata.namespace.as_deref().unwrap_or_default()
}

fn replicas(deployment: &Deployment) -> i32 {
    deployment.spec.replicas.unwrap_or(1)
}

fn is_recreate(deployment: &Deployment) -> bool {
    deployment.spec.strategy.as_ref().and_then(|strategy| strategy.type_.as_deref()) == Some("Recreate")
}

fn reference(deployment: &Deployment) -> ObjectReference {
    object_reference(deployment, API_VERSION, KIND)
}

fn name_of(set: &ReplicaSet) -> &str {
    set.metadata.name.as_deref().unwrap_or_default()
}

/// How many replicas a ReplicaSet is asked to have.
fn wanted(set: &ReplicaSet) -> i32 {
    set.spec.replicas.unwrap_or(1)
}

/// How many of its replicas are available.
fn available(set: &ReplicaSet) -> i32 {
    set.status.as_ref().and_then(|status| status.available_replicas).unwrap_or(0)
}

#[cfg(test)]
mod tests;
