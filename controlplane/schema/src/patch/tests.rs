use serde_json::json;

use super::*;
use crate::kind;

/// Cases with what upstream's `strategicpatch` makes of them, one per line.
const GOLDEN: &str = include_str!("../../testdata/strategic.txt");

fn type_of(kind_name: &str) -> TypeRef {
    kind("", "v1", kind_name).or_else(|| kind("apps", "v1", kind_name)).unwrap()
}

#[test]
fn strategic_merge_does_what_upstream_does() {
    let mut wrong = Vec::new();
    for line in GOLDEN.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let ty = type_of(case["kind"].as_str().unwrap());
        let merged = strategic_merge(ty, &case["current"], &case["patch"]);
        let right = match &merged {
            Ok(value) => case.get("result") == Some(value),
            Err(error) => case.get("error").and_then(Value::as_str) == Some(&error.to_string()),
        };
        if !right {
            wrong.push(format!(
                "{line}\n  {}",
                merged.map_or_else(|error| error.to_string(), |value| value.to_string())
            ));
        }
    }
    assert!(wrong.is_empty(), "{} cases\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn malformed_directives_are_bad_requests() {
    for patch in
        [json!({"metadata": {"$setElementOrder": []}}), json!({"metadata": {"$deleteFromPrimitiveList": []}})]
    {
        let merged = strategic_merge(type_of("Pod"), &json!({"metadata": {"name": "x"}}), &patch);
        assert!(matches!(merged, Err(PatchError::BadRequest(_))), "{merged:?}");
    }
}

#[test]
fn patch_bodies_are_objects_and_duplicates_are_found() {
    let (patch, strict_errors) = read_patch(br#"{"spec":{"a":[{"b":1,"b":2}]}}"#).unwrap();
    assert_eq!(patch, json!({"spec": {"a": [{"b": 2}]}}));
    assert_eq!(strict_errors, [r#"duplicate field "spec.a[0].b""#]);
    assert_eq!(
        read_patch(b"[]").unwrap_err(),
        PatchError::BadRequest(
            "json: cannot unmarshal array into Go value of type map[string]interface {}".into()
        )
    );
}

#[test]
fn merge_patches_follow_rfc_7396() {
    for (current, patch, merged) in [
        (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
        (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
        (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
        (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
        (json!({"a": "foo"}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
    ] {
        assert_eq!(json_merge_patch(&current, &patch).unwrap(), merged, "{current} {patch}");
    }
    assert_eq!(
        json_merge_patch(&json!({}), &json!(1)),
        Err(PatchError::BadRequest("Invalid JSON Patch".into()))
    );
}

#[test]
fn json_patches_apply() {
    let current = json!({"a": [1, 2, 3], "b": {"c/d": 1}, "e": {}});
    for (patch, path, value) in [
        (json!({"op": "add", "path": "/a/1", "value": 9}), "/a", json!([1, 9, 2, 3])),
        (json!({"op": "add", "path": "/a/-", "value": 9}), "/a", json!([1, 2, 3, 9])),
        (json!({"op": "remove", "path": "/b/c~1d"}), "/b", json!({})),
        (json!({"op": "replace", "path": "/a/-1", "value": 0}), "/a", json!([1, 2, 0])),
        (json!({"op": "replace", "path": "/e/new", "value": 0}), "/e", json!({"new": 0})),
        (
            json!({"op": "move", "from": "/a/0", "path": "/e/x"}),
            "",
            json!({"a": [2, 3], "b": {"c/d": 1}, "e": {"x": 1}}),
        ),
        (json!({"op": "copy", "from": "/b", "path": "/a/0"}), "/a", json!([{"c/d": 1}, 1, 2, 3])),
        (json!({"op": "test", "path": "/a", "value": [1, 2, 3]}), "", current.clone()),
        (json!({"op": "test", "path": "/nothing", "value": null}), "", current.clone()),
    ] {
        let patched = json_patch(&current, json!([patch]).to_string().as_bytes()).unwrap();
        assert_eq!(patched.pointer(path), Some(&value), "{patch}");
    }
}

#[test]
fn json_patch_errors_are_those_of_upstream() {
    let current = json!({"a": [1], "b": {}});
    for (patch, text) in [
        (
            json!([{"op": "remove", "path": "/b/x"}]),
            "error in remove for path: '/b/x': Unable to remove nonexistent key: x: missing value",
        ),
        (
            json!([{"op": "add", "path": "/x/y", "value": 1}]),
            "add operation does not apply: doc is missing path: \"/x/y\": missing value",
        ),
        (
            json!([{"op": "add", "path": "/a/7", "value": 1}]),
            "error in add for path: '/a/7': Unable to access invalid index: 7: invalid index referenced",
        ),
        (
            json!([{"op": "replace", "path": "/a/7", "value": 1}]),
            "replace operation does not apply: doc is missing key: /a/7: missing value",
        ),
        (json!([{"op": "test", "path": "/a", "value": 1}]), "testing value /a failed: test failed"),
        (json!([{"op": "frobnicate", "path": "/a"}]), "Unexpected kind: frobnicate"),
    ] {
        assert_eq!(
            json_patch(&current, patch.to_string().as_bytes()),
            Err(PatchError::Unprocessable(text.into())),
            "{patch}"
        );
    }
    assert!(matches!(json_patch(&current, b"{"), Err(PatchError::BadRequest(_))));
}
