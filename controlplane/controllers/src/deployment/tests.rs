use serde_json::json;

use super::replica_sets::{Sets, split};
use super::*;

fn deployment(replicas: i32, surge: serde_json::Value, unavailable: serde_json::Value) -> Deployment {
    serde_json::from_value(json!({
        "metadata": {"name": "web", "namespace": "default", "uid": "d", "generation": 1},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}},
        },
    }))
    .unwrap()
}

fn set(name: &str, image: &str, replicas: i32, max: Option<i32>) -> Arc<ReplicaSet> {
    let mut annotations = serde_json::Map::new();
    if let Some(max) = max {
        annotations.insert(revision::MAX.to_owned(), max.to_string().into());
    }
    Arc::new(
        serde_json::from_value(json!({
            "metadata": {"name": name, "annotations": annotations},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {"app": "web", "pod-template-hash": name}},
                "template": {
                    "metadata": {"labels": {"app": "web", "pod-template-hash": name}},
                    "spec": {"containers": [{"name": "c", "image": image}]},
                },
            },
        }))
        .unwrap(),
    )
}

#[test]
fn percentages_round_the_surge_up_and_the_gap_down() {
    let three = deployment(3, json!("25%"), json!("25%"));
    assert_eq!((rolling::max_surge(&three), rolling::max_unavailable(&three)), (1, 0));
    let ten = deployment(10, json!("25%"), json!("25%"));
    assert_eq!((rolling::max_surge(&ten), rolling::max_unavailable(&ten)), (3, 2));
}

#[test]
fn a_rollout_that_may_neither_surge_nor_miss_a_pod_misses_one() {
    let stuck = deployment(2, json!(0), json!("10%"));
    assert_eq!(rolling::max_unavailable(&stuck), 1);
}

#[test]
fn the_new_replica_set_is_found_by_template_whatever_its_hash() {
    let deployment = deployment(3, json!(1), json!(0));
    let sets = [set("other", "j", 1, None), set("same", "i", 2, None), set("same-but-younger", "i", 0, None)];
    let (new, old) = split(&deployment, &sets);
    assert_eq!(new.unwrap().metadata.name.as_deref(), Some("same"));
    assert_eq!(old.len(), 2);
}

#[test]
fn the_new_replica_set_grows_only_into_the_room_that_the_surge_leaves() {
    let deployment = deployment(3, json!(1), json!(0));
    let old = [set("old", "j", 3, None)];
    assert_eq!(scale::new_set_replicas(&deployment, &old, 0), 1);
    assert_eq!(scale::new_set_replicas(&deployment, &old, 1), 1);
    assert_eq!(scale::new_set_replicas(&deployment, &[], 0), 3);
}

#[test]
fn a_completed_rollout_needs_every_pod_new_and_available_and_no_old_one() {
    let deployment = deployment(2, json!(1), json!(0));
    let with_status = |set: Arc<ReplicaSet>, replicas: i32, available: i32| {
        let mut set = (*set).clone();
        let status = set.status.get_or_insert_default();
        (status.replicas, status.available_replicas) = (replicas, Some(available));
        Arc::new(set)
    };
    let complete = |sets: Sets| {
        let status = status::calculate(&deployment, &sets.all(), sets.new.as_deref());
        status::is_complete(&deployment, &status)
    };
    let new = |available| Some(with_status(set("new", "i", 2, None), 2, available));
    assert!(complete(Sets { new: new(2), old: vec![] }));
    assert!(!complete(Sets { new: new(1), old: vec![] }));
    assert!(!complete(Sets { new: new(2), old: vec![with_status(set("old", "j", 0, None), 1, 1)] }));
}

#[test]
fn a_rollback_keeps_the_history_of_its_replica_set() {
    let deployment = deployment(1, json!(1), json!(0));
    let mut set = (*set("old", "i", 0, None)).clone();
    revision::annotate_newest(&deployment, &mut set, 1, false);
    revision::annotate_newest(&deployment, &mut set, 3, true);
    revision::annotate_newest(&deployment, &mut set, 5, true);
    let annotations = set.metadata.annotations.unwrap();
    assert_eq!(annotations["deployment.kubernetes.io/revision"], "5");
    assert_eq!(annotations["deployment.kubernetes.io/revision-history"], "1,3");
}
