//! Emptying a namespace that is being deleted (upstream's `pkg/controller/namespace`).
//!
//! The API server lets nothing new into it. Everything in it is deleted kind by kind; when nothing is left, the `kubernetes`
//! finalizer is taken off and the namespace itself goes.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Namespace, NamespaceCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kingpost_informers::{Change, Error, Informer, Key, Queue, Reconcile, run_workers};
use kube::api::{DeleteParams, DynamicObject, ListParams, PostParams, PropagationPolicy};
use kube::discovery::{ApiResource, Discovery, Scope, verbs};
use kube::{Api, Client};
use tokio_util::sync::CancellationToken;
use tracing::debug;

const FINALIZER: &str = "kubernetes";
const WORKERS: usize = 5;
/// When to look again at content that is on its way out. Nothing reports that a namespace has become empty: that would take a
/// watch of every kind. Upstream waits for half of the longest grace period plus one second.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

struct Namespaces {
    client: Client,
    namespaces: Arc<Informer<Namespace>>,
}

/// Runs the namespace controller until `shutdown`.
pub(crate) async fn run(client: Client, namespaces: Arc<Informer<Namespace>>, shutdown: CancellationToken) {
    namespaces.synced().await;
    let queue = Queue::<String>::new();
    let keys = queue.clone();
    namespaces.on_change(move |change| {
        if let Change::Applied { new, .. } = change
            && new.metadata.deletion_timestamp.is_some()
        {
            keys.add(new.metadata.name.clone().unwrap_or_default());
        }
    });
    run_workers(
        "namespace-controller",
        Arc::new(Namespaces { client, namespaces }),
        queue,
        WORKERS,
        shutdown,
    )
    .await;
}

/// What is still there, by resource.
#[derive(Default)]
struct Remaining {
    objects: Vec<(String, usize)>,
    finalizers: Vec<(String, usize)>,
}

impl Reconcile for Namespaces {
    type Key = String;

    async fn reconcile(&self, name: &String) -> Result<Option<Duration>, Error> {
        let Some(namespace) = self.namespaces.get(&Key::new("", name.clone())) else { return Ok(None) };
        let has_finalizer = |namespace: &Namespace| {
            let finalizers = namespace.spec.as_ref().and_then(|spec| spec.finalizers.as_ref());
            finalizers.is_some_and(|finalizers| finalizers.iter().any(|finalizer| finalizer == FINALIZER))
        };
        if namespace.metadata.deletion_timestamp.is_none() || !has_finalizer(&namespace) {
            return Ok(None);
        }
        let remaining = self.empty(name).await?;
        if remaining.objects.is_empty() {
            return self.finalize(&namespace).await.map(|()| None);
        }
        debug!(namespace = name, remaining = ?remaining.objects, "not empty yet");
        self.report(name, &remaining).await?;
        Ok(Some(LOOK_AGAIN))
    }
}

impl Namespaces {
    /// Asks for the deletion of all content, and says what is left.
    async fn empty(&self, namespace: &str) -> Result<Remaining, Error> {
        let discovery = Discovery::new(self.client.clone()).run().await?;
        let mut remaining = Remaining::default();
        let mut failures = Vec::new();
        for group in discovery.groups() {
            for (resource, capabilities) in group.recommended_resources() {
                let deletable = capabilities.supports_operation(verbs::LIST)
                    && capabilities.supports_operation(verbs::DELETE);
                if capabilities.scope == Scope::Namespaced && deletable {
                    let collection = capabilities.supports_operation(verbs::DELETE_COLLECTION);
                    if let Err(error) =
                        self.empty_kind(namespace, &resource, collection, &mut remaining).await
                    {
                        failures.push(error);
                    }
                }
            }
        }
        if failures.is_empty() { Ok(remaining) } else { Err(Error::Several(failures)) }
    }

    async fn empty_kind(
        &self,
        namespace: &str,
        resource: &ApiResource,
        collection: bool,
        remaining: &mut Remaining,
    ) -> Result<(), Error> {
        let api = Api::<DynamicObject>::namespaced_with(self.client.clone(), namespace, resource);
        let name = if resource.group.is_empty() {
            resource.plural.clone()
        } else {
            format!("{}.{}", resource.plural, resource.group)
        };
        let list = api.list_metadata(&ListParams::default()).await?;
        if list.items.is_empty() {
            return Ok(());
        }
        let background = DeleteParams {
            propagation_policy: Some(PropagationPolicy::Background),
            ..DeleteParams::default()
        };
        // What is being deleted already must not be asked again: that would start its grace period anew.
        let untouched =
            list.items.iter().filter(|object| object.metadata.deletion_timestamp.is_none()).count();
        if untouched > 0 && collection {
            api.delete_collection(&background, &ListParams::default()).await?;
        } else if untouched > 0 {
            for object in &list.items {
                match api.delete(object.metadata.name.as_deref().unwrap_or_default(), &background).await {
                    Err(kube::Error::Api(status)) if status.code == 404 => {}
                    result => drop(result?),
                }
            }
        }
        let left = api.list_metadata(&ListParams::default()).await?.items;
        if !left.is_empty() {
            remaining.objects.push((name, left.len()));
        }
        for finalizer in left.iter().flat_map(|object| object.metadata.finalizers.iter().flatten()) {
            match remaining.finalizers.iter_mut().find(|(known, _)| known == finalizer) {
                Some((_, count)) => *count += 1,
                None => remaining.finalizers.push((finalizer.clone(), 1)),
            }
        }
        Ok(())
    }

    /// Takes the finalizer off by way of the `finalize` subresource.
    async fn finalize(&self, namespace: &Namespace) -> Result<(), Error> {
        let mut finalized = namespace.clone();
        if let Some(finalizers) = finalized.spec.as_mut().and_then(|spec| spec.finalizers.as_mut()) {
            finalizers.retain(|finalizer| finalizer != FINALIZER);
        }
        let api = Api::<Namespace>::all(self.client.clone());
        let name = namespace.metadata.name.as_deref().unwrap_or_default();
        match api.replace_subresource("finalize", name, &PostParams::default(), &finalized).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            result => result.map(drop).map_err(Error::from),
        }
    }

    /// Says in the namespace's conditions what keeps it.
    async fn report(&self, name: &str, remaining: &Remaining) -> Result<(), Error> {
        let api = Api::<Namespace>::all(self.client.clone());
        let Some(mut namespace) = api.get_opt(name).await? else { return Ok(()) };
        let conditions = namespace.status.get_or_insert_default().conditions.get_or_insert_default();
        let before = conditions.clone();
        let content =
            remaining.objects.iter().map(|(kind, count)| format!("{kind} has {count} resource instances"));
        let content = content.collect::<Vec<_>>().join(", ");
        let content = format!("Some resources are remaining: {content}");
        set(conditions, "NamespaceContentRemaining", true, "SomeResourcesRemain", content);
        let finalizers =
            remaining.finalizers.iter().map(|(name, count)| format!("{name} in {count} resource instances"));
        let finalizers = finalizers.collect::<Vec<_>>().join(", ");
        if finalizers.is_empty() {
            let message = "All content-preserving finalizers finished".to_owned();
            set(conditions, "NamespaceFinalizersRemaining", false, "ContentHasNoFinalizers", message);
        } else {
            let message = format!("Some content in the namespace has finalizers remaining: {finalizers}");
            set(conditions, "NamespaceFinalizersRemaining", true, "SomeFinalizersRemain", message);
        }
        if *conditions == before {
            return Ok(());
        }
        api.replace_status(name, &PostParams::default(), &namespace).await?;
        Ok(())
    }
}

fn set(conditions: &mut Vec<NamespaceCondition>, kind: &str, holds: bool, reason: &str, message: String) {
    let status = if holds { "True" } else { "False" };
    let known = conditions.iter().find(|known| known.type_ == kind);
    if known.is_some_and(|known| known.status == status && known.message.as_deref() == Some(&message)) {
        return;
    }
    let since =
        known.filter(|known| known.status == status).and_then(|known| known.last_transition_time.clone());
    conditions.retain(|known| known.type_ != kind);
    conditions.push(NamespaceCondition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message),
        last_transition_time: since.or(Some(Time(Timestamp::now()))),
    });
}
