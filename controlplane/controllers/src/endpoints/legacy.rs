//! Endpoints objects, which some clients still read: all addresses of a Service in one object, at most a thousand.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{EndpointAddress, EndpointPort, EndpointSubset, Endpoints, Pod, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kingpost_informers::{Change, Error, Informer, Key, Queue, Reconcile, run_workers};
use kube::api::{DeleteParams, PostParams};
use kube::{Api, Client};
use tokio_util::sync::CancellationToken;

use super::{WORKERS, backends};
use crate::pod::is_ready;

/// The most addresses in one object (KEP-752); more are cut off and the annotation says so.
const MAX_ADDRESSES: usize = 1000;
const OVER_CAPACITY: &str = "endpoints.kubernetes.io/over-capacity";
/// The label by which the mirroring of Endpoints into slices is told that ours have slices already.
const MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";
const MANAGER: &str = "endpoint-controller";
const HEADLESS: &str = "service.kubernetes.io/headless";

struct Legacy {
    client: Client,
    services: Arc<Informer<Service>>,
    pods: Arc<Informer<Pod>>,
    endpoints: Arc<Informer<Endpoints>>,
}

/// Runs the Endpoints controller until `shutdown`.
pub(crate) async fn run(
    client: Client,
    services: Arc<Informer<Service>>,
    pods: Arc<Informer<Pod>>,
    endpoints: Arc<Informer<Endpoints>>,
    shutdown: CancellationToken,
) {
    services.synced().await;
    pods.synced().await;
    endpoints.synced().await;
    let queue = Queue::new();
    super::watch(&services, &pods, &queue);
    let keys = queue.clone();
    endpoints.on_change(move |change| {
        let (Change::Applied { new: endpoints, .. } | Change::Deleted(endpoints)) = change;
        keys.add(Key::of(&**endpoints));
    });
    let controller = Arc::new(Legacy { client, services, pods, endpoints });
    run_workers("endpoint-controller", controller, queue, WORKERS, shutdown).await;
}

impl Reconcile for Legacy {
    type Key = Key;

    async fn reconcile(&self, key: &Key) -> Result<Option<Duration>, Error> {
        let api = Api::<Endpoints>::namespaced(self.client.clone(), &key.namespace);
        let existing = self.endpoints.get(key);
        let Some(service) = self.services.get(key) else {
            // Only what this controller made: others keep Endpoints of their own, for leader election for one.
            if existing.is_some_and(|endpoints| is_managed(&endpoints)) {
                match api.delete(&key.name, &DeleteParams::default()).await {
                    Err(kube::Error::Api(status)) if status.code == 404 => {}
                    result => drop(result?),
                }
            }
            return Ok(None);
        };
        let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref());
        if selector.is_none_or(BTreeMap::is_empty) {
            return Ok(None);
        }
        let wanted = self.wanted(&service);
        match existing {
            None => drop(api.create(&PostParams::default(), &wanted).await?),
            Some(existing) if same(&existing, &wanted) => {}
            Some(existing) => {
                let mut updated = (*existing).clone();
                updated.subsets = wanted.subsets;
                updated.metadata.labels = wanted.metadata.labels;
                let annotations = updated.metadata.annotations.get_or_insert_default();
                annotations.remove(OVER_CAPACITY);
                annotations.extend(wanted.metadata.annotations.unwrap_or_default());
                api.replace(&key.name, &PostParams::default(), &updated).await?;
            }
        }
        Ok(None)
    }
}

fn is_managed(endpoints: &Endpoints) -> bool {
    endpoints
        .metadata
        .labels
        .as_ref()
        .and_then(|labels| labels.get(MANAGED_BY))
        .is_some_and(|by| by == MANAGER)
}

fn same(existing: &Endpoints, wanted: &Endpoints) -> bool {
    let capacity = |endpoints: &Endpoints| {
        endpoints
            .metadata
            .annotations
            .as_ref()
            .and_then(|annotations| annotations.get(OVER_CAPACITY).cloned())
    };
    existing.subsets.as_deref().unwrap_or_default() == wanted.subsets.as_deref().unwrap_or_default()
        && existing.metadata.labels == wanted.metadata.labels
        && capacity(existing) == capacity(wanted)
}

impl Legacy {
    fn wanted(&self, service: &Service) -> Endpoints {
        let namespace = service.metadata.namespace.as_deref().unwrap_or_default();
        let pods = self.pods.list_in(namespace);
        let pods: Vec<_> = pods
            .iter()
            .filter(|pod| backends::selects(service, pod) && backends::belongs(pod, false))
            .collect();
        let mut labels = service.metadata.labels.clone().unwrap_or_default();
        labels.insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
        if backends::is_headless(service) {
            labels.insert(HEADLESS.to_owned(), String::new());
        }
        let over = pods.len() > MAX_ADDRESSES;
        let annotations = over.then(|| BTreeMap::from([(OVER_CAPACITY.to_owned(), "truncated".to_owned())]));
        Endpoints {
            metadata: ObjectMeta {
                name: service.metadata.name.clone(),
                namespace: service.metadata.namespace.clone(),
                labels: Some(labels),
                annotations,
                ..ObjectMeta::default()
            },
            subsets: Some(subsets(service, pods.into_iter().take(MAX_ADDRESSES).map(AsRef::as_ref))),
        }
    }
}

/// Addresses grouped by the ports that they offer, in a fixed order.
fn subsets<'a>(service: &Service, pods: impl Iterator<Item = &'a Pod>) -> Vec<EndpointSubset> {
    let mut subsets: Vec<EndpointSubset> = Vec::new();
    for pod in pods {
        let family = service
            .spec
            .as_ref()
            .and_then(|spec| spec.ip_families.as_ref())
            .and_then(|families| families.first());
        let v6 = family.is_some_and(|family| family == "IPv6");
        let Some(ip) = backends::addresses(pod).into_iter().find(|ip| ip.contains(':') == v6) else {
            continue;
        };
        let address = EndpointAddress {
            ip: ip.to_owned(),
            hostname: backends::hostname(service, pod),
            node_name: crate::pod::node_name(pod).map(str::to_owned),
            target_ref: Some(backends::reference(pod)),
        };
        let ports = ports(service, pod);
        let known = subsets.iter().position(|subset| subset.ports.as_deref().unwrap_or_default() == ports);
        if known.is_none() {
            subsets.push(EndpointSubset { ports: Some(ports), ..EndpointSubset::default() });
        }
        let subset = match known {
            Some(index) => subsets.get_mut(index),
            None => subsets.last_mut(),
        };
        let ready = is_ready(pod) || backends::publishes_not_ready(service);
        if let Some(subset) = subset {
            let list = if ready { &mut subset.addresses } else { &mut subset.not_ready_addresses };
            list.get_or_insert_default().push(address);
        }
    }
    for subset in &mut subsets {
        for list in [&mut subset.addresses, &mut subset.not_ready_addresses].into_iter().flatten() {
            list.sort_by(|a, b| a.ip.cmp(&b.ip));
        }
    }
    subsets.sort_by_key(|subset| {
        subset.ports.as_deref().unwrap_or_default().iter().map(|port| port.port).collect::<Vec<_>>()
    });
    subsets
}

fn ports(service: &Service, pod: &Pod) -> Vec<EndpointPort> {
    let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_deref()).unwrap_or_default();
    let ports = ports.iter().filter_map(|port| {
        Some(EndpointPort {
            name: port.name.clone().filter(|name| !name.is_empty()),
            port: backends::target_port(pod, port)?,
            protocol: Some(backends::protocol(port).to_owned()),
            app_protocol: port.app_protocol.clone(),
        })
    });
    ports.collect()
}
