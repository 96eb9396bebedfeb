//! Container events: what GetContainerEvents streams.
//!
//! An event is published after the record of what it tells was written, with the pod's status of that moment. The
//! writers of one container take turns, so its events are in causal order.

use kingpost_proto::cri::{ContainerEventResponse, ContainerEventType};
use tokio::sync::broadcast;

use crate::id;
use crate::projection;
use crate::store::Store;

/// Events that a slow client may lag behind. One that lags more is cut off and lists everything again.
const CAPACITY: usize = 1024;

/// Where events are published.
#[derive(Debug)]
pub(crate) struct Events(broadcast::Sender<ContainerEventResponse>);

impl Events {
    pub(crate) fn new() -> Self {
        Self(broadcast::Sender::new(CAPACITY))
    }

    /// Events from now on.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<ContainerEventResponse> {
        self.0.subscribe()
    }

    /// Publishes what happened to a container (or, with its own id, to a sandbox, as containerd does).
    pub(crate) fn publish(
        &self,
        store: &Store,
        container_id: &str,
        sandbox_id: &str,
        kind: ContainerEventType,
    ) {
        if self.0.receiver_count() == 0 {
            return;
        }
        let sandbox = store.sandboxes.find(sandbox_id);
        let containers = store.containers_of(sandbox_id);
        let event = ContainerEventResponse {
            container_id: container_id.to_owned(),
            container_event_type: kind.into(),
            created_at: id::now(),
            pod_sandbox_status: sandbox.map(|sandbox| projection::sandbox_status(&sandbox.record.get())),
            containers_statuses: containers
                .iter()
                .map(|container| projection::container_status(&container.record.get()))
                .collect(),
        };
        // No receiver is no error.
        let _ = self.0.send(event);
    }
}
