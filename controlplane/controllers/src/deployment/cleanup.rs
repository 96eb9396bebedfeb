//! Old ReplicaSets beyond `revisionHistoryLimit` are deleted.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use kingpost_informers::Error;
use kube::api::DeleteParams;

use super::{Deployments, name_of, revision, wanted};

impl Deployments {
    /// Deletes the old ReplicaSets with the lowest revisions that have no pods any more.
    pub(super) async fn clean_up(
        &self,
        deployment: &Deployment,
        old: &[Arc<ReplicaSet>],
    ) -> Result<(), Error> {
        let Some(limit) =
            deployment.spec.revision_history_limit.and_then(|limit| usize::try_from(limit).ok())
        else {
            return Ok(());
        };
        let mut old: Vec<_> = old.iter().filter(|set| set.metadata.deletion_timestamp.is_none()).collect();
        let Some(excess) = old.len().checked_sub(limit).filter(|excess| *excess > 0) else { return Ok(()) };
        old.sort_by_key(|set| revision::revision_of(set.metadata.annotations.as_ref()));
        let api = self.replica_set_api(deployment);
        for set in old.into_iter().take(excess).filter(|set| is_idle(set)) {
            match api.delete(name_of(set), &DeleteParams::default()).await {
                Ok(_) => {}
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// Nothing runs, nothing shall run, and its controller has seen that.
fn is_idle(set: &ReplicaSet) -> bool {
    let status = set.status.clone().unwrap_or_default();
    wanted(set) == 0 && status.replicas == 0 && set.metadata.generation <= status.observed_generation
}
