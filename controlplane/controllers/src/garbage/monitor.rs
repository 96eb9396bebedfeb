//! One watch of the metadata of one kind, fed into the graph.

use std::collections::HashSet;
use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kingpost_informers::Queue;
use kube::api::DynamicObject;
use kube::core::PartialObjectMeta;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::Kind;
use super::graph::{Graph, Node};

/// Keeps the graph's objects of one kind current.
pub(super) struct Monitor {
    client: Client,
    kinds: Arc<[Kind]>,
    kind: usize,
    graph: Arc<Graph>,
    queue: Queue<String>,
    listed: Option<oneshot::Sender<()>>,
    /// Uids of a list under way.
    seen: HashSet<String>,
}

impl Monitor {
    /// A monitor of the kind at index `kind`, and a signal for its first complete list.
    pub(super) fn new(
        client: Client,
        kinds: Arc<[Kind]>,
        kind: usize,
        graph: Arc<Graph>,
        queue: Queue<String>,
    ) -> (Self, oneshot::Receiver<()>) {
        let (listed, first_list) = oneshot::channel();
        (Self { client, kinds, kind, graph, queue, listed: Some(listed), seen: HashSet::new() }, first_list)
    }

    pub(super) async fn run(mut self, shutdown: CancellationToken) {
        let Some(kind) = self.kinds.get(self.kind) else { return };
        let plural = kind.resource.plural.clone();
        let api = Api::<PartialObjectMeta<DynamicObject>>::all_with(self.client.clone(), &kind.resource);
        let mut events = watcher(api, watcher::Config::default().any_semantic()).default_backoff().boxed();
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                () = shutdown.cancelled() => return,
            };
            match event {
                Some(Ok(event)) => self.handle(event),
                Some(Err(error)) => warn!(resource = plural, %error, "watch broke off, starting again"),
                None => return,
            }
        }
    }

    fn handle(&mut self, event: watcher::Event<PartialObjectMeta<DynamicObject>>) {
        match event {
            watcher::Event::Init => self.seen.clear(),
            watcher::Event::InitApply(object) => {
                self.seen.extend(object.metadata.uid.clone());
                self.apply(&object.metadata);
            }
            watcher::Event::InitDone => {
                for uid in self.graph.of_kind(self.kind).difference(&self.seen) {
                    self.look(self.graph.remove(uid));
                }
                self.seen.clear();
                if let Some(listed) = self.listed.take() {
                    // Nobody listens any more only when all ends.
                    let _ended = listed.send(());
                }
            }
            watcher::Event::Apply(object) => self.apply(&object.metadata),
            watcher::Event::Delete(object) => {
                self.look(self.graph.remove(object.metadata.uid.as_deref().unwrap_or_default()));
            }
        }
    }

    fn apply(&self, meta: &ObjectMeta) {
        if let Some(uid) = &meta.uid {
            self.look(self.graph.apply(uid, Node::new(self.kind, meta)));
        }
    }

    fn look(&self, uids: Vec<String>) {
        uids.into_iter().for_each(|uid| self.queue.add(uid));
    }
}
