//! ReplicationControllers, whose selector is a plain map of labels.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{
    Pod, PodTemplateSpec, ReplicationController, ReplicationControllerCondition, ReplicationControllerStatus,
};
use kingpost_informers::Informer;
use kube::Client;
use kube::core::Selector;
use tokio_util::sync::CancellationToken;

use super::status::{ReplicaCondition, ReplicaStatus};
use super::{ReplicaOwner, seconds};

impl ReplicaOwner for ReplicationController {
    const API_VERSION: &'static str = "v1";
    const KIND: &'static str = "ReplicationController";
    const REPORTS_TERMINATING: bool = false;

    fn selector(&self) -> Result<Selector, String> {
        let labels = self.spec.as_ref().and_then(|spec| spec.selector.clone()).ok_or("it has no selector")?;
        Ok(labels.into_iter().collect())
    }

    fn replicas(&self) -> i32 {
        self.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)
    }

    fn template(&self) -> Option<&PodTemplateSpec> {
        self.spec.as_ref()?.template.as_ref()
    }

    fn min_ready(&self) -> Duration {
        seconds(self.spec.as_ref().and_then(|spec| spec.min_ready_seconds))
    }

    fn status(&self) -> ReplicaStatus {
        let status = self.status.clone().unwrap_or_default();
        let conditions = status.conditions.unwrap_or_default().into_iter();
        ReplicaStatus {
            replicas: status.replicas,
            fully_labeled: status.fully_labeled_replicas.unwrap_or(0),
            ready: status.ready_replicas.unwrap_or(0),
            available: status.available_replicas.unwrap_or(0),
            terminating: 0,
            observed_generation: status.observed_generation.unwrap_or(0),
            conditions: conditions
                .map(|condition| ReplicaCondition {
                    kind: condition.type_,
                    status: condition.status,
                    reason: condition.reason,
                    message: condition.message,
                    last_transition_time: condition.last_transition_time,
                })
                .collect(),
        }
    }

    fn with_status(&self, status: ReplicaStatus) -> Self {
        let conditions = status.conditions.into_iter().map(|condition| ReplicationControllerCondition {
            type_: condition.kind,
            status: condition.status,
            reason: condition.reason,
            message: condition.message,
            last_transition_time: condition.last_transition_time,
        });
        let status = ReplicationControllerStatus {
            replicas: status.replicas,
            fully_labeled_replicas: Some(status.fully_labeled),
            ready_replicas: Some(status.ready),
            available_replicas: Some(status.available),
            observed_generation: Some(status.observed_generation),
            conditions: Some(conditions.collect()),
        };
        Self { status: Some(status), ..self.clone() }
    }
}

/// Runs the ReplicationController controller.
pub(crate) async fn run(
    client: Client,
    owners: Arc<Informer<ReplicationController>>,
    pods: Arc<Informer<Pod>>,
    shutdown: CancellationToken,
) {
    super::run("replication-controller", client, owners, pods, shutdown).await;
}
