//! Nodes: their pod ranges, what becomes of one that is silent, and of the pods on it.
//!
//! Follows upstream's `pkg/controller/nodelifecycle`, `tainteviction` and `nodeipam` (its range allocator).

mod cidr;
mod eviction;
mod health;
mod taints;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Node, Pod};
use kingpost_informers::{Change, Error, Informer, Key, Queue, Reconcile, Recorder, run_workers};
use kube::{Api, Client};
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::run::Config;

struct Nodes {
    client: Client,
    config: Config,
    nodes: Arc<Informer<Node>>,
    pods: Arc<Informer<Pod>>,
    /// When each node was last heard of, by this process's own clock.
    heard: Mutex<HashMap<String, Instant>>,
    ranges: Option<cidr::Ranges>,
    recorder: Recorder,
}

/// Runs the node controllers until `shutdown`.
pub(crate) async fn run(
    client: Client,
    config: Config,
    nodes: Arc<Informer<Node>>,
    leases: Arc<Informer<Lease>>,
    pods: Arc<Informer<Pod>>,
    shutdown: CancellationToken,
) {
    nodes.synced().await;
    leases.synced().await;
    pods.synced().await;
    let ranges = config.cluster_cidr.map(|range| cidr::Ranges::new(range, config.node_cidr_mask_size));
    let controller = Arc::new(Nodes {
        recorder: Recorder::new(client.clone(), "node-controller"),
        client,
        config,
        nodes: Arc::clone(&nodes),
        pods: Arc::clone(&pods),
        heard: Mutex::default(),
        ranges,
    });
    let queue = Queue::<String>::new();
    let (keys, watcher) = (queue.clone(), Arc::clone(&controller));
    nodes.on_change(move |change| watcher.node_changed(&change, &keys));
    let watcher = Arc::clone(&controller);
    leases.on_change(move |change| {
        if let Change::Applied { old, new } = change
            && old.is_none_or(|old| old.spec != new.spec)
        {
            watcher.hear(new.metadata.name.as_deref().unwrap_or_default());
        }
    });
    let keys = queue.clone();
    // A pod on a tainted node may have to go.
    pods.on_change(move |change| {
        if let Change::Applied { new, .. } = change
            && let Some(node) = crate::pod::node_name(new)
        {
            keys.add(node.to_owned());
        }
    });
    // One worker: two must not give out the same range.
    run_workers("node-controller", controller, queue, 1, shutdown).await;
}

impl Nodes {
    fn node_changed(&self, change: &Change<'_, Node>, queue: &Queue<String>) {
        match change {
            Change::Applied { old, new } => {
                let name = new.metadata.name.clone().unwrap_or_default();
                let heartbeat =
                    |node: &Node| health::ready(node).and_then(|ready| ready.last_heartbeat_time.clone());
                if old.is_none_or(|old| heartbeat(old) != heartbeat(new)) {
                    self.hear(&name);
                }
                queue.add(name);
            }
            Change::Deleted(node) => {
                self.heard.lock().remove(node.metadata.name.as_deref().unwrap_or_default());
            }
        }
    }

    fn hear(&self, node: &str) {
        self.heard.lock().insert(node.to_owned(), Instant::now());
    }

    fn silence(&self, node: &str) -> Duration {
        self.heard.lock().entry(node.to_owned()).or_insert_with(Instant::now).elapsed()
    }

    fn api(&self) -> Api<Node> {
        Api::all(self.client.clone())
    }
}

impl Reconcile for Nodes {
    type Key = String;

    async fn reconcile(&self, name: &String) -> Result<Option<Duration>, Error> {
        let Some(node) = self.nodes.get(&Key::new("", name.clone())) else { return Ok(None) };
        if self.assign_range(&node).await? {
            // The change brings us back with the range in place.
            return Ok(None);
        }
        let grace = self.config.node_monitor_grace_period;
        let silence = self.silence(name);
        if silence >= grace {
            self.mark_silent(&node).await?;
        }
        self.sync_taints(&node).await?;
        self.mark_pods(&node).await?;
        let eviction = self.evict(&node).await?;
        // A node that reports moves its deadline; whoever looks then finds it in time.
        let deadline = grace.saturating_sub(silence).max(Duration::from_secs(1));
        Ok(Some(eviction.map_or(deadline, |eviction| eviction.min(deadline))))
    }
}
