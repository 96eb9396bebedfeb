//! All Services and slices, and from them the frontends. A change of one object recomputes its Service only.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::Ipv4Addr;

use crate::frontend::{Backends, Endpoint, Frontend};
use crate::service::definition::{Definition, PortDefinition};
use crate::service::slice::{EndpointState, Slice};

/// Namespace and name of a Service.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceKey {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
}

impl ServiceKey {
    /// From its two parts.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

/// What has to change in the rules; each item at most once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Frontends with what is now behind them; none if they are gone.
    pub frontends: Vec<(Frontend, Option<Backends>)>,
    /// Cluster IPs, and whether a Service has them now.
    pub cluster_ips: Vec<(Ipv4Addr, bool)>,
    /// Addresses of endpoints that run on this node, and whether there still are any.
    pub local_endpoints: Vec<(Ipv4Addr, bool)>,
}

impl Changes {
    /// Whether there is nothing to change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.frontends.is_empty() && self.cluster_ips.is_empty() && self.local_endpoints.is_empty()
    }
}

/// What one Service asks for.
#[derive(Clone, Debug, Default)]
struct Published {
    frontends: Vec<(Frontend, Backends)>,
    cluster_ips: Vec<Ipv4Addr>,
    local_endpoints: Vec<Ipv4Addr>,
}

/// All objects, what is published of them, and the Services that changed since [`Catalog::take_changes`].
#[derive(Debug, Default)]
pub struct Catalog {
    services: HashMap<ServiceKey, Definition>,
    slices: HashMap<(String, String), Slice>,
    slices_of: HashMap<ServiceKey, BTreeSet<String>>,
    published: HashMap<ServiceKey, Published>,
    /// Services that ask for a frontend; the first that did has it. Two do while one replaces the other.
    claims: HashMap<Frontend, Vec<ServiceKey>>,
    cluster_ips: HashMap<Ipv4Addr, usize>,
    local_endpoints: HashMap<Ipv4Addr, usize>,
    dirty: BTreeSet<ServiceKey>,
}

impl Catalog {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A Service was created or changed, or (none) is gone or has nothing to serve any more.
    pub fn set_service(&mut self, key: ServiceKey, definition: Option<Definition>) {
        let changed = match definition {
            Some(definition) => self.services.insert(key.clone(), definition.clone()) != Some(definition),
            None => self.services.remove(&key).is_some(),
        };
        if changed {
            self.dirty.insert(key);
        }
    }

    /// A slice was created or changed, or (none) is gone. `namespace` and `name` are its own.
    pub fn set_slice(&mut self, namespace: &str, name: &str, slice: Option<Slice>) {
        let id = (namespace.to_owned(), name.to_owned());
        let old = match &slice {
            Some(new) => self.slices.insert(id, new.clone()),
            None => self.slices.remove(&id),
        };
        if old == slice {
            return;
        }
        if let Some(old) = old {
            let key = ServiceKey::new(namespace, old.service);
            if let Some(names) = self.slices_of.get_mut(&key) {
                names.remove(name);
                if names.is_empty() {
                    self.slices_of.remove(&key);
                }
            }
            self.dirty.insert(key);
        }
        if let Some(new) = slice {
            let key = ServiceKey::new(namespace, new.service);
            self.slices_of.entry(key.clone()).or_default().insert(name.to_owned());
            self.dirty.insert(key);
        }
    }

    /// A complete list of Services was read: those that were not in it are gone.
    pub fn retain_services(&mut self, listed: &HashSet<ServiceKey>) {
        let gone: Vec<_> = self.services.keys().filter(|key| !listed.contains(key)).cloned().collect();
        for key in gone {
            self.set_service(key, None);
        }
    }

    /// A complete list of slices was read: those that were not in it are gone.
    pub fn retain_slices(&mut self, listed: &HashSet<(String, String)>) {
        let gone: Vec<_> = self.slices.keys().filter(|id| !listed.contains(id)).cloned().collect();
        for (namespace, name) in gone {
            self.set_slice(&namespace, &name, None);
        }
    }

    /// Recomputes the Services that changed; gives what differs from what was published before.
    pub fn take_changes(&mut self) -> Changes {
        let mut before = HashMap::new();
        let mut cluster_ips = Vec::new();
        let mut local_endpoints = Vec::new();
        for key in std::mem::take(&mut self.dirty) {
            let old = self.published.remove(&key).unwrap_or_default();
            let new = self.services.get(&key).map(|service| self.publish(&key, service)).unwrap_or_default();
            for (frontend, _) in old.frontends.iter().chain(&new.frontends) {
                if !before.contains_key(frontend) {
                    let served = self.claimed(*frontend, Some((&key, &old))).cloned();
                    before.insert(*frontend, served);
                }
            }
            self.claim(&key, &old, &new);
            count(&mut self.cluster_ips, &old.cluster_ips, &new.cluster_ips, &mut cluster_ips);
            count(
                &mut self.local_endpoints,
                &old.local_endpoints,
                &new.local_endpoints,
                &mut local_endpoints,
            );
            if !new.frontends.is_empty() || !new.cluster_ips.is_empty() {
                self.published.insert(key, new);
            }
        }
        let mut frontends: Vec<_> = before
            .into_iter()
            .filter_map(|(frontend, before)| {
                let now = self.claimed(frontend, None).cloned();
                (now != before).then_some((frontend, now))
            })
            .collect();
        frontends.sort_by_key(|(frontend, _)| *frontend);
        Changes {
            frontends,
            cluster_ips: settle(cluster_ips, &self.cluster_ips),
            local_endpoints: settle(local_endpoints, &self.local_endpoints),
        }
    }

    /// Everything that is published, as if nothing had been installed before.
    #[must_use]
    pub fn everything(&self) -> Changes {
        let mut frontends: Vec<_> = self
            .claims
            .keys()
            .filter_map(|frontend| Some((*frontend, Some(self.claimed(*frontend, None)?.clone()))))
            .collect();
        frontends.sort_by_key(|(frontend, _)| *frontend);
        let all = |counts: &HashMap<Ipv4Addr, usize>| {
            let mut addresses: Vec<_> = counts.keys().map(|address| (*address, true)).collect();
            addresses.sort_unstable();
            addresses
        };
        Changes {
            frontends,
            cluster_ips: all(&self.cluster_ips),
            local_endpoints: all(&self.local_endpoints),
        }
    }

    /// What is behind a frontend now.
    #[must_use]
    pub fn backends(&self, frontend: Frontend) -> Option<&Backends> {
        self.claimed(frontend, None)
    }

    /// What is behind a frontend; `also` is a Service whose publication is not in the map at the moment.
    fn claimed<'a>(
        &'a self,
        frontend: Frontend,
        also: Option<(&ServiceKey, &'a Published)>,
    ) -> Option<&'a Backends> {
        let owner = self.claims.get(&frontend)?.first()?;
        let published = match also {
            Some((key, published)) if key == owner => published,
            _ => self.published.get(owner)?,
        };
        published.frontends.iter().find(|(this, _)| *this == frontend).map(|(_, backends)| backends)
    }

    fn claim(&mut self, key: &ServiceKey, old: &Published, new: &Published) {
        for (frontend, _) in &old.frontends {
            let kept = new.frontends.iter().any(|(this, _)| this == frontend);
            if let Some(owners) = self.claims.get_mut(frontend).filter(|_| !kept) {
                owners.retain(|owner| owner != key);
                if owners.is_empty() {
                    self.claims.remove(frontend);
                }
            }
        }
        for (frontend, _) in &new.frontends {
            let owners = self.claims.entry(*frontend).or_default();
            if !owners.contains(key) {
                owners.push(key.clone());
            }
        }
    }

    fn publish(&self, key: &ServiceKey, service: &Definition) -> Published {
        let mut published = Published { cluster_ips: service.cluster_ips.clone(), ..Published::default() };
        let mut local = BTreeSet::new();
        for port in &service.ports {
            let candidates = self.candidates(key, port);
            local.extend(candidates.iter().filter(|(_, state)| state.maybe_local).map(|(e, _)| e.address));
            publish_port(service, port, &candidates, &mut published.frontends);
        }
        published.local_endpoints = local.into_iter().collect();
        published
    }

    /// Endpoints of a port with their conditions, from all slices.
    fn candidates(&self, key: &ServiceKey, port: &PortDefinition) -> Vec<(Endpoint, EndpointState)> {
        let names = self.slices_of.get(key).into_iter().flatten();
        let slices = names.filter_map(|name| self.slices.get(&(key.namespace.clone(), name.clone())));
        let mut candidates = Vec::new();
        for slice in slices {
            let matching = slice
                .ports
                .iter()
                .find(|(name, protocol, _)| *name == port.name && *protocol == port.protocol);
            if let Some((_, _, number)) = matching {
                let endpoints = slice.endpoints.iter();
                candidates.extend(
                    endpoints.map(|state| (Endpoint { address: state.address, port: *number }, *state)),
                );
            }
        }
        candidates
    }
}

/// Ready endpoints; without any, those that terminate but still serve (kube-proxy's `CategorizeEndpoints`).
fn usable(candidates: &[(Endpoint, EndpointState)], local_only: bool) -> Vec<Endpoint> {
    let select = |wanted: fn(&EndpointState) -> bool| -> Vec<Endpoint> {
        let chosen = candidates.iter().filter(|(_, state)| wanted(state) && (!local_only || state.local));
        let sorted: BTreeSet<Endpoint> = chosen.map(|(endpoint, _)| *endpoint).collect();
        sorted.into_iter().collect()
    };
    let ready = select(|state| state.ready);
    if ready.is_empty() { select(|state| state.serving_terminating) } else { ready }
}

fn publish_port(
    service: &Definition,
    port: &PortDefinition,
    candidates: &[(Endpoint, EndpointState)],
    frontends: &mut Vec<(Frontend, Backends)>,
) {
    let anywhere = usable(candidates, false);
    let here = usable(candidates, true);
    let behind = |endpoints: &[Endpoint]| match service.affinity_seconds {
        _ if anywhere.is_empty() => Backends::Reject,
        Some(seconds) if !endpoints.is_empty() => Backends::Sticky { endpoints: endpoints.to_vec(), seconds },
        _ => Backends::Balance(endpoints.to_vec()),
    };
    let internal = behind(if service.internal_local { &here } else { &anywhere });
    for address in &service.cluster_ips {
        frontends.push((Frontend::Cluster(*address, port.protocol, port.port), internal.clone()));
    }
    if let Some(node_port) = port.node_port {
        frontends.push((Frontend::Node(port.protocol, node_port), behind(&anywhere)));
        if service.external_local && !anywhere.is_empty() {
            frontends.push((Frontend::NodeLocal(port.protocol, node_port), behind(&here)));
        }
    }
}

/// Counts how many Services have an address; notes those whose count changed.
fn count(
    counts: &mut HashMap<Ipv4Addr, usize>,
    old: &[Ipv4Addr],
    new: &[Ipv4Addr],
    touched: &mut Vec<(Ipv4Addr, bool)>,
) {
    for address in new {
        let count = counts.entry(*address).or_default();
        touched.push((*address, *count > 0));
        *count += 1;
    }
    for address in old {
        if let Some(count) = counts.get_mut(address) {
            touched.push((*address, true));
            *count -= 1;
            if *count == 0 {
                counts.remove(address);
            }
        }
    }
}

/// Addresses that are there now and were not, or the other way round. The first note of each says how it was.
fn settle(touched: Vec<(Ipv4Addr, bool)>, counts: &HashMap<Ipv4Addr, usize>) -> Vec<(Ipv4Addr, bool)> {
    let mut seen = HashSet::new();
    let first = touched.into_iter().filter(|(address, _)| seen.insert(*address));
    let mut changed: Vec<_> = first
        .map(|(address, before)| (address, before, counts.contains_key(&address)))
        .filter(|(_, before, now)| before != now)
        .map(|(address, _, now)| (address, now))
        .collect();
    changed.sort_unstable();
    changed
}
