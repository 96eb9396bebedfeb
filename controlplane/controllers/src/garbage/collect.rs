//! What to do about one object (upstream's `attemptToDeleteItem` and `attemptToOrphan`).

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kingpost_informers::{Error, Reconcile};
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, Preconditions, PropagationPolicy};
use kube::core::PartialObjectMeta;
use kube::{Api, Client};
use serde_json::json;
use tracing::{debug, info};

use super::Kind;
use super::graph::{FOREGROUND, Graph, Node, ORPHAN};

/// Decides and deletes.
pub(super) struct Collector {
    client: Client,
    kinds: Arc<[Kind]>,
    graph: Arc<Graph>,
}

/// An object's owners by what has become of them.
#[derive(Default)]
struct Owners {
    /// There, and staying.
    solid: Vec<OwnerReference>,
    /// Gone.
    dangling: Vec<OwnerReference>,
    /// Being deleted, once their dependents are.
    waiting: Vec<OwnerReference>,
}

impl Reconcile for Collector {
    type Key = String;

    async fn reconcile(&self, uid: &String) -> Result<Option<Duration>, Error> {
        let Some(node) = self.graph.get(uid) else { return Ok(None) };
        if node.orphans() {
            return self.orphan_dependents(uid, &node).await.map(|()| None);
        }
        if node.deletes_in_foreground() {
            return self.delete_dependents(uid, &node).await.map(|()| None);
        }
        if node.deleting || node.owners.is_empty() {
            return Ok(None);
        }
        let Some(live) = self.live(&node, uid).await? else { return Ok(None) };
        let references = live.metadata.owner_references.clone().unwrap_or_default();
        let owners = self.classify(&node, references).await?;
        self.settle(uid, &node, &live, owners).await.map(|()| None)
    }
}

impl Collector {
    pub(super) fn new(client: Client, kinds: Arc<[Kind]>, graph: Arc<Graph>) -> Self {
        Self { client, kinds, graph }
    }

    fn api(&self, kind: &Kind, namespace: Option<&str>) -> Api<DynamicObject> {
        match namespace.filter(|_| kind.namespaced) {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &kind.resource),
            None => Api::all_with(self.client.clone(), &kind.resource),
        }
    }

    fn node_api(&self, node: &Node) -> Result<Api<DynamicObject>, Error> {
        let kind = self.kinds.get(node.kind).ok_or_else(|| Error::Object {
            object: node.name.clone(),
            problem: "its kind is not watched".to_owned(),
        })?;
        Ok(self.api(kind, node.namespace.as_deref()))
    }

    /// The object as it is now, if it is still the one.
    async fn live(&self, node: &Node, uid: &str) -> Result<Option<PartialObjectMeta<DynamicObject>>, Error> {
        let live = self.node_api(node)?.get_metadata_opt(&node.name).await?;
        Ok(live.filter(|live| live.metadata.uid.as_deref() == Some(uid)))
    }

    async fn classify(&self, node: &Node, references: Vec<OwnerReference>) -> Result<Owners, Error> {
        let mut owners = Owners::default();
        for reference in references {
            let list = match self.graph.get(&reference.uid) {
                Some(owner) if owner.deletes_in_foreground() => &mut owners.waiting,
                Some(owner) if same_namespace(node, &owner) => &mut owners.solid,
                Some(_) => &mut owners.dangling,
                None if self.exists(node, &reference).await? => &mut owners.solid,
                None => &mut owners.dangling,
            };
            list.push(reference);
        }
        Ok(owners)
    }

    /// Asks the API server about an owner that the graph does not know.
    async fn exists(&self, node: &Node, reference: &OwnerReference) -> Result<bool, Error> {
        let kind = self.kinds.iter().find(|kind| {
            kind.resource.api_version == reference.api_version && kind.resource.kind == reference.kind
        });
        let Some(kind) = kind else {
            return Err(Error::Object {
                object: node.name.clone(),
                problem: format!(
                    "its owner is of the unknown kind {} {}",
                    reference.api_version, reference.kind
                ),
            });
        };
        // A cluster-scoped object cannot have an owner in a namespace.
        if kind.namespaced && node.namespace.is_none() {
            return Ok(false);
        }
        let owner = self.api(kind, node.namespace.as_deref()).get_metadata_opt(&reference.name).await?;
        Ok(owner.is_some_and(|owner| owner.metadata.uid.as_deref() == Some(&reference.uid)))
    }

    /// Deletes the object if nobody owns it any more, else takes off the references that lead nowhere.
    async fn settle(
        &self,
        uid: &str,
        node: &Node,
        live: &PartialObjectMeta<DynamicObject>,
        owners: Owners,
    ) -> Result<(), Error> {
        let Owners { solid, dangling, waiting } = owners;
        if !solid.is_empty() {
            if dangling.is_empty() && waiting.is_empty() {
                return Ok(());
            }
            debug!(name = node.name, "taking off references to owners that are gone");
            return self.set_owners(node, live, &solid).await;
        }
        let finalizers = live.metadata.finalizers.clone().unwrap_or_default();
        let has = |name: &str| finalizers.iter().any(|finalizer| finalizer == name);
        let policy = if has(ORPHAN) {
            PropagationPolicy::Orphan
        } else if has(FOREGROUND) || (!waiting.is_empty() && !self.graph.dependents(uid).is_empty()) {
            PropagationPolicy::Foreground
        } else {
            PropagationPolicy::Background
        };
        info!(name = node.name, namespace = node.namespace, ?policy, "deleting what nobody owns");
        let preconditions = Preconditions { uid: Some(uid.to_owned()), resource_version: None };
        let parameters = DeleteParams { propagation_policy: Some(policy), ..DeleteParams::default() };
        ignore_gone(self.node_api(node)?.delete(&node.name, &parameters.preconditions(preconditions)).await)
    }

    async fn set_owners(
        &self,
        node: &Node,
        live: &PartialObjectMeta<DynamicObject>,
        owners: &[OwnerReference],
    ) -> Result<(), Error> {
        let patch = json!({"metadata": {
            "uid": live.metadata.uid, "resourceVersion": live.metadata.resource_version, "ownerReferences": owners,
        }});
        ignore_gone(
            self.node_api(node)?
                .patch_metadata(&node.name, &PatchParams::default(), &Patch::Merge(patch))
                .await,
        )
    }

    /// Foreground: dependents first, the owner when none blocks it any more.
    async fn delete_dependents(&self, uid: &str, node: &Node) -> Result<(), Error> {
        let dependents = self.graph.dependents(uid);
        let mut blocked = false;
        for (dependent, child) in dependents {
            blocked |= child.blocks(uid);
            if child.deleting {
                continue;
            }
            if let Some(live) = self.live(&child, &dependent).await? {
                let references = live.metadata.owner_references.clone().unwrap_or_default();
                let owners = self.classify(&child, references).await?;
                self.settle(&dependent, &child, &live, owners).await?;
            }
        }
        if blocked { Ok(()) } else { self.remove_finalizer(node, uid, FOREGROUND).await }
    }

    /// Orphan: dependents lose the reference, then the owner goes.
    async fn orphan_dependents(&self, uid: &str, node: &Node) -> Result<(), Error> {
        for (dependent, child) in self.graph.dependents(uid) {
            if let Some(live) = self.live(&child, &dependent).await? {
                let mut owners = live.metadata.owner_references.clone().unwrap_or_default();
                owners.retain(|owner| owner.uid != uid);
                self.set_owners(&child, &live, &owners).await?;
            }
        }
        self.remove_finalizer(node, uid, ORPHAN).await
    }

    async fn remove_finalizer(&self, node: &Node, uid: &str, finalizer: &str) -> Result<(), Error> {
        let Some(live) = self.live(node, uid).await? else { return Ok(()) };
        let mut finalizers = live.metadata.finalizers.clone().unwrap_or_default();
        finalizers.retain(|name| name != finalizer);
        let patch = json!({"metadata": {
            "uid": uid, "resourceVersion": live.metadata.resource_version, "finalizers": finalizers,
        }});
        ignore_gone(
            self.node_api(node)?
                .patch_metadata(&node.name, &PatchParams::default(), &Patch::Merge(patch))
                .await,
        )
    }
}

/// An owner in a namespace owns only what is there too.
fn same_namespace(node: &Node, owner: &Node) -> bool {
    owner.namespace.is_none() || owner.namespace == node.namespace
}

/// Something that is gone, or another object of its name, needs no work.
fn ignore_gone<T>(result: Result<T, kube::Error>) -> Result<(), Error> {
    match result {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(error.into()),
    }
}
