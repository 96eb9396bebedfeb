//! Pods of nodes that no longer exist (upstream's `pkg/controller/podgc`, its orphan part).

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, Pod};
use kingpost_informers::{Change, Error, Informer, Key, Queue, Reconcile, run_workers};
use kube::api::{DeleteParams, Preconditions};
use kube::{Api, Client};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::pod::node_name;

/// How long a node has to be away before its pods are taken for orphans: it may be made again.
const QUARANTINE: Duration = Duration::from_secs(40);

struct PodGc {
    client: Client,
    nodes: Arc<Informer<Node>>,
    pods: Arc<Informer<Pod>>,
}

/// Deletes pods of nodes that are gone, until `shutdown`.
pub(crate) async fn run(
    client: Client,
    nodes: Arc<Informer<Node>>,
    pods: Arc<Informer<Pod>>,
    shutdown: CancellationToken,
) {
    nodes.synced().await;
    pods.synced().await;
    let queue = Queue::<String>::new();
    let keys = queue.clone();
    nodes.on_change(move |change| {
        if let Change::Deleted(node) = change {
            keys.add_after(node.metadata.name.clone().unwrap_or_default(), QUARANTINE);
        }
    });
    let (known, keys) = (Arc::clone(&nodes), queue.clone());
    pods.on_change(move |change| {
        if let Change::Applied { new, .. } = change
            && let Some(node) = node_name(new)
            && known.get(&Key::new("", node)).is_none()
        {
            keys.add_after(node.to_owned(), QUARANTINE);
        }
    });
    run_workers("pod-garbage-collector", Arc::new(PodGc { client, nodes, pods }), queue, 1, shutdown).await;
}

impl Reconcile for PodGc {
    type Key = String;

    async fn reconcile(&self, node: &String) -> Result<Option<Duration>, Error> {
        if self.nodes.get(&Key::new("", node.clone())).is_some() {
            return Ok(None);
        }
        let mut failures = Vec::new();
        for pod in self.pods.list().iter().filter(|pod| node_name(pod) == Some(node)) {
            info!(pod = %Key::of(&**pod), node, "deleting a pod whose node is gone");
            // Nobody is left to end it gracefully.
            let parameters = DeleteParams::default()
                .grace_period(0)
                .preconditions(Preconditions { uid: pod.metadata.uid.clone(), resource_version: None });
            let api = Api::<Pod>::namespaced(
                self.client.clone(),
                pod.metadata.namespace.as_deref().unwrap_or_default(),
            );
            match api.delete(pod.metadata.name.as_deref().unwrap_or_default(), &parameters).await {
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
                Err(error) => failures.push(error.into()),
                Ok(_) => {}
            }
        }
        if failures.is_empty() { Ok(None) } else { Err(Error::Several(failures)) }
    }
}
