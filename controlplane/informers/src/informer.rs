//! One shared list-and-watch per kind, with a local copy.
//!
//! Invariant: handlers see the changes of one object in order, and the local copy already holds a change when its handlers
//! run. After a break of the watch the difference to the new list is reported as changes, deletions included.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Debug;
use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Resource};
use parking_lot::{Mutex, RwLock};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::Key;

/// What an informer holds: any Kubernetes object with static type information.
pub trait Object:
    Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static
{
}
impl<K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static> Object for K {}

/// A change of one object as handlers see it.
#[derive(Debug)]
pub enum Change<'a, K> {
    /// The object appeared, or changed from `old`.
    Applied {
        /// What the local copy held before, if anything.
        old: Option<&'a Arc<K>>,
        /// What it holds now.
        new: &'a Arc<K>,
    },
    /// The object is gone; this was its last known state.
    Deleted(&'a Arc<K>),
}

type Handler<K> = Box<dyn Fn(Change<'_, K>) + Send + Sync>;

/// A shared, local, always current copy of all objects of one kind.
pub struct Informer<K> {
    cache: RwLock<Cache<K>>,
    handlers: Mutex<Vec<Handler<K>>>,
    synced: watch::Sender<bool>,
}

struct Cache<K> {
    objects: HashMap<String, BTreeMap<String, Arc<K>>>,
    by_controller: HashMap<String, HashSet<Key>>,
}

impl<K> Default for Cache<K> {
    fn default() -> Self {
        Self { objects: HashMap::new(), by_controller: HashMap::new() }
    }
}

impl<K: Object> Cache<K> {
    fn get(&self, key: &Key) -> Option<Arc<K>> {
        self.objects.get(&key.namespace)?.get(&key.name).cloned()
    }

    fn insert(&mut self, object: Arc<K>) -> Option<Arc<K>> {
        let key = key_of(&*object);
        let old = self.remove(&key);
        if let Some(owner) = controller_of(&*object) {
            self.by_controller.entry(owner.uid.clone()).or_default().insert(key.clone());
        }
        self.objects.entry(key.namespace).or_default().insert(key.name, object);
        old
    }

    fn remove(&mut self, key: &Key) -> Option<Arc<K>> {
        let names = self.objects.get_mut(&key.namespace)?;
        let old = names.remove(&key.name)?;
        if names.is_empty() {
            self.objects.remove(&key.namespace);
        }
        if let Some(owner) = controller_of(&*old)
            && let Some(keys) = self.by_controller.get_mut(&owner.uid)
        {
            keys.remove(key);
            if keys.is_empty() {
                self.by_controller.remove(&owner.uid);
            }
        }
        Some(old)
    }

    fn keys(&self) -> HashSet<Key> {
        let keys = |(ns, names): (&String, &BTreeMap<String, _>)| {
            names.keys().map(|name| Key::new(ns.clone(), name.clone())).collect::<Vec<_>>()
        };
        self.objects.iter().flat_map(keys).collect()
    }
}

impl<K: Object> Informer<K> {
    /// Starts a list-and-watch of `api` that runs until `shutdown`.
    pub fn start(api: Api<K>, shutdown: CancellationToken) -> Arc<Self> {
        let informer = Arc::new(Self::empty());
        tokio::spawn(Arc::clone(&informer).watch(api, shutdown));
        informer
    }

    fn empty() -> Self {
        Self { cache: RwLock::default(), handlers: Mutex::default(), synced: watch::Sender::new(false) }
    }

    /// Calls `handler` for every change from now on, and once for every object that is already there.
    ///
    /// Handlers run on the informer's task: they put keys into queues and return.
    pub fn on_change(&self, handler: impl Fn(Change<'_, K>) + Send + Sync + 'static) {
        // Holding the list of handlers keeps changes back until the new one has seen what is there.
        let mut handlers = self.handlers.lock();
        for object in self.list() {
            handler(Change::Applied { old: None, new: &object });
        }
        handlers.push(Box::new(handler));
    }

    /// Waits until the first complete list is in the local copy.
    pub async fn synced(&self) {
        // The sender lives in self, so waiting cannot fail.
        let mut synced = self.synced.subscribe();
        let _synced = synced.wait_for(|synced| *synced).await;
    }

    /// The object, if it is there.
    pub fn get(&self, key: &Key) -> Option<Arc<K>> {
        self.cache.read().get(key)
    }

    /// All objects of all namespaces.
    pub fn list(&self) -> Vec<Arc<K>> {
        self.cache.read().objects.values().flat_map(BTreeMap::values).cloned().collect()
    }

    /// All objects of one namespace, ordered by name.
    pub fn list_in(&self, namespace: &str) -> Vec<Arc<K>> {
        let cache = self.cache.read();
        cache.objects.get(namespace).into_iter().flat_map(BTreeMap::values).cloned().collect()
    }

    /// All objects whose controller (the owner reference with `controller: true`) has this uid.
    pub fn controlled_by(&self, uid: &str) -> Vec<Arc<K>> {
        let cache = self.cache.read();
        cache.by_controller.get(uid).into_iter().flatten().filter_map(|key| cache.get(key)).collect()
    }

    async fn watch(self: Arc<Self>, api: Api<K>, shutdown: CancellationToken) {
        let config = watcher::Config::default().any_semantic();
        let mut events = watcher(api, config).default_backoff().boxed();
        let mut listed = HashSet::new();
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                () = shutdown.cancelled() => return,
            };
            match event {
                Some(Ok(event)) => self.handle(event, &mut listed),
                Some(Err(error)) => warn!(kind = %K::kind(&()), %error, "watch broke off, starting again"),
                None => return,
            }
        }
    }

    /// Takes one event of the watch in; `listed` collects the keys of a list under way.
    fn handle(&self, event: watcher::Event<K>, listed: &mut HashSet<Key>) {
        match event {
            watcher::Event::Init => listed.clear(),
            watcher::Event::InitApply(object) => {
                listed.insert(key_of(&object));
                self.apply(object);
            }
            watcher::Event::InitDone => {
                let gone: Vec<Key> = self.cache.read().keys().difference(listed).cloned().collect();
                for key in &gone {
                    self.delete(key);
                }
                listed.clear();
                debug!(kind = %K::kind(&()), "list complete");
                self.synced.send_replace(true);
            }
            watcher::Event::Apply(object) => self.apply(object),
            watcher::Event::Delete(object) => self.delete(&key_of(&object)),
        }
    }

    fn apply(&self, object: K) {
        let new = Arc::new(object);
        let handlers = self.handlers.lock();
        let old = self.cache.write().insert(Arc::clone(&new));
        if old.as_ref().is_some_and(|old| old.meta().resource_version == new.meta().resource_version) {
            return;
        }
        // Deleted and made again under one name while the watch was broken: two changes, not one.
        let old = match old {
            Some(old) if old.meta().uid != new.meta().uid => {
                handlers.iter().for_each(|handler| handler(Change::Deleted(&old)));
                None
            }
            old => old,
        };
        for handler in handlers.iter() {
            handler(Change::Applied { old: old.as_ref(), new: &new });
        }
    }

    fn delete(&self, key: &Key) {
        let handlers = self.handlers.lock();
        let removed = self.cache.write().remove(key);
        if let Some(old) = removed {
            handlers.iter().for_each(|handler| handler(Change::Deleted(&old)));
        }
    }
}

fn key_of<K: Object>(object: &K) -> Key {
    let meta = object.meta();
    Key::new(meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default())
}

/// The owner reference that says which object controls this one, if any does.
pub fn controller_of<K: Resource>(object: &K) -> Option<&OwnerReference> {
    let owners = object.meta().owner_references.as_deref().unwrap_or_default();
    owners.iter().find(|owner| owner.controller == Some(true))
}

#[cfg(test)]
mod tests;
