//! One look at one owner: claim pods, create or delete the difference, count.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ObjectReference, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kingpost_informers::{Error, EventType, Key, Reconcile};
use kube::Api;
use kube::api::{DeleteParams, PostParams, Preconditions};
use tracing::info;

use super::{ReplicaOwner, Replicas, claim_pods, ranking, status};
use crate::pod::is_active;
use crate::references::{controller_reference, object_reference};

/// The most pods created or deleted in one go (upstream's burst).
const BURST: usize = 500;

impl<O: ReplicaOwner> Reconcile for Replicas<O> {
    type Key = Key;

    async fn reconcile(&self, key: &Key) -> Result<Option<Duration>, Error> {
        let Some(owner) = self.owners.get(key) else {
            self.expectations.forget(key);
            return Ok(None);
        };
        // Asked before the pods are listed: what is seen from here on is in the list.
        let may_manage = self.expectations.satisfied(key);
        let selector = owner
            .selector()
            .map_err(|problem| Error::Object { object: format!("{} {key}", O::KIND), problem })?;
        let reference = controller_reference(&*owner, O::API_VERSION, O::KIND);
        let ending = owner.meta().deletion_timestamp.is_some();
        let pods =
            claim_pods(&self.client, &self.pods, &key.namespace, &reference, ending, &selector).await?;
        let terminating =
            pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_some() && !is_finished(pod)).count();
        let active: Vec<_> = pods.into_iter().filter(|pod| is_active(pod)).collect();

        let managed =
            if may_manage && !ending { self.manage(key, &owner, &reference, &active).await } else { Ok(()) };
        let failure = managed.as_ref().err().map(|failure| (failure.reason, failure.error.to_string()));
        let status = status::calculate(&*owner, &active, terminating, failure, Timestamp::now());
        let waits = status.ready == owner.replicas() && status.available != owner.replicas();
        self.write_status(&owner, status).await?;
        managed.map_err(|failure| failure.error)?;
        Ok((waits && !owner.min_ready().is_zero()).then(|| owner.min_ready()))
    }
}

/// What went wrong while pods were made or removed, and the reason that the condition gives.
struct Failure {
    reason: &'static str,
    error: Error,
}

impl<O: ReplicaOwner> Replicas<O> {
    async fn manage(
        &self,
        key: &Key,
        owner: &Arc<O>,
        reference: &OwnerReference,
        active: &[Arc<Pod>],
    ) -> Result<(), Failure> {
        let wanted = usize::try_from(owner.replicas()).unwrap_or(0);
        let failure = |reason| move |error| Failure { reason, error };
        if active.len() < wanted {
            let missing = (wanted - active.len()).min(BURST);
            info!(owner = %key, kind = O::KIND, missing, "too few replicas");
            self.create(key, owner, reference, missing).await.map_err(failure("FailedCreate"))
        } else if active.len() > wanted {
            let excess = (active.len() - wanted).min(BURST);
            info!(owner = %key, kind = O::KIND, excess, "too many replicas");
            self.delete(key, owner, reference, active, excess).await.map_err(failure("FailedDelete"))
        } else {
            Ok(())
        }
    }

    /// Creates in batches of 1, 2, 4, …: where all would fail for one reason, few do.
    async fn create(
        &self,
        key: &Key,
        owner: &Arc<O>,
        reference: &OwnerReference,
        count: usize,
    ) -> Result<(), Error> {
        let Some(pod) = new_pod(&**owner, reference) else { return Ok(()) };
        let api = Api::<Pod>::namespaced(self.client.clone(), &key.namespace);
        let about = object_reference(&**owner, O::API_VERSION, O::KIND);
        self.expectations.expect_creations(key, count);
        let mut left = count;
        let mut batch = 1;
        while left > 0 {
            let size = batch.min(left);
            let made = join_all((0..size).map(|_| self.create_one(&api, &pod, &about))).await;
            left -= size;
            batch = size * 2;
            if let Some(error) =
                made.into_iter().filter_map(Result::err).inspect(|_| self.expectations.created(key)).last()
            {
                // What was not tried will not show up either.
                (0..left).for_each(|_| self.expectations.created(key));
                return match error {
                    // The namespace is ending: nothing will ever be created there again.
                    Error::Api(kube::Error::Api(status)) if is_namespace_ending(&status) => Ok(()),
                    error => Err(error),
                };
            }
        }
        Ok(())
    }

    async fn create_one(&self, api: &Api<Pod>, pod: &Pod, about: &ObjectReference) -> Result<(), Error> {
        match api.create(&PostParams::default(), pod).await {
            Ok(pod) => {
                let name = pod.metadata.name.unwrap_or_default();
                self.recorder.event(
                    about,
                    EventType::Normal,
                    "SuccessfulCreate",
                    format!("Created pod: {name}"),
                );
                Ok(())
            }
            Err(error) => {
                if !matches!(&error, kube::Error::Api(status) if is_namespace_ending(status)) {
                    let message = format!("Error creating: {}", api_message(&error));
                    self.recorder.event(about, EventType::Warning, "FailedCreate", message);
                }
                Err(error.into())
            }
        }
    }

    async fn delete(
        &self,
        key: &Key,
        owner: &Arc<O>,
        reference: &OwnerReference,
        active: &[Arc<Pod>],
        count: usize,
    ) -> Result<(), Error> {
        let related = self.related_pods(owner);
        let victims = ranking::pods_to_delete(active.to_vec(), &related, count);
        let uids = victims.iter().filter_map(|pod| pod.metadata.uid.clone());
        self.expectations.expect_deletions(key, uids);
        let api = Api::<Pod>::namespaced(self.client.clone(), &key.namespace);
        let about = object_reference(&**owner, O::API_VERSION, &reference.kind);
        let deletions = join_all(victims.iter().map(|pod| self.delete_one(&api, key, pod, &about))).await;
        let failures: Vec<_> = deletions.into_iter().filter_map(Result::err).collect();
        if failures.is_empty() { Ok(()) } else { Err(Error::Several(failures)) }
    }

    async fn delete_one(
        &self,
        api: &Api<Pod>,
        key: &Key,
        pod: &Pod,
        about: &ObjectReference,
    ) -> Result<(), Error> {
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        let preconditions = Preconditions { uid: pod.metadata.uid.clone(), resource_version: None };
        match api.delete(name, &DeleteParams::default().preconditions(preconditions)).await {
            Ok(_) => {
                self.recorder.event(
                    about,
                    EventType::Normal,
                    "SuccessfulDelete",
                    format!("Deleted pod: {name}"),
                );
                Ok(())
            }
            Err(error) => {
                self.expectations.deleted(key, super::uid(pod));
                // Gone, or another pod of that name by now: what was wanted is done.
                if matches!(&error, kube::Error::Api(status) if status.code == 404 || status.code == 409) {
                    return Ok(());
                }
                let message = format!("Error deleting: {}", api_message(&error));
                self.recorder.event(about, EventType::Warning, "FailedDelete", message);
                Err(error.into())
            }
        }
    }

    /// The pods of all owners that share this one's controller: a Deployment's old and new ReplicaSets.
    fn related_pods(&self, owner: &Arc<O>) -> Vec<Arc<Pod>> {
        let siblings = match kingpost_informers::controller_of(&**owner) {
            Some(controller) => self.owners.controlled_by(&controller.uid),
            None => vec![Arc::clone(owner)],
        };
        let uids = siblings.iter().filter_map(|sibling| sibling.meta().uid.clone());
        uids.flat_map(|uid| self.pods.controlled_by(&uid)).filter(|pod| is_active(pod)).collect()
    }

    async fn write_status(&self, owner: &Arc<O>, status: super::ReplicaStatus) -> Result<(), Error> {
        if owner.status() == status {
            return Ok(());
        }
        let namespace = owner.meta().namespace.as_deref().unwrap_or_default();
        let api = Api::<O>::namespaced(self.client.clone(), namespace);
        let name = owner.meta().name.as_deref().unwrap_or_default();
        match api.replace_status(name, &PostParams::default(), &owner.with_status(status)).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn is_finished(pod: &Pod) -> bool {
    matches!(crate::pod::phase(pod), "Succeeded" | "Failed")
}

fn is_namespace_ending(status: &kube::core::Status) -> bool {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes.into_iter().any(|cause| cause.reason == "NamespaceTerminating")
}

fn api_message(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}

/// A pod as the owner's template says, named after it.
fn new_pod<O: ReplicaOwner>(owner: &O, reference: &OwnerReference) -> Option<Pod> {
    let template = owner.template()?;
    let metadata = template.metadata.clone().unwrap_or_default();
    Some(Pod {
        metadata: ObjectMeta {
            generate_name: Some(format!("{}-", owner.meta().name.as_deref().unwrap_or_default())),
            namespace: owner.meta().namespace.clone(),
            labels: metadata.labels,
            annotations: metadata.annotations,
            finalizers: metadata.finalizers,
            owner_references: Some(vec![reference.clone()]),
            ..ObjectMeta::default()
        },
        spec: template.spec.clone(),
        status: None,
    })
}
