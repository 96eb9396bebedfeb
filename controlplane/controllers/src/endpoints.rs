//! Which pods serve a Service: EndpointSlices, and the older Endpoints.
//!
//! Follows upstream's `pkg/controller/endpointslice` and `pkg/controller/endpoint`.

mod backends;
mod legacy;
mod slices;

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Pod, Service};
use kingpost_informers::{Change, Informer, Key, Queue};

pub(crate) use legacy::run as run_legacy;
pub(crate) use slices::run as run_slices;

const WORKERS: usize = 5;

/// Queues Services when they change, and when a pod that they select, or used to select, does.
fn watch(services: &Arc<Informer<Service>>, pods: &Arc<Informer<Pod>>, queue: &Queue<Key>) {
    let keys = queue.clone();
    services.on_change(move |change| {
        let (Change::Applied { new: service, .. } | Change::Deleted(service)) = change;
        keys.add(Key::of(&**service));
    });
    let (services, keys) = (Arc::clone(services), queue.clone());
    pods.on_change(move |change| {
        let (pod, former) = match &change {
            Change::Applied { old: Some(old), new } if !backends::differs(old, new) => return,
            Change::Applied { old, new } => (*new, old.map(AsRef::as_ref)),
            Change::Deleted(pod) => (*pod, None),
        };
        for service in services.list_in(pod.metadata.namespace.as_deref().unwrap_or_default()) {
            if backends::selects(&service, pod)
                || former.is_some_and(|former| backends::selects(&service, former))
            {
                keys.add(Key::of(&*service));
            }
        }
    });
}
