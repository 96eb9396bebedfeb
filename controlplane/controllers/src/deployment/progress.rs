//! Whether a rollout moves on, and what it says when it does not (upstream's `progress.go`).

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition, DeploymentStatus};
use kingpost_informers::Error;

use super::conditions::{self, PROGRESSING, REPLICA_FAILURE};
use super::replica_sets::Sets;
use super::status::{calculate, is_complete};
use super::{Deployments, name_of};

/// A deadline of this many seconds is none.
const NO_DEADLINE: i32 = i32::MAX;

/// Whether the Deployment wants to hear when it makes no progress.
pub(super) fn has_deadline(deployment: &Deployment) -> bool {
    deployment.spec.progress_deadline_seconds.is_some_and(|seconds| seconds != NO_DEADLINE)
}

impl Deployments {
    /// Writes the status with its Progressing condition; the result is when to look at the deadline again.
    pub(super) async fn sync_progress(
        &self,
        deployment: &Deployment,
        sets: &Sets,
    ) -> Result<Option<Duration>, Error> {
        let mut status = calculate(deployment, &sets.all(), sets.new.as_deref());
        let all = status.conditions.get_or_insert_default().clone();
        let mut all = all;
        if has_deadline(deployment) {
            self.judge(deployment, sets, &status, &mut all);
        } else {
            conditions::remove(&mut all, PROGRESSING);
        }
        match failure(sets) {
            Some(condition) => conditions::set(&mut all, condition),
            None => conditions::remove(&mut all, REPLICA_FAILURE),
        }
        let again = next_look(deployment, &status, &all);
        status.conditions = Some(all);
        self.replace_status(deployment, status).await?;
        Ok(again)
    }

    fn judge(
        &self,
        deployment: &Deployment,
        sets: &Sets,
        status: &DeploymentStatus,
        all: &mut Vec<DeploymentCondition>,
    ) {
        let current = conditions::find(deployment, PROGRESSING);
        let reason = current.and_then(|condition| condition.reason.as_deref());
        // Once complete it stays so, until a new rollout begins.
        if status.replicas == status.updated_replicas && reason == Some("NewReplicaSetAvailable") {
            return;
        }
        let subject = match &sets.new {
            Some(new) => format!("ReplicaSet {:?}", name_of(new)),
            None => format!("Deployment {:?}", deployment.metadata.name.as_deref().unwrap_or_default()),
        };
        if is_complete(deployment, status) {
            let message = format!("{subject} has successfully progressed.");
            conditions::set(all, conditions::progressing("True", "NewReplicaSetAvailable", message));
        } else if is_progressing(deployment, status) {
            let mut condition =
                conditions::progressing("True", "ReplicaSetUpdated", format!("{subject} is progressing."));
            if let Some(current) = current.filter(|current| current.status.as_deref() == Some("True")) {
                condition.last_transition_time = current.last_transition_time.clone();
            }
            // Every step starts the clock again, though the condition says the same as before.
            conditions::remove(all, PROGRESSING);
            all.push(condition);
        } else if has_timed_out(deployment, status) {
            let message = format!("{subject} has timed out progressing.");
            conditions::set(all, conditions::progressing("False", "ProgressDeadlineExceeded", message));
        }
    }
}

/// More new pods, fewer old ones, or more that serve than last time.
fn is_progressing(deployment: &Deployment, new: &DeploymentStatus) -> bool {
    let old = deployment.status.clone().unwrap_or_default();
    let count = |value: Option<i32>| value.unwrap_or(0);
    let old_pods = |status: &DeploymentStatus| count(status.replicas) - count(status.updated_replicas);
    count(new.updated_replicas) > count(old.updated_replicas)
        || old_pods(new) < old_pods(&old)
        || count(new.ready_replicas) > count(old.ready_replicas)
        || count(new.available_replicas) > count(old.available_replicas)
}

fn deadline(deployment: &Deployment) -> Duration {
    let seconds = deployment.spec.progress_deadline_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    Duration::from_secs(seconds.unwrap_or(600))
}

/// How long ago the rollout last moved.
fn since_progress(deployment: &Deployment) -> Option<Duration> {
    let condition = conditions::find(deployment, PROGRESSING)?;
    let since = condition.last_update_time.as_ref()?.0;
    Some(Timestamp::now().duration_since(since).unsigned_abs())
}

fn has_timed_out(deployment: &Deployment, _: &DeploymentStatus) -> bool {
    let Some(condition) = conditions::find(deployment, PROGRESSING) else { return false };
    match condition.reason.as_deref() {
        Some("NewReplicaSetAvailable") => false,
        Some("ProgressDeadlineExceeded") => true,
        _ => since_progress(deployment).is_some_and(|since| since > deadline(deployment)),
    }
}

/// When the deadline has to be looked at, if nothing else happens until then.
fn next_look(
    deployment: &Deployment,
    status: &DeploymentStatus,
    conditions: &[DeploymentCondition],
) -> Option<Duration> {
    let progressing = conditions.iter().find(|condition| condition.type_.as_deref() == Some(PROGRESSING))?;
    let over =
        is_complete(deployment, status) || progressing.reason.as_deref() == Some("ProgressDeadlineExceeded");
    if over || !has_deadline(deployment) {
        return None;
    }
    let since = Timestamp::now().duration_since(progressing.last_update_time.as_ref()?.0).unsigned_abs();
    Some(deadline(deployment).saturating_sub(since) + Duration::from_secs(1))
}

/// The failure of a ReplicaSet to make pods, the new one's first.
fn failure(sets: &Sets) -> Option<DeploymentCondition> {
    let condition = sets.new.iter().chain(&sets.old).find_map(|set| {
        let conditions = set.status.as_ref()?.conditions.as_ref()?;
        conditions.iter().find(|condition| condition.type_.as_deref() == Some(REPLICA_FAILURE))
    })?;
    Some(DeploymentCondition {
        type_: Some(REPLICA_FAILURE.to_owned()),
        status: condition.status.clone(),
        reason: condition.reason.clone(),
        message: condition.message.clone(),
        last_update_time: condition.last_transition_time.clone(),
        last_transition_time: condition.last_transition_time.clone(),
    })
}
