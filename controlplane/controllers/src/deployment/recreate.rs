//! The Recreate strategy: all old pods end before the first new one is made.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use kingpost_informers::Error;

use super::{Deployments, wanted};
use crate::pod::phase;

impl Deployments {
    /// One step of a recreation.
    pub(super) async fn recreate(
        &self,
        deployment: &Deployment,
        sets: &[Arc<ReplicaSet>],
    ) -> Result<Option<Duration>, Error> {
        let known = self.sync_revisions(deployment, sets, false).await?;
        let mut scaled = false;
        for old in known.old.iter().filter(|set| wanted(set) > 0) {
            scaled |= self.scale_to(deployment, old, 0).await?;
        }
        if scaled || self.old_pods_run(&known.old) {
            return self.sync_progress(deployment, &known).await;
        }
        let known = match known.new {
            Some(_) => known,
            None => self.sync_revisions(deployment, sets, true).await?,
        };
        self.scale_new(deployment, &known).await?;
        let status = super::status::calculate(deployment, &known.all(), known.new.as_deref());
        if super::status::is_complete(deployment, &status) {
            self.clean_up(deployment, &known.old).await?;
        }
        self.sync_progress(deployment, &known).await
    }

    /// Whether a pod of an old ReplicaSet has not ended yet, one that is being deleted included.
    fn old_pods_run(&self, old: &[Arc<ReplicaSet>]) -> bool {
        let uids = old.iter().filter_map(|set| set.metadata.uid.as_deref());
        uids.flat_map(|uid| self.pods.controlled_by(uid))
            .any(|pod| !matches!(phase(&pod), "Succeeded" | "Failed"))
    }
}
