//! ReplicaSets.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{ReplicaSet, ReplicaSetCondition, ReplicaSetStatus};
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};
use kingpost_informers::Informer;
use kube::Client;
use kube::core::Selector;
use tokio_util::sync::CancellationToken;

use super::status::{ReplicaCondition, ReplicaStatus};
use super::{ReplicaOwner, seconds};

impl ReplicaOwner for ReplicaSet {
    const API_VERSION: &'static str = "apps/v1";
    const KIND: &'static str = "ReplicaSet";
    const REPORTS_TERMINATING: bool = true;

    fn selector(&self) -> Result<Selector, String> {
        Selector::try_from(self.spec.selector.clone()).map_err(|error| error.to_string())
    }

    fn replicas(&self) -> i32 {
        self.spec.replicas.unwrap_or(1)
    }

    fn template(&self) -> Option<&PodTemplateSpec> {
        self.spec.template.as_ref()
    }

    fn min_ready(&self) -> Duration {
        seconds(self.spec.min_ready_seconds)
    }

    fn status(&self) -> ReplicaStatus {
        let status = self.status.clone().unwrap_or_default();
        let conditions = status.conditions.unwrap_or_default().into_iter();
        ReplicaStatus {
            replicas: status.replicas,
            fully_labeled: status.fully_labeled_replicas.unwrap_or(0),
            ready: status.ready_replicas.unwrap_or(0),
            available: status.available_replicas.unwrap_or(0),
            terminating: status.terminating_replicas.unwrap_or(0),
            observed_generation: status.observed_generation.unwrap_or(0),
            conditions: conditions
                .map(|condition| ReplicaCondition {
                    kind: condition.type_.unwrap_or_default(),
                    status: condition.status.unwrap_or_default(),
                    reason: condition.reason,
                    message: condition.message,
                    last_transition_time: condition.last_transition_time,
                })
                .collect(),
        }
    }

    fn with_status(&self, status: ReplicaStatus) -> Self {
        let conditions = status.conditions.into_iter().map(|condition| ReplicaSetCondition {
            type_: Some(condition.kind),
            status: Some(condition.status),
            reason: condition.reason,
            message: condition.message,
            last_transition_time: condition.last_transition_time,
        });
        let status = ReplicaSetStatus {
            replicas: status.replicas,
            fully_labeled_replicas: Some(status.fully_labeled),
            ready_replicas: Some(status.ready),
            available_replicas: Some(status.available),
            terminating_replicas: Some(status.terminating),
            observed_generation: Some(status.observed_generation),
            conditions: Some(conditions.collect()),
        };
        Self { status: Some(status), ..self.clone() }
    }
}

/// Runs the ReplicaSet controller.
pub(crate) async fn run(
    client: Client,
    owners: Arc<Informer<ReplicaSet>>,
    pods: Arc<Informer<Pod>>,
    shutdown: CancellationToken,
) {
    super::run("replicaset-controller", client, owners, pods, shutdown).await;
}
