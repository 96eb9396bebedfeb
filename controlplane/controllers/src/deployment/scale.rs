//! Scaling ReplicaSets: one at a time, and all in proportion when a Deployment is scaled in the middle of a rollout.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use kingpost_informers::{Error, EventType};
use kube::api::PostParams;

use super::replica_sets::Sets;
use super::revision::{DESIRED, MAX, annotate_replicas, number};
use super::rolling::max_surge;
use super::{Deployments, available, is_recreate, name_of, replicas, wanted};

/// Whether the Deployment's number of replicas was changed since its ReplicaSets were last scaled.
pub(super) fn is_scaling_event(deployment: &Deployment, sets: &[Arc<ReplicaSet>]) -> bool {
    let active = sets.iter().filter(|set| wanted(set) > 0);
    active.filter_map(|set| number(set, DESIRED)).any(|desired| desired != replicas(deployment))
}

/// How many replicas the new ReplicaSet may have now (upstream's `NewRSNewReplicas`).
pub(super) fn new_set_replicas(deployment: &Deployment, old: &[Arc<ReplicaSet>], current: i32) -> i32 {
    if is_recreate(deployment) {
        return replicas(deployment);
    }
    let all: i32 = old.iter().map(|set| wanted(set)).sum::<i32>() + current;
    let room = replicas(deployment) + max_surge(deployment) - all;
    if room <= 0 {
        return current;
    }
    current + room.min(replicas(deployment) - current)
}

impl Deployments {
    /// Scales one ReplicaSet, and writes down for which number of replicas; says whether its size changed.
    pub(super) async fn scale_to(
        &self,
        deployment: &Deployment,
        set: &Arc<ReplicaSet>,
        target: i32,
    ) -> Result<bool, Error> {
        let mut updated = (**set).clone();
        let annotated = annotate_replicas(
            &mut updated,
            replicas(deployment),
            replicas(deployment) + max_surge(deployment),
        );
        let before = wanted(set);
        if before == target && !annotated {
            return Ok(false);
        }
        updated.spec.replicas = Some(target);
        self.replica_set_api(deployment).replace(name_of(set), &PostParams::default(), &updated).await?;
        if before != target {
            let direction = if target > before { "up" } else { "down" };
            let message =
                format!("Scaled {direction} replica set {} from {before} to {target}", name_of(set));
            self.event(deployment, EventType::Normal, "ScalingReplicaSet", message);
        }
        Ok(before != target)
    }

    /// What a paused Deployment, or one whose number of replicas was changed, needs: sizes, but no new version.
    pub(super) async fn sync_scale(
        &self,
        deployment: &Deployment,
        sets: &[Arc<ReplicaSet>],
    ) -> Result<Option<Duration>, Error> {
        let sets = self.sync_revisions(deployment, sets, false).await?;
        self.scale_all(deployment, &sets).await?;
        if deployment.spec.paused == Some(true) {
            self.clean_up(deployment, &sets.old).await?;
        }
        self.write_status(deployment, &sets.all(), sets.new.as_deref(), Vec::new()).await?;
        Ok(None)
    }

    async fn scale_all(&self, deployment: &Deployment, sets: &Sets) -> Result<(), Error> {
        if let Some(only) = active_or_latest(sets) {
            self.scale_to(deployment, only, replicas(deployment)).await?;
            return Ok(());
        }
        if sets.new.as_deref().is_some_and(|new| is_saturated(deployment, new)) {
            for old in sets.old.iter().filter(|set| wanted(set) > 0) {
                self.scale_to(deployment, old, 0).await?;
            }
            return Ok(());
        }
        if is_recreate(deployment) {
            return Ok(());
        }
        for (set, target) in proportional(deployment, sets) {
            self.scale_to(deployment, set, target).await?;
        }
        Ok(())
    }
}

/// The one ReplicaSet that has replicas; without any, the newest.
fn active_or_latest(sets: &Sets) -> Option<&Arc<ReplicaSet>> {
    let mut active = sets.old.iter().chain(&sets.new).filter(|set| wanted(set) > 0);
    match (active.next(), active.next()) {
        (Some(only), None) => Some(only),
        (None, _) => sets.new.as_ref().or(sets.old.last()),
        _ => None,
    }
}

/// Whether the new ReplicaSet has all the Deployment wants, available.
fn is_saturated(deployment: &Deployment, new: &ReplicaSet) -> bool {
    let all = replicas(deployment);
    wanted(new) == all && number(new, DESIRED) == Some(all) && available(new) == all
}

/// Sizes in the middle of a rollout: what is to be added or taken away is spread by present size, the rest goes to the largest.
fn proportional<'a>(deployment: &Deployment, sets: &'a Sets) -> Vec<(&'a Arc<ReplicaSet>, i32)> {
    let mut active: Vec<_> = sets.old.iter().chain(&sets.new).filter(|set| wanted(set) > 0).collect();
    let allowed = if replicas(deployment) > 0 { replicas(deployment) + max_surge(deployment) } else { 0 };
    let all: i32 = active.iter().map(|set| wanted(set)).sum();
    let to_add = allowed - all;
    // Growing starts with the newest among equals, shrinking with the oldest.
    active.sort_by_key(|set| set.metadata.creation_timestamp.clone());
    if to_add > 0 {
        active.reverse();
    }
    active.sort_by_key(|set| std::cmp::Reverse(wanted(set)));

    let mut added = 0;
    let mut targets = Vec::with_capacity(active.len());
    for set in active {
        let share = if to_add == 0 { 0 } else { share(deployment, set, to_add, added) };
        targets.push((set, wanted(set) + share));
        added += share;
    }
    if let Some((_, first)) = targets.first_mut() {
        *first = (*first + to_add - added).max(0);
    }
    targets
}

/// The part of `to_add` that falls to one ReplicaSet (upstream's `GetReplicaSetProportion`).
fn share(deployment: &Deployment, set: &ReplicaSet, to_add: i32, added: i32) -> i32 {
    let size = wanted(set);
    let target = i64::from(replicas(deployment) + max_surge(deployment));
    let former = i64::from(number(set, MAX).filter(|max| *max > 0).unwrap_or_else(|| {
        deployment.status.as_ref().and_then(|status| status.replicas).unwrap_or(size).max(1)
    }));
    // Rounded half away from zero, as Go's math.Round does.
    let scaled = (i64::from(size) * target * 2 + former).div_euclid(former * 2);
    let fraction = i32::try_from(scaled).unwrap_or(i32::MAX) - size;
    let left = to_add - added;
    if to_add > 0 { fraction.min(left) } else { fraction.max(left) }
}
