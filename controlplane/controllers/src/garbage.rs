//! Garbage collection: objects whose owners are gone, and the order of deletions (upstream's `pkg/controller/garbagecollector`).
//!
//! The metadata of every object that can be deleted is watched and kept as a graph of owners and dependents. An owner
//! that is missing from the graph is looked up at the API server before anything is deleted on its account.
//!
//! The kinds are read from discovery when the controller starts; nothing adds kinds to a running server.

mod collect;
mod graph;
mod monitor;

use std::sync::Arc;
use std::time::Duration;

use kingpost_informers::{Queue, run_workers};
use kube::Client;
use kube::discovery::{ApiResource, Discovery, Scope, verbs};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use collect::Collector;
use graph::Graph;

const WORKERS: usize = 10;
/// How long to wait before discovery is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Kinds that come and go by themselves: Events expire (`DefaultIgnoredResources`).
const IGNORED: [(&str, &str); 2] = [("", "events"), ("events.k8s.io", "events")];

/// A kind whose objects are watched.
#[derive(Clone, Debug)]
struct Kind {
    resource: ApiResource,
    namespaced: bool,
}

/// Runs the garbage collector until `shutdown`.
pub(crate) async fn run(client: Client, shutdown: CancellationToken) {
    let Some(kinds) = discover(&client, &shutdown).await else { return };
    let kinds: Arc<[Kind]> = kinds.into();
    let graph = Arc::new(Graph::default());
    let queue = Queue::new();
    let mut tasks = JoinSet::new();
    let mut listed = Vec::new();
    for index in 0..kinds.len() {
        let (monitor, first_list) = monitor::Monitor::new(
            client.clone(),
            Arc::clone(&kinds),
            index,
            Arc::clone(&graph),
            queue.clone(),
        );
        listed.push(first_list);
        tasks.spawn(monitor.run(shutdown.clone()));
    }
    // Before every kind is listed, an owner that is only not known yet would look like one that is gone.
    for first_list in listed {
        tokio::select! {
            _ = first_list => {}
            () = shutdown.cancelled() => return,
        }
    }
    let collector = Arc::new(Collector::new(client, kinds, graph));
    run_workers("generic-garbage-collector", collector, queue, WORKERS, shutdown).await;
    tasks.join_all().await;
}

async fn discover(client: &Client, shutdown: &CancellationToken) -> Option<Vec<Kind>> {
    loop {
        match Discovery::new(client.clone()).run().await {
            Ok(discovery) => return Some(deletable(&discovery)),
            Err(error) => warn!(%error, "discovery failed, trying again"),
        }
        tokio::select! {
            () = shutdown.cancelled() => return None,
            // The API server has no event for "discovery works again".
            () = tokio::time::sleep(RETRY) => {}
        }
    }
}

fn deletable(discovery: &Discovery) -> Vec<Kind> {
    let resources = discovery.groups().flat_map(kube::discovery::ApiGroup::recommended_resources);
    let needed = [verbs::LIST, verbs::WATCH, verbs::DELETE];
    resources
        .filter(|(_, capabilities)| needed.iter().all(|verb| capabilities.supports_operation(verb)))
        .filter(|(resource, _)| !IGNORED.contains(&(resource.group.as_str(), resource.plural.as_str())))
        .map(|(resource, capabilities)| Kind {
            resource,
            namespaced: capabilities.scope == Scope::Namespaced,
        })
        .collect()
}
