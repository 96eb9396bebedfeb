//! Counting an owner's pods into its status.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::ReplicaOwner;
use crate::pod::{is_available, is_ready};

/// The status of a replica owner, in the words that both kinds share.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ReplicaStatus {
    pub(crate) replicas: i32,
    pub(crate) fully_labeled: i32,
    pub(crate) ready: i32,
    pub(crate) available: i32,
    /// Pods on their way out; only ReplicaSets report them.
    pub(crate) terminating: i32,
    pub(crate) observed_generation: i64,
    pub(crate) conditions: Vec<ReplicaCondition>,
}

/// A condition of a replica owner.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ReplicaCondition {
    pub(crate) kind: String,
    pub(crate) status: String,
    pub(crate) reason: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) last_transition_time: Option<Time>,
}

/// The condition that says that pods could not be created or deleted.
const REPLICA_FAILURE: &str = "ReplicaFailure";

/// What the status should say: `active` are the pods that count, `failure` what went wrong while making them.
pub(super) fn calculate<O: ReplicaOwner>(
    owner: &O,
    active: &[Arc<Pod>],
    terminating: usize,
    failure: Option<(&'static str, String)>,
    now: Timestamp,
) -> ReplicaStatus {
    let template = owner.template().and_then(|template| template.metadata.as_ref());
    let wanted = template.and_then(|metadata| metadata.labels.clone()).unwrap_or_default();
    let count = |filter: &dyn Fn(&Pod) -> bool| {
        i32::try_from(active.iter().filter(|pod| filter(pod)).count()).unwrap_or(i32::MAX)
    };
    let mut status = ReplicaStatus {
        replicas: count(&|_| true),
        fully_labeled: count(&|pod| has_labels(pod, &wanted)),
        ready: count(&is_ready),
        available: count(&|pod| is_available(pod, owner.min_ready(), now)),
        terminating: if O::REPORTS_TERMINATING { i32::try_from(terminating).unwrap_or(i32::MAX) } else { 0 },
        observed_generation: owner.meta().generation.unwrap_or(0),
        conditions: owner.status().conditions,
    };
    set_failure(&mut status.conditions, failure, now);
    status
}

fn has_labels(pod: &Pod, wanted: &BTreeMap<String, String>) -> bool {
    let labels = pod.metadata.labels.as_ref();
    wanted.iter().all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value))
}

fn set_failure(
    conditions: &mut Vec<ReplicaCondition>,
    failure: Option<(&'static str, String)>,
    now: Timestamp,
) {
    let Some((reason, message)) = failure else {
        conditions.retain(|condition| condition.kind != REPLICA_FAILURE);
        return;
    };
    // The first failure stays until it is over.
    if !conditions.iter().any(|condition| condition.kind == REPLICA_FAILURE) {
        conditions.push(ReplicaCondition {
            kind: REPLICA_FAILURE.to_owned(),
            status: "True".to_owned(),
            reason: Some(reason.to_owned()),
            message: Some(message),
            last_transition_time: Some(Time(now)),
        });
    }
}
