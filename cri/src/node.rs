//! The node: everything that requests work on.

use std::os::unix::fs::DirBuilderExt as _;
use std::sync::Arc;

use anyhow::Context as _;
use kingpost_images::ImageStore;
use kingpost_podnet::PodNetwork;
use kingpost_runtime::{Runtime, RuntimeConfig};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::events::Events;
use crate::record::{ContainerRecord, Records, SandboxRecord};
use crate::spec::Host;
use crate::stats::Rates;
use crate::store::Store;
use crate::streaming::Streams;

/// State of the server; shared by all requests.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) config: Config,
    pub(crate) host: Host,
    pub(crate) runtime: Runtime,
    pub(crate) images: ImageStore,
    pub(crate) network: PodNetwork,
    pub(crate) sandbox_records: Records,
    pub(crate) container_records: Records,
    pub(crate) store: Store,
    pub(crate) events: Events,
    pub(crate) streams: Streams,
    /// CPU rates between one question and the next.
    pub(crate) rates: Rates,
    /// Work that outlives the request that began it.
    pub(crate) tasks: TaskTracker,
    /// Ends the tasks that follow pods.
    pub(crate) shutdown: CancellationToken,
}

impl Node {
    /// Opens all stores. Nothing is reconciled yet: see [`crate::recovery`].
    pub(crate) async fn open(
        config: Config,
        streams: Streams,
        shutdown: CancellationToken,
    ) -> anyhow::Result<Arc<Self>> {
        // Whatever the umask is: records hold whole configurations, images hold other people's files.
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&config.root_dir);
        made.with_context(|| format!("make directory {}", config.root_dir.display()))?;
        let runtime = Runtime::new(RuntimeConfig {
            shim_binary: config.runtime_binary.clone(),
            state_dir: config.state_dir.join("shim"),
            shim_cgroup: config.shim_cgroup.clone(),
            cgroup_root: config.cgroup_root.clone(),
            ..RuntimeConfig::default()
        })
        .await
        .context("open runtime")?;
        let images = ImageStore::open(kingpost_images::ImageConfig {
            root: config.root_dir.join("images"),
            registries: config.registries.clone(),
        })
        .await
        .context("open image store")?;
        let network = PodNetwork::open(kingpost_podnet::Config {
            state_dir: config.state_dir.join("network"),
            pod_cidr: config.pod_cidr,
            node_address: config.node_address,
        })
        .await
        .context("open pod network")?;
        Ok(Arc::new(Self {
            host: Host::detect(&config.cgroup_root),
            sandbox_records: Records::open::<SandboxRecord>(&config.root_dir)?,
            container_records: Records::open::<ContainerRecord>(&config.root_dir)?,
            config,
            runtime,
            images,
            network,
            store: Store::new(),
            events: Events::new(),
            streams,
            rates: Rates::default(),
            tasks: TaskTracker::new(),
            shutdown,
        }))
    }
}
