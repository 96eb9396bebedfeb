//! EndpointSlices: at most a hundred endpoints each, one address family and one set of ports per slice.

mod plan;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, Pod, Service};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kingpost_informers::{Change, Error, Informer, Key, Queue, Reconcile, run_workers};
use kube::api::{DeleteParams, PostParams};
use kube::{Api, Client};
use tokio_util::sync::CancellationToken;

use super::{WORKERS, backends};
use crate::pod::is_ready;
use crate::references::controller_reference;

/// The label that names the Service of a slice.
const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// The label that says who keeps a slice, and our value: upstream's, so that a stock controller takes over what we made.
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const MANAGER: &str = "endpointslice-controller.k8s.io";
/// The label of a headless Service's slices.
const HEADLESS: &str = "service.kubernetes.io/headless";
/// The label of a node that endpoints inherit as their zone.
const ZONE: &str = "topology.kubernetes.io/zone";

struct Slices {
    client: Client,
    services: Arc<Informer<Service>>,
    pods: Arc<Informer<Pod>>,
    nodes: Arc<Informer<Node>>,
    slices: Arc<Informer<EndpointSlice>>,
}

/// Runs the EndpointSlice controller until `shutdown`.
pub(crate) async fn run(
    client: Client,
    services: Arc<Informer<Service>>,
    pods: Arc<Informer<Pod>>,
    nodes: Arc<Informer<Node>>,
    slices: Arc<Informer<EndpointSlice>>,
    shutdown: CancellationToken,
) {
    services.synced().await;
    pods.synced().await;
    nodes.synced().await;
    slices.synced().await;
    let queue = Queue::new();
    super::watch(&services, &pods, &queue);
    let keys = queue.clone();
    // Somebody else changed or deleted a slice of ours. Our own writes come by here too, and find nothing to do.
    slices.on_change(move |change| {
        let (Change::Applied { new: slice, .. } | Change::Deleted(slice)) = change;
        if let Some(service) = slice
            .metadata
            .labels
            .as_ref()
            .filter(|labels| is_ours(labels))
            .and_then(|labels| labels.get(SERVICE_NAME))
        {
            keys.add(Key::new(slice.metadata.namespace.clone().unwrap_or_default(), service.clone()));
        }
    });
    let controller = Arc::new(Slices { client, services, pods, nodes, slices });
    run_workers("endpointslice-controller", controller, queue, WORKERS, shutdown).await;
}

fn is_ours(labels: &std::collections::BTreeMap<String, String>) -> bool {
    labels.get(MANAGED_BY).is_some_and(|manager| manager == MANAGER)
}

impl Reconcile for Slices {
    type Key = Key;

    async fn reconcile(&self, key: &Key) -> Result<Option<Duration>, Error> {
        // Slices of a Service that is gone are collected as garbage, by their owner reference.
        let Some(service) = self.services.get(key) else { return Ok(None) };
        let spec = service.spec.clone().unwrap_or_default();
        if spec.selector.as_ref().is_none_or(|selector| selector.is_empty())
            || spec.type_.as_deref() == Some("ExternalName")
            || service.metadata.deletion_timestamp.is_some()
        {
            return Ok(None);
        }
        let wanted = self.wanted(&service);
        let existing: Vec<_> = self
            .slices
            .list_in(&key.namespace)
            .into_iter()
            .filter(|slice| belongs(slice, &key.name))
            .collect();
        let plan = plan::make(&self.metadata(&service), wanted, &existing);

        let api = Api::<EndpointSlice>::namespaced(self.client.clone(), &key.namespace);
        for slice in &plan.create {
            api.create(&PostParams::default(), slice).await?;
        }
        for slice in &plan.update {
            let name = slice.metadata.name.as_deref().unwrap_or_default();
            api.replace(name, &PostParams::default(), slice).await?;
        }
        for name in &plan.delete {
            match api.delete(name, &DeleteParams::default()).await {
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                result => drop(result?),
            }
        }
        Ok(None)
    }
}

fn belongs(slice: &EndpointSlice, service: &str) -> bool {
    let labels = slice.metadata.labels.as_ref();
    labels
        .is_some_and(|labels| is_ours(labels) && labels.get(SERVICE_NAME).is_some_and(|name| name == service))
}

impl Slices {
    /// Labels, annotations and owner that every slice of the Service has.
    fn metadata(&self, service: &Service) -> ObjectMeta {
        let name = service.metadata.name.clone().unwrap_or_default();
        let mut labels = service.metadata.labels.clone().unwrap_or_default();
        labels.insert(SERVICE_NAME.to_owned(), name.clone());
        labels.insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
        if backends::is_headless(service) {
            labels.insert(HEADLESS.to_owned(), String::new());
        } else {
            labels.remove(HEADLESS);
        }
        ObjectMeta {
            generate_name: Some(format!("{name}-")),
            namespace: service.metadata.namespace.clone(),
            labels: Some(labels),
            owner_references: Some(vec![controller_reference(service, "v1", "Service")]),
            ..ObjectMeta::default()
        }
    }

    /// The endpoints that there should be, by address family and ports.
    fn wanted(&self, service: &Service) -> Vec<plan::Group> {
        let namespace = service.metadata.namespace.as_deref().unwrap_or_default();
        let spec = service.spec.clone().unwrap_or_default();
        let mut families = spec.ip_families.unwrap_or_default();
        if families.is_empty() {
            families.push("IPv4".to_owned());
        }
        let pods = self.pods.list_in(namespace);
        let pods: Vec<_> = pods
            .iter()
            .filter(|pod| backends::selects(service, pod) && backends::belongs(pod, true))
            .collect();
        let mut groups = Vec::new();
        for family in &families {
            for pod in &pods {
                if let Some(endpoint) = self.endpoint(service, pod, family) {
                    plan::add(&mut groups, family, ports(service, pod), endpoint);
                }
            }
            // A Service without pods has a slice all the same, which says so.
            if !groups.iter().any(|group: &plan::Group| group.family == *family) {
                groups.push(plan::Group { family: family.clone(), ports: Vec::new(), endpoints: Vec::new() });
            }
        }
        groups
    }

    fn endpoint(&self, service: &Service, pod: &Pod, family: &str) -> Option<Endpoint> {
        let is_family = |address: &&&str| address.contains(':') == (family == "IPv6");
        let addresses = backends::addresses(pod);
        let address = addresses.iter().find(is_family)?;
        let serving = is_ready(pod);
        let ending = pod.metadata.deletion_timestamp.is_some();
        let node_name = crate::pod::node_name(pod);
        Some(Endpoint {
            addresses: vec![(*address).to_owned()],
            conditions: Some(EndpointConditions {
                ready: Some(backends::publishes_not_ready(service) || (serving && !ending)),
                serving: Some(serving),
                terminating: Some(ending),
            }),
            hostname: backends::hostname(service, pod),
            node_name: node_name.map(str::to_owned),
            target_ref: Some(backends::reference(pod)),
            zone: node_name.and_then(|name| self.zone(name)),
            ..Endpoint::default()
        })
    }

    fn zone(&self, node: &str) -> Option<String> {
        let node = self.nodes.get(&Key::new("", node))?;
        node.metadata.labels.as_ref()?.get(ZONE).cloned()
    }
}

/// The ports that a pod offers to the Service; one that names a port which the pod lacks is left out.
fn ports(service: &Service, pod: &Pod) -> Vec<EndpointPort> {
    let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_deref()).unwrap_or_default();
    let ports = ports.iter().filter_map(|port| {
        Some(EndpointPort {
            name: Some(port.name.clone().unwrap_or_default()),
            port: Some(backends::target_port(pod, port)?),
            protocol: Some(backends::protocol(port).to_owned()),
            app_protocol: port.app_protocol.clone(),
        })
    });
    ports.collect()
}
