//! A Deployment's conditions.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kingpost_informers::Error;
use kube::api::PostParams;

use super::Deployments;

/// Whether the rollout moves on.
pub(super) const PROGRESSING: &str = "Progressing";
/// Whether enough pods are available.
pub(super) const AVAILABLE: &str = "Available";
/// Whether pods could not be made.
pub(super) const REPLICA_FAILURE: &str = "ReplicaFailure";

/// A condition of this moment.
pub(super) fn new(kind: &str, status: &str, reason: &str, message: impl Into<String>) -> DeploymentCondition {
    let now = Some(Time(Timestamp::now()));
    DeploymentCondition {
        type_: Some(kind.to_owned()),
        status: Some(status.to_owned()),
        reason: Some(reason.to_owned()),
        message: Some(message.into()),
        last_update_time: now.clone(),
        last_transition_time: now,
    }
}

/// A Progressing condition.
pub(super) fn progressing(status: &str, reason: &str, message: impl Into<String>) -> DeploymentCondition {
    new(PROGRESSING, status, reason, message)
}

/// The Deployment's condition of that type.
pub(super) fn find<'a>(deployment: &'a Deployment, kind: &str) -> Option<&'a DeploymentCondition> {
    let conditions = deployment.status.as_ref()?.conditions.as_deref()?;
    conditions.iter().find(|condition| condition.type_.as_deref() == Some(kind))
}

/// Puts a condition in place of the one of its type. One that says the same stays as it is; the time of transition is that of
/// the last change of status.
pub(super) fn set(conditions: &mut Vec<DeploymentCondition>, mut condition: DeploymentCondition) {
    let known = conditions.iter().position(|known| known.type_ == condition.type_);
    if let Some(known) = known.and_then(|index| conditions.get(index)) {
        if known.status == condition.status && known.reason == condition.reason {
            return;
        }
        if known.status == condition.status {
            condition.last_transition_time = known.last_transition_time.clone();
        }
    }
    conditions.retain(|known| known.type_ != condition.type_);
    conditions.push(condition);
}

/// Takes the condition of that type away.
pub(super) fn remove(conditions: &mut Vec<DeploymentCondition>, kind: &str) {
    conditions.retain(|condition| condition.type_.as_deref() != Some(kind));
}

impl Deployments {
    /// Writes one condition into the status, if it says something new.
    pub(super) async fn set_condition(
        &self,
        deployment: &Deployment,
        condition: DeploymentCondition,
    ) -> Result<bool, Error> {
        let mut status = deployment.status.clone().unwrap_or_default();
        let before = status.conditions.clone();
        set(status.conditions.get_or_insert_default(), condition);
        if status.conditions == before {
            return Ok(false);
        }
        let api = self.api(deployment);
        let name = deployment.metadata.name.as_deref().unwrap_or_default();
        // Read again: annotations may have changed since, and only the status is ours here.
        let mut current = api.get(name).await?;
        let current_status = current.status.get_or_insert_default();
        current_status.conditions = status.conditions;
        api.replace_status(name, &PostParams::default(), &current).await?;
        Ok(true)
    }

    /// A pause stops the clock of the progress deadline, its end starts it again; says whether it changed anything.
    pub(super) async fn note_pause(&self, deployment: &Deployment) -> Result<bool, Error> {
        if !super::progress::has_deadline(deployment) {
            return Ok(false);
        }
        let reason = find(deployment, PROGRESSING).and_then(|condition| condition.reason.as_deref());
        if reason == Some("ProgressDeadlineExceeded") {
            return Ok(false);
        }
        let paused = deployment.spec.paused == Some(true);
        match (paused, reason) {
            (true, reason) if reason != Some("DeploymentPaused") => {
                self.set_condition(
                    deployment,
                    progressing("Unknown", "DeploymentPaused", "Deployment is paused"),
                )
                .await
            }
            (false, Some("DeploymentPaused")) => {
                let condition = progressing("Unknown", "DeploymentResumed", "Deployment is resumed");
                self.set_condition(deployment, condition).await
            }
            _ => Ok(false),
        }
    }
}
