//! The scheduler's loop.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Node, Pod};
use kingpost_informers::{Change, EventType, Informer, Key, LeaderConfig, Recorder, lead};
use kube::{Api, Client};
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::cluster::Cluster;
use crate::pod::{DEFAULT_SCHEDULER, is_gated, wants_node};
use crate::waiting::{Moment, Waiting};
use crate::{bind, filter, score};

/// How many bindings may be on their way at once; decisions go on meanwhile.
const BINDINGS: usize = 64;

/// What the scheduler needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// Pods that ask for a scheduler of this name are placed (`default-scheduler`).
    pub scheduler_name: String,
    /// What tells this process from its rivals for leadership; none runs without an election.
    pub leader_identity: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self { scheduler_name: DEFAULT_SCHEDULER.to_owned(), leader_identity: None }
    }
}

/// Runs the scheduler until `shutdown`. The client is `system:kube-scheduler`'s.
pub async fn run(client: Client, config: Config, shutdown: CancellationToken) {
    match config.leader_identity.clone() {
        Some(identity) => {
            let leader = LeaderConfig {
                namespace: "kube-system".to_owned(),
                name: "kube-scheduler".to_owned(),
                identity,
            };
            lead(client.clone(), leader, shutdown, |term| schedule(client.clone(), config.clone(), term))
                .await;
        }
        None => schedule(client, config, shutdown).await,
    }
}

struct Scheduler {
    client: Client,
    name: String,
    pods: Arc<Informer<Pod>>,
    cluster: Mutex<Cluster>,
    waiting: Waiting,
    recorder: Recorder,
    bindings: Arc<Semaphore>,
}

async fn schedule(client: Client, config: Config, shutdown: CancellationToken) {
    let pods = Informer::<Pod>::start(Api::all(client.clone()), shutdown.clone());
    let nodes = Informer::<Node>::start(Api::all(client.clone()), shutdown.clone());
    pods.synced().await;
    nodes.synced().await;
    let scheduler = Arc::new(Scheduler {
        recorder: Recorder::new(client.clone(), DEFAULT_SCHEDULER),
        client,
        name: config.scheduler_name,
        pods: Arc::clone(&pods),
        cluster: Mutex::default(),
        waiting: Waiting::default(),
        bindings: Arc::new(Semaphore::new(BINDINGS)),
    });
    // Nodes first, so that the first pods find them.
    let watcher = Arc::clone(&scheduler);
    nodes.on_change(move |change| watcher.node_changed(&change));
    let watcher = Arc::clone(&scheduler);
    pods.on_change(move |change| watcher.pod_changed(&change));

    loop {
        let (key, taken) = tokio::select! {
            next = scheduler.waiting.next() => next,
            () = shutdown.cancelled() => break,
        };
        scheduler.place(key, taken).await;
    }
    // Bindings under way are finished.
    let all = u32::try_from(BINDINGS).unwrap_or(u32::MAX);
    drop(scheduler.bindings.acquire_many(all).await);
}

impl Scheduler {
    fn node_changed(&self, change: &Change<'_, Node>) {
        match change {
            Change::Applied { old, new } => {
                self.cluster.lock().set_node(new);
                // A heartbeat lets nobody in.
                if old.is_none_or(|old| opens_more(old, new)) {
                    self.waiting.stir();
                }
            }
            Change::Deleted(node) => {
                self.cluster.lock().remove_node(node.metadata.name.as_deref().unwrap_or_default());
            }
        }
    }

    fn pod_changed(&self, change: &Change<'_, Pod>) {
        match change {
            Change::Applied { new, .. } => {
                let key = Key::of(&***new);
                if wants_node(new, &self.name) {
                    if is_gated(new) {
                        self.waiting.remove(&key);
                    } else {
                        self.waiting.add(key, new);
                    }
                    return;
                }
                self.waiting.remove(&key);
                self.cluster.lock().set_pod(new);
                if !crate::pod::occupies(new) {
                    self.waiting.stir();
                }
            }
            Change::Deleted(pod) => {
                self.waiting.remove(&Key::of(&***pod));
                self.cluster.lock().remove_pod(pod.metadata.uid.as_deref().unwrap_or_default());
                self.waiting.stir();
            }
        }
    }

    /// Decides on one pod and starts its binding.
    async fn place(self: &Arc<Self>, key: Key, taken: Moment) {
        let Some(pod) = self.pods.get(&key).filter(|pod| wants_node(pod, &self.name)) else { return };
        let decision = self.decide(&pod);
        match decision {
            Ok(node) => {
                // Closed never: the semaphore lives as long as the scheduler.
                let Ok(permit) = Arc::clone(&self.bindings).acquire_owned().await else { return };
                let scheduler = Arc::clone(self);
                tokio::spawn(async move {
                    scheduler.bind(key, &pod, &node, taken).await;
                    drop(permit);
                });
            }
            Err(refused) => {
                let message = refused.to_string();
                info!(pod = %key, reason = message, "no node will do");
                self.recorder.event(
                    &bind::reference(&pod),
                    EventType::Warning,
                    "FailedScheduling",
                    message.clone(),
                );
                self.waiting.park(key.clone(), &pod, taken, false);
                if let Err(error) = bind::mark_unschedulable(&self.client, &pod, &message).await {
                    debug!(pod = %key, %error, "condition not written");
                }
            }
        }
    }

    /// The best node, on which the pod counts from now on.
    fn decide(&self, pod: &Pod) -> Result<String, filter::Unschedulable> {
        let mut cluster = self.cluster.lock();
        let nodes = filter::feasible(pod, &cluster)?;
        let best = nodes.into_iter().max_by_key(|(node, info)| score::score(pod, node, info));
        let name = best.and_then(|(node, _)| node.metadata.name.clone()).unwrap_or_default();
        cluster.place(pod, &name);
        Ok(name)
    }

    async fn bind(&self, key: Key, pod: &Pod, node: &str, taken: Moment) {
        match bind::bind(&self.client, pod, node).await {
            Ok(()) => {
                let message = format!("Successfully assigned {key} to {node}");
                debug!(pod = %key, node, "bound");
                self.recorder.event(&bind::reference(pod), EventType::Normal, "Scheduled", message);
            }
            Err(error) => {
                self.cluster.lock().remove_pod(pod.metadata.uid.as_deref().unwrap_or_default());
                // Gone, or bound by somebody else: its change is on the way to us.
                if matches!(&error, kube::Error::Api(status) if matches!(status.code, 404 | 409)) {
                    debug!(pod = %key, %error, "not bound");
                    return;
                }
                warn!(pod = %key, node, %error, "binding failed, trying again");
                self.waiting.park(key, pod, taken, true);
            }
        }
    }
}

/// Whether a change of a node could let in a pod that it kept out before.
fn opens_more(old: &Node, new: &Node) -> bool {
    let allocatable = |node: &Node| node.status.as_ref().and_then(|status| status.allocatable.clone());
    old.spec != new.spec || old.metadata.labels != new.metadata.labels || allocatable(old) != allocatable(new)
}
