//! Revisions and the other annotations that a Deployment and its ReplicaSets exchange (upstream's `deployment_util.go`).

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};

/// Number of the template's version, on the Deployment and its ReplicaSets.
pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";
/// Former revisions of a ReplicaSet that was rolled back to.
const HISTORY: &str = "deployment.kubernetes.io/revision-history";
/// The Deployment's replicas when the ReplicaSet was last scaled.
pub(super) const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
/// The most pods that all ReplicaSets together may have.
pub(super) const MAX: &str = "deployment.kubernetes.io/max-replicas";

/// Annotations that say something about one object alone.
const NOT_COPIED: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    HISTORY,
    DESIRED,
    MAX,
    "deprecated.deployment.rollback.to",
];

/// The revision of a ReplicaSet or Deployment, 0 for none.
pub(super) fn revision_of(annotations: Option<&BTreeMap<String, String>>) -> i64 {
    annotations.and_then(|all| all.get(REVISION)).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The number in an annotation of a ReplicaSet.
pub(super) fn number(set: &ReplicaSet, annotation: &str) -> Option<i32> {
    set.metadata.annotations.as_ref()?.get(annotation)?.parse().ok()
}

/// Copies the Deployment's annotations to its newest ReplicaSet and sets the revision there; says whether anything changed.
pub(super) fn annotate_newest(
    deployment: &Deployment,
    set: &mut ReplicaSet,
    revision: i64,
    existed: bool,
) -> bool {
    let annotations = set.metadata.annotations.get_or_insert_default();
    let before = annotations.clone();
    for (key, value) in deployment.metadata.annotations.iter().flatten() {
        if !NOT_COPIED.contains(&key.as_str()) {
            annotations.insert(key.clone(), value.clone());
        }
    }
    let old = revision_of(Some(&before));
    if old < revision {
        annotations.insert(REVISION.to_owned(), revision.to_string());
        if existed && old > 0 {
            let history = before.get(HISTORY).filter(|history| !history.is_empty());
            let history = history.map_or_else(|| old.to_string(), |history| format!("{history},{old}"));
            annotations.insert(HISTORY.to_owned(), history);
        }
    }
    *annotations != before
}

/// Writes the replica numbers into a ReplicaSet; says whether anything changed.
pub(super) fn annotate_replicas(set: &mut ReplicaSet, desired: i32, max: i32) -> bool {
    let annotations = set.metadata.annotations.get_or_insert_default();
    let mut changed = false;
    for (key, value) in [(DESIRED, desired), (MAX, max)] {
        let value = value.to_string();
        changed |= annotations.insert(key.to_owned(), value.clone()) != Some(value);
    }
    changed
}
