//! Following Services and EndpointSlices.

use std::collections::{HashMap, HashSet};
use std::future;
use std::hash::Hash;
use std::time::Duration;

use anyhow::Context;
use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Api, Client, ResourceExt};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::node;
use crate::proxy::Proxy;
use crate::service::{Definition, Notice, ServiceKey, Slice};

/// Objects of other proxies and of headless Services are not ours (the labels kube-proxy goes by).
const SELECTOR: &str = "!service.kubernetes.io/service-proxy-name,!service.kubernetes.io/headless";
/// Most events that go into one transaction.
const EVENTS_PER_SYNC: usize = 4096;
/// How long after a transaction what packets under way may need is removed: they take microseconds.
const GRACE: Duration = Duration::from_secs(1);
/// First and longest wait before a refused transaction is tried again.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));

/// Keeps this node's rules equal to the cluster's Services until told to stop. The rules stay then, and serve on.
///
/// # Errors
/// When the configuration is unusable or the node cannot be prepared. An API server that is away is waited for.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let path = &config.kubeconfig;
    let kubeconfig = Kubeconfig::read_from(path).with_context(|| format!("read {}", path.display()))?;
    let connection = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .with_context(|| format!("use {}", path.display()))?;
    let client = Client::try_from(connection).context("make an API client")?;
    run_with(config, client, shutdown).await
}

/// [`run`] with a client that is there already.
///
/// # Errors
/// As [`run`].
pub async fn run_with(config: Config, client: Client, shutdown: CancellationToken) -> anyhow::Result<()> {
    let opening = config.clone();
    let proxy = blocking(move || {
        node::prepare(&opening)?;
        Proxy::open(&opening)
    })
    .await??;
    let mut inputs = std::pin::pin!(inputs(client, &config).ready_chunks(EVENTS_PER_SYNC));
    let mut follower =
        Follower { proxy, services: Listing::new(), slices: Listing::new(), notices: HashMap::new() };
    let mut retry = None;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            chunk = inputs.next() => match chunk {
                Some(chunk) => chunk.into_iter().for_each(|input| follower.apply(input)),
                None => return Ok(()),
            },
            () = wait(retry) => {}
            () = wait(follower.proxy.is_unsettled().then_some(GRACE)), if retry.is_none() => {
                follower = follower.settle().await?;
                continue;
            }
        }
        // No delay for gathering: while a transaction is under way the next events gather by themselves.
        if follower.services.complete && follower.slices.complete {
            let synced;
            (follower, synced) = follower.sync().await?;
            retry = if synced { None } else { Some(next_retry(retry)) };
        }
    }
}

async fn wait(delay: Option<Duration>) {
    match delay {
        Some(delay) => tokio::time::sleep(delay).await,
        None => future::pending().await,
    }
}

fn next_retry(last: Option<Duration>) -> Duration {
    let (first, longest) = RETRY;
    last.map_or(first, |last| (last * 2).min(longest))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work).await.context("a blocking task ended early")
}

/// An event, its object reduced at once to what is kept of it.
enum Input {
    Service(Event<ReadService>),
    Slice(Event<ReadSlice>),
}

struct ReadService {
    key: ServiceKey,
    definition: Option<Definition>,
    notices: Vec<Notice>,
}

struct ReadSlice {
    key: (String, String),
    slice: Option<Slice>,
}

/// Both watches as one stream; each reconnects by itself, with growing pauses.
fn inputs(client: Client, config: &Config) -> impl Stream<Item = Input> + use<> {
    let selected = || watcher::Config::default().labels(SELECTOR);
    let node_ports = config.node_port_range.clone();
    let read_service = move |service: Service| {
        let key = ServiceKey::new(service.namespace().unwrap_or_default(), service.name_any());
        let (definition, notices) = Definition::read(&service, &node_ports);
        ReadService { key, definition, notices }
    };
    let node_name = config.node_name.clone();
    let read_slice = move |slice: EndpointSlice| {
        let key = (slice.namespace().unwrap_or_default(), slice.name_any());
        ReadSlice { key, slice: Slice::read(&slice, &node_name) }
    };
    let services = watch(Api::<Service>::all(client.clone()), selected()).default_backoff();
    let services = services.filter_map(move |event| {
        future::ready(logged("Services", event).map(|event| Input::Service(map(event, &read_service))))
    });
    let slices = watch(Api::<EndpointSlice>::all(client), selected()).default_backoff();
    let slices = slices.filter_map(move |event| {
        future::ready(logged("EndpointSlices", event).map(|event| Input::Slice(map(event, &read_slice))))
    });
    futures::stream::select(services, slices)
}

fn logged<K>(kind: &'static str, event: Result<Event<K>, watcher::Error>) -> Option<Event<K>> {
    event.inspect_err(|error| tracing::warn!(kind, %error, "watch failed, trying again")).ok()
}

fn map<A, B>(event: Event<A>, read: impl Fn(A) -> B) -> Event<B> {
    match event {
        Event::Apply(object) => Event::Apply(read(object)),
        Event::Delete(object) => Event::Delete(read(object)),
        Event::Init => Event::Init,
        Event::InitApply(object) => Event::InitApply(read(object)),
        Event::InitDone => Event::InitDone,
    }
}

/// A complete list being read, and whether there has been one.
struct Listing<K> {
    listed: HashSet<K>,
    complete: bool,
}

impl<K: Eq + Hash> Listing<K> {
    fn new() -> Self {
        Self { listed: HashSet::new(), complete: false }
    }

    /// Notes an event of the list; gives the keys once it is complete.
    fn note<O>(&mut self, event: &Event<O>, key: impl Fn(&O) -> K) -> Option<HashSet<K>> {
        match event {
            Event::Init => self.listed.clear(),
            Event::InitApply(object) => {
                self.listed.insert(key(object));
            }
            Event::InitDone => {
                self.complete = true;
                return Some(std::mem::take(&mut self.listed));
            }
            Event::Apply(_) | Event::Delete(_) => {}
        }
        None
    }
}

struct Follower {
    proxy: Proxy,
    services: Listing<ServiceKey>,
    slices: Listing<(String, String)>,
    /// What was logged about a Service, so that it is logged once.
    notices: HashMap<ServiceKey, Vec<Notice>>,
}

impl Follower {
    fn apply(&mut self, input: Input) {
        match input {
            Input::Service(event) => self.apply_service(event),
            Input::Slice(event) => self.apply_slice(event),
        }
    }

    fn apply_service(&mut self, event: Event<ReadService>) {
        if let Some(listed) = self.services.note(&event, |read| read.key.clone()) {
            self.proxy.catalog.retain_services(&listed);
            self.notices.retain(|key, _| listed.contains(key));
        }
        match event {
            Event::Apply(read) | Event::InitApply(read) => {
                self.log(&read.key, read.notices);
                self.proxy.catalog.set_service(read.key, read.definition);
            }
            Event::Delete(read) => {
                self.notices.remove(&read.key);
                self.proxy.catalog.set_service(read.key, None);
            }
            Event::Init | Event::InitDone => {}
        }
    }

    fn apply_slice(&mut self, event: Event<ReadSlice>) {
        if let Some(listed) = self.slices.note(&event, |read| read.key.clone()) {
            self.proxy.catalog.retain_slices(&listed);
        }
        let (key, slice) = match event {
            Event::Apply(read) | Event::InitApply(read) => (read.key, read.slice),
            Event::Delete(read) => (read.key, None),
            Event::Init | Event::InitDone => return,
        };
        self.proxy.catalog.set_slice(&key.0, &key.1, slice);
    }

    fn log(&mut self, key: &ServiceKey, notices: Vec<Notice>) {
        let known = self.notices.get(key).map(Vec::as_slice).unwrap_or_default();
        for notice in notices.iter().filter(|notice| !known.contains(notice)) {
            tracing::warn!(namespace = key.namespace, service = key.name, "{notice}");
        }
        if notices.is_empty() {
            self.notices.remove(key);
        } else {
            self.notices.insert(key.clone(), notices);
        }
    }

    /// Removes what had to wait. A refusal shows again, and is repaired, at the next synchronisation.
    async fn settle(mut self) -> anyhow::Result<Self> {
        blocking(move || {
            if let Err(error) = self.proxy.settle() {
                tracing::warn!(%error, "cannot clean up, trying again with the next change");
            }
            self
        })
        .await
    }

    /// Synchronises on a thread where blocking is allowed; says whether it succeeded.
    async fn sync(mut self) -> anyhow::Result<(Self, bool)> {
        blocking(move || {
            let synced = match self.proxy.sync() {
                Ok(synced) => {
                    if synced.frontends > 0 || synced.rebuilt {
                        tracing::debug!(?synced, "services synchronised");
                    }
                    true
                }
                Err(error) => {
                    tracing::error!(%error, "cannot synchronise Services, the old rules stay");
                    false
                }
            };
            (self, synced)
        })
        .await
    }
}
