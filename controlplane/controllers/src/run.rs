//! All controllers together.

use std::time::Duration;

use ipnet::IpNet;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ConfigMap;
use kingpost_informers::{Informer, LeaderConfig, Object, lead};
use kube::{Api, Client};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::identity::Clients;
use crate::{deployment, endpoints, garbage, namespace, node, pod_gc, replicas, service_account};

/// What the controllers need to know; names and defaults are those of kube-controller-manager's flags.
#[derive(Clone, Debug)]
pub struct Config {
    /// PEM of the certificate authority that `kube-root-ca.crt` publishes (`--root-ca-file`).
    pub root_ca: String,
    /// Range from which nodes get their pod ranges (`--cluster-cidr`); none leaves them alone.
    pub cluster_cidr: Option<IpNet>,
    /// Prefix length of a node's pod range (`--node-cidr-mask-size`, 24).
    pub node_cidr_mask_size: u8,
    /// How long a node may be silent before it is taken for unreachable (`--node-monitor-grace-period`, 50 s).
    pub node_monitor_grace_period: Duration,
    /// What tells this process from its rivals for leadership; none runs without an election.
    pub leader_identity: Option<String>,
}

impl Config {
    /// Upstream's defaults.
    pub fn new(root_ca: String) -> Self {
        Self {
            root_ca,
            cluster_cidr: None,
            node_cidr_mask_size: 24,
            node_monitor_grace_period: Duration::from_secs(50),
            leader_identity: None,
        }
    }
}

/// Runs all controllers until `shutdown`, while leading if an election was asked for.
pub async fn run(clients: Clients, config: Config, shutdown: CancellationToken) {
    match &config.leader_identity {
        Some(identity) => {
            let leader = LeaderConfig {
                namespace: "kube-system".to_owned(),
                name: "kube-controller-manager".to_owned(),
                identity: identity.clone(),
            };
            let work = |term| run_all(clients.clone(), config.clone(), term);
            lead(clients.component(), leader, shutdown, work).await;
        }
        None => run_all(clients, config, shutdown).await,
    }
}

/// One informer over all namespaces.
fn informer<K: Object>(client: &Client, shutdown: &CancellationToken) -> std::sync::Arc<Informer<K>> {
    Informer::start(Api::all(client.clone()), shutdown.clone())
}

async fn run_all(clients: Clients, config: Config, shutdown: CancellationToken) {
    let reader = clients.component();
    let pods = informer(&reader, &shutdown);
    let replica_sets = informer(&reader, &shutdown);
    let nodes = informer(&reader, &shutdown);
    let namespaces = informer(&reader, &shutdown);
    let services = informer(&reader, &shutdown);

    let mut tasks = JoinSet::new();
    tasks.spawn(replicas::run_replica_sets(
        clients.controller("replicaset-controller"),
        replica_sets.clone(),
        pods.clone(),
        shutdown.clone(),
    ));
    tasks.spawn(replicas::run_replication_controllers(
        clients.controller("replication-controller"),
        informer(&reader, &shutdown),
        pods.clone(),
        shutdown.clone(),
    ));
    tasks.spawn(deployment::run(
        clients.controller("deployment-controller"),
        informer(&reader, &shutdown),
        replica_sets,
        pods.clone(),
        shutdown.clone(),
    ));
    tasks.spawn(endpoints::run_slices(
        clients.controller("endpointslice-controller"),
        services.clone(),
        pods.clone(),
        nodes.clone(),
        informer(&reader, &shutdown),
        shutdown.clone(),
    ));
    tasks.spawn(endpoints::run_legacy(
        clients.controller("endpoint-controller"),
        services,
        pods.clone(),
        informer(&reader, &shutdown),
        shutdown.clone(),
    ));
    tasks.spawn(namespace::run(
        clients.controller("namespace-controller"),
        namespaces.clone(),
        shutdown.clone(),
    ));
    tasks.spawn(service_account::run_accounts(
        clients.controller("service-account-controller"),
        namespaces.clone(),
        informer(&reader, &shutdown),
        shutdown.clone(),
    ));
    let config_maps = Informer::<ConfigMap>::start(Api::all(reader.clone()), shutdown.clone());
    tasks.spawn(service_account::run_root_ca(
        clients.controller("root-ca-cert-publisher"),
        config.root_ca.clone(),
        namespaces,
        config_maps,
        shutdown.clone(),
    ));
    tasks.spawn(garbage::run(clients.controller("generic-garbage-collector"), shutdown.clone()));
    let leases = Informer::<Lease>::start(Api::namespaced(reader, "kube-node-lease"), shutdown.clone());
    tasks.spawn(node::run(
        clients.controller("node-controller"),
        config,
        nodes.clone(),
        leases,
        pods.clone(),
        shutdown.clone(),
    ));
    tasks.spawn(pod_gc::run(clients.controller("pod-garbage-collector"), nodes, pods, shutdown));
    tasks.join_all().await;
}
