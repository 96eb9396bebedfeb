//! The new ReplicaSet of a Deployment and its old ones.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, ReplicaSetSpec};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kingpost_informers::{Error, EventType};
use kube::api::PostParams;

use super::conditions::{self, PROGRESSING};
use super::{Deployments, KIND, name_of, replicas, revision, rolling, scale, template_hash};
use crate::references::controller_reference;

/// A Deployment's ReplicaSets: the one of its present template, and all others.
pub(super) struct Sets {
    pub(super) new: Option<Arc<ReplicaSet>>,
    pub(super) old: Vec<Arc<ReplicaSet>>,
}

impl Sets {
    /// All of them, old ones first.
    pub(super) fn all(&self) -> Vec<Arc<ReplicaSet>> {
        self.old.iter().chain(&self.new).cloned().collect()
    }
}

/// Finds the ReplicaSet of the Deployment's template (the oldest, if there are several) among `sets`, which are ordered by age.
pub(super) fn split(
    deployment: &Deployment,
    sets: &[Arc<ReplicaSet>],
) -> (Option<Arc<ReplicaSet>>, Vec<Arc<ReplicaSet>>) {
    let wanted = without_hash(deployment.spec.template.clone());
    let is_new =
        |set: &&Arc<ReplicaSet>| set.spec.template.clone().map(without_hash).as_ref() == Some(&wanted);
    let new = sets.iter().find(is_new).cloned();
    let old =
        sets.iter().filter(|set| new.as_ref().is_none_or(|new| !Arc::ptr_eq(new, set))).cloned().collect();
    (new, old)
}

/// The template as the Deployment's author wrote it; empty metadata is none.
fn without_hash(mut template: PodTemplateSpec) -> PodTemplateSpec {
    if let Some(metadata) = &mut template.metadata {
        if let Some(labels) = &mut metadata.labels {
            labels.remove(template_hash::LABEL);
        }
        metadata.labels.take_if(|labels| labels.is_empty());
        metadata.annotations.take_if(|annotations| annotations.is_empty());
        metadata.creation_timestamp = None;
    }
    template
}

impl Deployments {
    /// The ReplicaSets with revisions brought up to date; with `create`, a missing new one is made.
    pub(super) async fn sync_revisions(
        &self,
        deployment: &Deployment,
        sets: &[Arc<ReplicaSet>],
        create: bool,
    ) -> Result<Sets, Error> {
        let (new, old) = split(deployment, sets);
        let newest_old = old.iter().map(|set| revision::revision_of(set.metadata.annotations.as_ref())).max();
        let revision = newest_old.unwrap_or(0) + 1;
        let new = match new {
            Some(new) => Some(self.refresh_new(deployment, new, revision).await?),
            None if create => Some(self.create_new(deployment, &old, revision).await?),
            None => None,
        };
        Ok(Sets { new, old })
    }

    /// Annotations, `minReadySeconds` and revision of a new ReplicaSet that exists already.
    async fn refresh_new(
        &self,
        deployment: &Deployment,
        set: Arc<ReplicaSet>,
        revision: i64,
    ) -> Result<Arc<ReplicaSet>, Error> {
        let mut updated = (*set).clone();
        let mut changed = revision::annotate_newest(deployment, &mut updated, revision, true);
        if updated.spec.min_ready_seconds.unwrap_or(0) != deployment.spec.min_ready_seconds.unwrap_or(0) {
            updated.spec.min_ready_seconds = deployment.spec.min_ready_seconds;
            changed = true;
        }
        let set = if changed {
            let api = self.replica_set_api(deployment);
            Arc::new(api.replace(name_of(&set), &PostParams::default(), &updated).await?)
        } else {
            set
        };
        let current = revision::revision_of(set.metadata.annotations.as_ref());
        self.note_revision(deployment, current).await?;
        if conditions::find(deployment, PROGRESSING).is_none() && super::progress::has_deadline(deployment) {
            let message = format!("Found new replica set {:?}", name_of(&set));
            self.set_condition(deployment, conditions::progressing("True", "FoundNewReplicaSet", message))
                .await?;
        }
        Ok(set)
    }

    async fn create_new(
        &self,
        deployment: &Deployment,
        old: &[Arc<ReplicaSet>],
        revision: i64,
    ) -> Result<Arc<ReplicaSet>, Error> {
        let set = new_replica_set(deployment, old, revision);
        let api = self.replica_set_api(deployment);
        let created = match api.create(&PostParams::default(), &set).await {
            Ok(created) => created,
            Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => {
                self.existing_or_collision(deployment, &set).await?
            }
            Err(error) => {
                let kube_message = error.to_string();
                let message = format!("Failed to create new replica set {:?}: {kube_message}", name_of(&set));
                self.event(deployment, EventType::Warning, "ReplicaSetCreateError", message.clone());
                let condition = conditions::progressing("False", "ReplicaSetCreateError", message);
                self.set_condition(deployment, condition).await?;
                return Err(error.into());
            }
        };
        if super::wanted(&created) > 0 {
            let message =
                format!("Scaled up replica set {} from 0 to {}", name_of(&created), super::wanted(&created));
            self.event(deployment, EventType::Normal, "ScalingReplicaSet", message);
        }
        self.note_revision(deployment, revision).await?;
        if super::progress::has_deadline(deployment) {
            let message = format!("Created new replica set {:?}", name_of(&created));
            self.set_condition(deployment, conditions::progressing("True", "NewReplicaSetCreated", message))
                .await?;
        }
        Ok(Arc::new(created))
    }

    /// What to make of a ReplicaSet that has the new one's name: ours of a moment ago, or a collision of hashes.
    async fn existing_or_collision(
        &self,
        deployment: &Deployment,
        set: &ReplicaSet,
    ) -> Result<ReplicaSet, Error> {
        let existing = self.replica_set_api(deployment).get(name_of(set)).await?;
        let ours = kingpost_informers::controller_of(&existing)
            .is_some_and(|owner| Some(&owner.uid) == deployment.metadata.uid.as_ref());
        if ours
            && existing.spec.template.clone().map(without_hash)
                == Some(without_hash(deployment.spec.template.clone()))
        {
            return Ok(existing);
        }
        let mut status = deployment.status.clone().unwrap_or_default();
        status.collision_count = Some(status.collision_count.unwrap_or(0) + 1);
        let collided = Deployment { status: Some(status), ..deployment.clone() };
        let name = deployment.metadata.name.as_deref().unwrap_or_default();
        self.api(deployment).replace_status(name, &PostParams::default(), &collided).await?;
        Err(Error::Object {
            object: format!("replica set {}", name_of(set)),
            problem: "the name is taken by another template, trying the next hash".to_owned(),
        })
    }

    /// Writes the revision into the Deployment's own annotations, where `kubectl rollout` reads it.
    async fn note_revision(&self, deployment: &Deployment, revision: i64) -> Result<(), Error> {
        if revision::revision_of(deployment.metadata.annotations.as_ref()) == revision || revision == 0 {
            return Ok(());
        }
        // Read again: the rest of the object may have changed since. (The role of this controller has no right to patch.)
        let name = deployment.metadata.name.as_deref().unwrap_or_default();
        let api = self.api(deployment);
        let mut current = api.get(name).await?;
        let annotations = current.metadata.annotations.get_or_insert_default();
        annotations.insert(revision::REVISION.to_owned(), revision.to_string());
        api.replace(name, &PostParams::default(), &current).await?;
        Ok(())
    }
}

/// The ReplicaSet for the Deployment's present template.
fn new_replica_set(deployment: &Deployment, old: &[Arc<ReplicaSet>], revision: i64) -> ReplicaSet {
    let collisions = deployment.status.as_ref().and_then(|status| status.collision_count);
    let hash = template_hash::compute(&deployment.spec.template, collisions);
    let mut template = deployment.spec.template.clone();
    let labels = template.metadata.get_or_insert_default().labels.get_or_insert_default();
    labels.insert(template_hash::LABEL.to_owned(), hash.clone());
    let labels = labels.clone();
    let mut selector = deployment.spec.selector.clone();
    selector.match_labels.get_or_insert_default().insert(template_hash::LABEL.to_owned(), hash.clone());

    let name = deployment.metadata.name.as_deref().unwrap_or_default();
    let mut set = ReplicaSet {
        metadata: ObjectMeta {
            name: Some(format!("{name}-{hash}")),
            namespace: deployment.metadata.namespace.clone(),
            labels: Some(labels),
            owner_references: Some(vec![controller_reference(deployment, super::API_VERSION, KIND)]),
            ..ObjectMeta::default()
        },
        spec: ReplicaSetSpec {
            replicas: Some(scale::new_set_replicas(deployment, old, 0)),
            min_ready_seconds: deployment.spec.min_ready_seconds,
            selector,
            template: Some(template),
        },
        status: None,
    };
    revision::annotate_newest(deployment, &mut set, revision, false);
    revision::annotate_replicas(
        &mut set,
        replicas(deployment),
        replicas(deployment) + rolling::max_surge(deployment),
    );
    set
}
