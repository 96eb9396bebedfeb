//! Rolling updates: the new ReplicaSet grows as far as `maxSurge` allows, the old ones shrink as far as `maxUnavailable` does.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, RollingUpdateDeployment};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kingpost_informers::Error;

use super::replica_sets::Sets;
use super::{Deployments, available, is_recreate, replicas, scale, wanted};

impl Deployments {
    /// One step of a rolling update.
    pub(super) async fn roll(
        &self,
        deployment: &Deployment,
        sets: &[Arc<ReplicaSet>],
    ) -> Result<Option<Duration>, Error> {
        let sets = self.sync_revisions(deployment, sets, true).await?;
        if self.scale_new(deployment, &sets).await? || self.scale_old_down(deployment, &sets).await? {
            return self.sync_progress(deployment, &sets).await;
        }
        if super::status::is_complete(
            deployment,
            &super::status::calculate(deployment, &sets.all(), sets.new.as_deref()),
        ) {
            self.clean_up(deployment, &sets.old).await?;
        }
        self.sync_progress(deployment, &sets).await
    }

    /// Lets the new ReplicaSet grow, or shrink to what the Deployment wants; says whether it did anything.
    pub(super) async fn scale_new(&self, deployment: &Deployment, sets: &Sets) -> Result<bool, Error> {
        let Some(new) = &sets.new else { return Ok(false) };
        let target = if wanted(new) > replicas(deployment) {
            replicas(deployment)
        } else {
            scale::new_set_replicas(deployment, &sets.old, wanted(new))
        };
        self.scale_to(deployment, new, target).await
    }

    /// Lets the old ReplicaSets shrink: first what is not available anyway, then as much as may be missing.
    async fn scale_old_down(&self, deployment: &Deployment, sets: &Sets) -> Result<bool, Error> {
        let old_pods: i32 = sets.old.iter().map(|set| wanted(set)).sum();
        if old_pods == 0 {
            return Ok(false);
        }
        let new = sets.new.as_deref();
        let new_unavailable = new.map_or(0, |new| wanted(new) - available(new));
        let all: i32 = old_pods + new.map_or(0, wanted);
        let may_go = all - (replicas(deployment) - max_unavailable(deployment)) - new_unavailable;
        if may_go <= 0 {
            return Ok(false);
        }
        let mut targets: Vec<_> = sets.old.iter().map(|set| (set, wanted(set))).collect();
        let unhealthy = remove_unhealthy(&mut targets, may_go);
        let removed = unhealthy + remove_available(deployment, &mut targets, sets);
        for (set, target) in targets {
            self.scale_to(deployment, set, target).await?;
        }
        Ok(removed > 0)
    }
}

/// Takes replicas that are not available away, oldest set first; they serve nobody.
fn remove_unhealthy(targets: &mut [(&Arc<ReplicaSet>, i32)], may_go: i32) -> i32 {
    let mut removed = 0;
    for (set, target) in targets {
        let unhealthy = *target - available(set);
        let count = unhealthy.min(may_go - removed).max(0);
        *target -= count;
        removed += count;
    }
    removed
}

/// Takes available replicas away while enough of all are left.
fn remove_available(deployment: &Deployment, targets: &mut [(&Arc<ReplicaSet>, i32)], sets: &Sets) -> i32 {
    let minimum = replicas(deployment) - max_unavailable(deployment);
    let ready: i32 = sets.all().iter().map(|set| available(set)).sum();
    let mut may_go = (ready - minimum).max(0);
    let mut removed = 0;
    for (_, target) in targets {
        let count = (*target).min(may_go);
        *target -= count;
        may_go -= count;
        removed += count;
    }
    removed
}

fn rolling_update(deployment: &Deployment) -> Option<&RollingUpdateDeployment> {
    deployment.spec.strategy.as_ref()?.rolling_update.as_ref()
}

/// How many pods there may be above the wanted number.
pub(super) fn max_surge(deployment: &Deployment) -> i32 {
    if is_recreate(deployment) {
        return 0;
    }
    let surge = rolling_update(deployment).and_then(|update| update.max_surge.as_ref());
    scaled(surge, replicas(deployment), Round::Up)
}

/// How many of the wanted pods may be missing. Where neither a surge nor a gap is allowed one pod may be missing, as
/// nothing could ever move otherwise (upstream's `ResolveFenceposts`).
pub(super) fn max_unavailable(deployment: &Deployment) -> i32 {
    if is_recreate(deployment) || replicas(deployment) == 0 {
        return 0;
    }
    let gap = rolling_update(deployment).and_then(|update| update.max_unavailable.as_ref());
    let gap = scaled(gap, replicas(deployment), Round::Down);
    let gap = if gap == 0 && max_surge(deployment) == 0 { 1 } else { gap };
    gap.min(replicas(deployment))
}

#[derive(Clone, Copy, PartialEq)]
enum Round {
    Up,
    Down,
}

/// A number, or a percentage of `total` (`intstr.GetScaledValueFromIntOrPercent`). Without a value it is 25 %, the default.
fn scaled(value: Option<&IntOrString>, total: i32, round: Round) -> i32 {
    let percent = match value {
        Some(IntOrString::Int(number)) => return *number,
        Some(IntOrString::String(text)) => {
            text.strip_suffix('%').and_then(|text| text.parse().ok()).unwrap_or(0)
        }
        None => 25,
    };
    let hundredths = i64::from(total) * i64::from(percent);
    let count =
        if round == Round::Up { (hundredths + 99).div_euclid(100) } else { hundredths.div_euclid(100) };
    i32::try_from(count).unwrap_or(i32::MAX)
}
