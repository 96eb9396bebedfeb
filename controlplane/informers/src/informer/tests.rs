use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::json;

use super::*;

fn config_map(name: &str, uid: &str, version: &str, owner: Option<&str>) -> ConfigMap {
    let owners: Vec<_> = owner
        .iter()
        .map(|uid| json!({"apiVersion": "v1", "kind": "Pod", "name": "o", "uid": uid, "controller": true}))
        .collect();
    serde_json::from_value(json!({"metadata": {
        "namespace": "default", "name": name, "uid": uid, "resourceVersion": version, "ownerReferences": owners,
    }}))
    .unwrap()
}

/// An informer with a handler that writes changes down, and the log.
fn recorded() -> (Arc<Informer<ConfigMap>>, Arc<Mutex<Vec<String>>>) {
    let informer = Arc::new(Informer::empty());
    let log = Arc::new(Mutex::new(Vec::new()));
    let writer = Arc::clone(&log);
    informer.on_change(move |change: Change<'_, ConfigMap>| {
        let version = |object: &ConfigMap| object.metadata.resource_version.clone().unwrap_or_default();
        writer.lock().push(match change {
            Change::Applied { old: None, new } => format!("+{}", version(new)),
            Change::Applied { old: Some(old), new } => format!("{}→{}", version(old), version(new)),
            Change::Deleted(old) => format!("-{}", version(old)),
        });
    });
    (informer, log)
}

#[test]
fn a_new_list_reports_what_vanished_while_the_watch_was_broken() {
    let (informer, log) = recorded();
    let mut listed = HashSet::new();
    for event in [
        watcher::Event::Init,
        watcher::Event::InitApply(config_map("a", "1", "10", None)),
        watcher::Event::InitApply(config_map("b", "2", "11", None)),
        watcher::Event::InitDone,
        watcher::Event::Init,
        watcher::Event::InitApply(config_map("b", "2", "11", None)),
        watcher::Event::InitDone,
    ] {
        informer.handle(event, &mut listed);
    }
    assert_eq!(*log.lock(), ["+10", "+11", "-10"]);
    assert!(informer.get(&Key::new("default", "a")).is_none());
}

#[test]
fn an_object_made_again_under_its_name_is_a_deletion_and_an_addition() {
    let (informer, log) = recorded();
    informer.apply(config_map("a", "1", "10", None));
    informer.apply(config_map("a", "2", "20", None));
    assert_eq!(*log.lock(), ["+10", "-10", "+20"]);
}

#[test]
fn the_owner_index_follows_adoption_release_and_deletion() {
    let (informer, _) = recorded();
    informer.apply(config_map("a", "1", "10", Some("owner")));
    assert_eq!(informer.controlled_by("owner").len(), 1);
    informer.apply(config_map("a", "1", "11", None));
    assert!(informer.controlled_by("owner").is_empty());
    informer.apply(config_map("a", "1", "12", Some("owner")));
    informer.delete(&Key::new("default", "a"));
    assert!(informer.controlled_by("owner").is_empty());
    assert!(informer.cache.read().by_controller.is_empty());
}

#[test]
fn a_late_handler_is_told_of_what_is_already_there() {
    let informer = Informer::empty();
    informer.apply(config_map("a", "1", "10", None));
    let count = Arc::new(Mutex::new(0));
    let seen = Arc::clone(&count);
    informer.on_change(move |_: Change<'_, ConfigMap>| *seen.lock() += 1);
    assert_eq!(*count.lock(), 1);
}
