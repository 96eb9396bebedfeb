//! A Deployment's status, counted from its ReplicaSets.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet};
use kingpost_informers::Error;
use kube::api::PostParams;

use super::conditions::{self, AVAILABLE};
use super::rolling::max_unavailable;
use super::{Deployments, available, replicas, wanted};

/// What the status says of these ReplicaSets.
pub(super) fn calculate(
    deployment: &Deployment,
    sets: &[Arc<ReplicaSet>],
    new: Option<&ReplicaSet>,
) -> DeploymentStatus {
    let sum = |count: fn(&ReplicaSet) -> i32| sets.iter().map(|set| count(set)).sum::<i32>();
    let actual = |set: &ReplicaSet| set.status.as_ref().map_or(0, |status| status.replicas);
    let total_available = sum(available);
    let mut conditions =
        deployment.status.as_ref().and_then(|status| status.conditions.clone()).unwrap_or_default();
    conditions::set(&mut conditions, availability(deployment, total_available));
    DeploymentStatus {
        observed_generation: deployment.metadata.generation,
        replicas: Some(sum(actual)),
        updated_replicas: Some(new.map_or(0, actual)),
        ready_replicas: Some(sum(|set| {
            set.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or(0)
        })),
        available_replicas: Some(total_available),
        unavailable_replicas: Some((sum(wanted) - total_available).max(0)),
        terminating_replicas: Some(sum(|set| {
            set.status.as_ref().and_then(|status| status.terminating_replicas).unwrap_or(0)
        })),
        collision_count: deployment.status.as_ref().and_then(|status| status.collision_count),
        conditions: Some(conditions),
    }
}

fn availability(deployment: &Deployment, available: i32) -> DeploymentCondition {
    if available >= replicas(deployment) - max_unavailable(deployment) {
        let message = "Deployment has minimum availability.";
        conditions::new(AVAILABLE, "True", "MinimumReplicasAvailable", message)
    } else {
        let message = "Deployment does not have minimum availability.";
        conditions::new(AVAILABLE, "False", "MinimumReplicasUnavailable", message)
    }
}

/// Whether the rollout is over: all pods are new, available, and no old one is left.
pub(super) fn is_complete(deployment: &Deployment, status: &DeploymentStatus) -> bool {
    let all = Some(replicas(deployment));
    status.updated_replicas == all
        && status.replicas == all
        && status.available_replicas == all
        && status.observed_generation >= deployment.metadata.generation
}

impl Deployments {
    /// Writes the status if it changed; `changes` are conditions that are set on top.
    pub(super) async fn write_status(
        &self,
        deployment: &Deployment,
        sets: &[Arc<ReplicaSet>],
        new: Option<&ReplicaSet>,
        changes: Vec<DeploymentCondition>,
    ) -> Result<bool, Error> {
        let mut status = calculate(deployment, sets, new);
        let all = status.conditions.get_or_insert_default();
        changes.into_iter().for_each(|condition| conditions::set(all, condition));
        self.replace_status(deployment, status).await
    }

    /// Writes this status if it differs from the present one.
    pub(super) async fn replace_status(
        &self,
        deployment: &Deployment,
        status: DeploymentStatus,
    ) -> Result<bool, Error> {
        if same(deployment.status.as_ref(), &status) {
            return Ok(false);
        }
        let updated = Deployment { status: Some(status), ..deployment.clone() };
        let name = deployment.metadata.name.as_deref().unwrap_or_default();
        match self.api(deployment).replace_status(name, &PostParams::default(), &updated).await {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Zero and absent are one: the API server leaves zeros out.
fn same(known: Option<&DeploymentStatus>, new: &DeploymentStatus) -> bool {
    let zero = |value: Option<i32>| value.unwrap_or(0);
    let known = known.cloned().unwrap_or_default();
    known.observed_generation == new.observed_generation
        && zero(known.replicas) == zero(new.replicas)
        && zero(known.updated_replicas) == zero(new.updated_replicas)
        && zero(known.ready_replicas) == zero(new.ready_replicas)
        && zero(known.available_replicas) == zero(new.available_replicas)
        && zero(known.unavailable_replicas) == zero(new.unavailable_replicas)
        && zero(known.terminating_replicas) == zero(new.terminating_replicas)
        && known.collision_count == new.collision_count
        && known.conditions.unwrap_or_default() == new.conditions.clone().unwrap_or_default()
}
