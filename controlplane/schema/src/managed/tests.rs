use super::*;
use crate::{decode_value, kind, kind_of};

/// Sequences of writes with what upstream's field manager makes of each, one sequence per line.
const GOLDEN: &str = include_str!("../../testdata/managed.txt");

/// The time of entries that were there before a step.
const SETTLED: &str = "2020-09-13T12:26:40Z";
const NOW: &str = "2026-01-01T00:00:00Z";

/// Runs a step as the test data were made: the object gets a uid, its entries a common time.
fn run(live: Option<&Value>, step: &Value) -> Result<Value, ManagedFieldsError> {
    let text = |name: &str| step.get(name).and_then(Value::as_str).unwrap_or_default();
    let object = &step["object"];
    // The kinds of a sequence are those of its first object, which may be a bad one.
    let ty = kind_of(object["apiVersion"].as_str().unwrap(), object["kind"].as_str().unwrap()).unwrap();
    let writer = Writer {
        manager: text("manager"),
        api_version: object["apiVersion"].as_str().unwrap(),
        subresource: text("subresource"),
        time: NOW,
    };
    let mut written = if text("operation") == "apply" {
        apply(ty, live, object, writer, step.get("force") == Some(&json!(true)))?
    } else {
        let mut new = decode_value(object, ty, FieldValidation::Strict).unwrap().value;
        track(ty, live, &mut new, writer);
        new
    };
    let metadata = written["metadata"].as_object_mut().unwrap();
    metadata.insert("uid".into(), json!("u"));
    for entry in metadata.get_mut("managedFields").and_then(Value::as_array_mut).into_iter().flatten() {
        if entry.get("time").is_some() {
            entry["time"] = json!(SETTLED);
        }
    }
    Ok(written)
}

#[test]
fn ownership_moves_as_upstream_moves_it() {
    let mut wrong = Vec::new();
    for (number, line) in GOLDEN.lines().enumerate() {
        let steps: Vec<Value> = serde_json::from_str(line).unwrap();
        let mut live: Option<Value> = None;
        for (place, step) in steps.iter().enumerate() {
            let result = run(live.as_ref(), step);
            let right = match &result {
                Ok(object) => step.get("result") == Some(object),
                Err(error) => same_error(step, error),
            };
            if !right {
                let found = result.as_ref().map_or_else(ToString::to_string, Value::to_string);
                wrong.push(format!("sequence {number} step {place}\nlive {live:?}\n{step}\n=> {found}"));
            }
            if let Some(result) = step.get("result") {
                live = Some(result.clone());
            }
        }
    }
    assert!(wrong.is_empty(), "{} steps are wrong, the first:\n{}", wrong.len(), wrong[0]);
}

/// Upstream reports conflicts and validation errors in random order.
fn same_error(step: &Value, error: &ManagedFieldsError) -> bool {
    let lines = |text: &str| {
        let mut lines: Vec<String> = text.split(['\n', ' ']).map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let Some(text) = step.get("error").and_then(Value::as_str) else { return false };
    let mut causes: Vec<String> = match error {
        ManagedFieldsError::Conflicts(conflicts) => {
            conflicts.iter().map(|conflict| format!("{} {}", conflict.message, conflict.field)).collect()
        }
        _ => Vec::new(),
    };
    causes.sort();
    let mut wanted: Vec<String> = step
        .get("causes")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|c| c.as_str().unwrap().to_owned())
        .collect();
    wanted.sort();
    causes == wanted && lines(text) == lines(&error.to_string())
}

#[test]
fn one_conflict_has_the_text_that_users_know() {
    let ty = kind("apps", "v1", "Deployment").unwrap();
    let writer = Writer { manager: "kubectl", api_version: "apps/v1", subresource: "", time: NOW };
    let base = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}});
    let with = |replicas: i64| {
        let mut object = base.clone();
        object["spec"] = json!({"replicas": replicas});
        object
    };
    let mut live = decode_value(&with(1), ty, FieldValidation::Strict).unwrap().value;
    track(ty, None, &mut live, writer);
    let other = Writer { manager: "other", ..writer };
    let error = apply(ty, Some(&live), &with(2), other, false).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"Apply failed with 1 conflict: conflict with "kubectl" using apps/v1: .spec.replicas"#
    );
    let forced = apply(ty, Some(&live), &with(2), other, true).unwrap();
    assert_eq!(forced["spec"]["replicas"], 2);
}

#[test]
fn kinds_without_metadata_are_left_alone() {
    let ty = kind("authorization.k8s.io", "v1", "SelfSubjectRulesReview").unwrap();
    let writer = Writer { manager: "m", api_version: "authorization.k8s.io/v1", subresource: "", time: NOW };
    let mut review = json!({"spec": {"namespace": "x"}});
    track(ty, None, &mut review, writer);
    assert_eq!(review, json!({"spec": {"namespace": "x"}}));
}

#[test]
fn sets_survive_their_encoding() {
    let fields = json!({
        "f:metadata": {"f:finalizers": {".": {}, "v:\"a\"": {}, "v:1": {}}},
        "f:spec": {
            "f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}}},
            "i:3": {},
        },
    });
    let set = fields_v1::decode(&fields).unwrap();
    assert_eq!(fields_v1::encode(&set), fields);
    assert_eq!(
        set.paths().iter().map(|path| path_text(path)).collect::<Vec<_>>(),
        [
            ".metadata.finalizers",
            ".metadata.finalizers[=1]",
            ".metadata.finalizers[=\"a\"]",
            ".spec.ports[port=80,protocol=\"TCP\"]",
            ".spec.ports[port=80,protocol=\"TCP\"].port",
            ".spec[3]",
        ]
    );
}
