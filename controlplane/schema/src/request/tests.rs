use serde_json::json;

use super::*;
use crate::kind;

fn deployment() -> TypeRef {
    kind("apps", "v1", "Deployment").unwrap()
}

fn strict(body: &Value, ty: TypeRef) -> Result<Decoded, DecodeError> {
    decode_json(body.to_string().as_bytes(), ty, FieldValidation::Strict)
}

#[test]
fn a_manifest_decodes_into_what_upstream_would_emit() {
    let body = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "nginx-deployment", "labels": {}, "annotations": null},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"app": "nginx"}},
            "template": {
                "metadata": {"labels": {"app": "nginx"}},
                "spec": {
                    "restartPolicy": "",
                    "containers": [{
                        "name": "nginx", "image": "nginx:1.14.2", "ports": [{"containerPort": 80, "protocol": ""}],
                        "resources": {"limits": {"cpu": "0.5", "memory": "1024Mi"}},
                        "securityContext": {},
                    }],
                },
            },
        },
    });
    let decoded = strict(&body, deployment()).unwrap();
    assert_eq!(
        decoded.value,
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "nginx-deployment"},
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": {"app": "nginx"}},
                "strategy": {},
                "template": {
                    "metadata": {"labels": {"app": "nginx"}},
                    "spec": {
                        "containers": [{
                            "name": "nginx", "image": "nginx:1.14.2", "ports": [{"containerPort": 80}],
                            "resources": {"limits": {"cpu": "500m", "memory": "1Gi"}},
                            "securityContext": {},
                        }],
                    },
                },
            },
            "status": {},
        })
    );
    assert!(decoded.warnings.is_empty());
}

#[test]
fn required_fields_are_there_when_nobody_set_them() {
    let decoded = strict(&json!({"kind": "Pod", "spec": {}}), kind("", "v1", "Pod").unwrap()).unwrap();
    assert_eq!(
        decoded.value,
        json!({"kind": "Pod", "metadata": {}, "spec": {"containers": null}, "status": {}})
    );
}

#[test]
fn unknown_and_duplicate_fields_are_named_by_their_path() {
    let body = br#"{"spec":{"replicas":1,"replicas":2,"template":{"spec":{"containers":[{"imagee":"x"}]}}},"foo":{"a":1}}"#;
    let error = decode_json(body, deployment(), FieldValidation::Strict).unwrap_err();
    assert_eq!(
        error.bad_request("Deployment", "v1", "Deployment"),
        "Deployment in version \"v1\" cannot be handled as a Deployment: strict decoding error: duplicate field \
         \"spec.replicas\", unknown field \"spec.template.spec.containers[0].imagee\", unknown field \"foo\""
    );
    let warned = decode_json(body, deployment(), FieldValidation::Warn).unwrap();
    assert_eq!(warned.warnings.len(), 3);
    assert_eq!(warned.value["spec"]["replicas"], 2);
    assert_eq!(warned.value.get("foo"), None);
    let ignored = decode_json(body, deployment(), FieldValidation::Ignore).unwrap();
    assert_eq!((ignored.value, ignored.warnings.len()), (warned.value, 0));
}

#[test]
fn names_are_case_sensitive() {
    let error = strict(&json!({"spec": {"Replicas": 1}}), deployment()).unwrap_err();
    assert_eq!(error.to_string(), r#"strict decoding error: unknown field "spec.Replicas""#);
}

#[test]
fn wrong_types_have_the_text_of_go() {
    let pod = kind("", "v1", "Pod").unwrap();
    for (body, ty, text) in [
        (
            json!({"spec": {"replicas": "three"}}),
            deployment(),
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            json!({"spec": {"replicas": 1.5}}),
            deployment(),
            "json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            json!({"spec": {"containers": {}}}),
            pod,
            "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container",
        ),
        (
            json!({"spec": {"containers": ["x"]}}),
            pod,
            "json: cannot unmarshal string into Go struct field PodSpec.spec.containers of type v1.Container",
        ),
        (
            json!({"spec": {"restartPolicy": 1}}),
            pod,
            "json: cannot unmarshal number into Go struct field PodSpec.spec.restartPolicy of type v1.RestartPolicy",
        ),
        (
            json!({"metadata": {"labels": {"a": true}}}),
            pod,
            "json: cannot unmarshal bool into Go struct field ObjectMeta.metadata.labels of type string",
        ),
        (
            json!({"spec": {"containers": [{"livenessProbe": {"exec": 3}}]}}),
            pod,
            "json: cannot unmarshal number into Go struct field \
             Probe.spec.containers.livenessProbe.ProbeHandler.exec of type v1.ExecAction",
        ),
        (
            json!({"spec": {"containers": [{"resources": {"limits": {"cpu": "much"}}}]}}),
            pod,
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
        (
            json!({"metadata": {"creationTimestamp": "now"}}),
            pod,
            "parsing time \"now\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"now\" as \"2006\"",
        ),
        (json!([]), pod, "json: cannot unmarshal array into Go value of type v1.Pod"),
    ] {
        assert_eq!(strict(&body, ty).unwrap_err(), DecodeError::Mismatch(text.to_owned()));
    }
}

#[test]
fn syntax_errors_have_the_text_of_go() {
    for (body, text) in [
        ("", "unexpected end of JSON input"),
        ("{", "unexpected end of JSON input"),
        ("{a}", "invalid character 'a' looking for beginning of object key string"),
        (r#"{"a" 1}"#, "invalid character '1' after object key"),
        (r#"{"a":1 "b"}"#, "invalid character '\"' after object key:value pair"),
        (r#"{"a":[1 2]}"#, "invalid character '2' after array element"),
        (r#"{"a":nul}"#, "invalid character '}' in literal null (expecting 'l')"),
        (r#"{"a":1.}"#, "invalid character '}' after decimal point in numeric literal"),
        (r#"{"a":"\x"}"#, "invalid character 'x' in string escape code"),
        ("{} x", "invalid character 'x' after top-level value"),
        ("{}}", "invalid character '}' after top-level value"),
    ] {
        assert_eq!(read_json(body.as_bytes()), Err(DecodeError::Syntax(text.to_owned())), "{body}");
    }
    assert_eq!(
        unrecognized_message(&read_type(b"{").unwrap_err(), "Pod", b"{"),
        "the object provided is unrecognized (must be of type Pod): couldn't get version/kind; json parse error: \
         unexpected end of JSON input ({)"
    );
}

#[test]
fn deep_nesting_is_an_error() {
    let body = "[".repeat(100_000);
    assert_eq!(read_json(body.as_bytes()), Err(DecodeError::Syntax("exceeded max depth".into())));
}

#[test]
fn strings_survive_escapes() {
    let value =
        read_json(br#"{"k\u00e9y":"a\n\"\\\/\u20ac\ud83d\ude00\ud800x","n":[-0,1e3,9223372036854775807]}"#)
            .unwrap();
    assert_eq!(value, json!({"k\u{e9}y": "a\n\"\\/\u{20ac}\u{1f600}\u{fffd}x", "n": [0, 1000.0, i64::MAX]}));
}

#[test]
fn yaml_is_read_as_version_1_1() {
    let body = b"kind: ConfigMap\nimmutable: yes\ndata:\n  mode: \"0644\"\n";
    let decoded = decode_yaml(body, kind("", "v1", "ConfigMap").unwrap(), FieldValidation::Strict).unwrap();
    assert_eq!(
        decoded.value,
        json!({"kind": "ConfigMap", "immutable": true, "metadata": {}, "data": {"mode": "0644"}})
    );
    let error = decode_yaml(
        b"data:\n  a: x\n  a: y\n",
        kind("", "v1", "ConfigMap").unwrap(),
        FieldValidation::Strict,
    );
    assert!(matches!(error, Err(DecodeError::Strict(_))), "{error:?}");
}

#[test]
fn types_are_read_without_the_rest() {
    let (api_version, kind) =
        read_type(br#"{"metadata":{"name":3},"kind":"Pod","apiVersion":"v1"}"#).unwrap();
    assert_eq!((api_version.as_str(), kind.as_str()), ("v1", "Pod"));
    assert!(
        read_type(br#"{"kind":1}"#).unwrap_err().to_string().contains("Go struct field .kind of type string")
    );
}

#[test]
fn no_type_has_more_fields_than_the_decoder_counts() {
    for (_, _, _, ty) in crate::kinds() {
        assert!(ty.fields.len() <= 128, "{}", ty.name);
    }
}

/// Bodies with what upstream's decoder makes of them, one per line.
const GOLDEN: &str = include_str!("../../testdata/decode.txt");

#[test]
fn bodies_decode_as_upstream_decodes_them() {
    let mut wrong = Vec::new();
    for line in GOLDEN.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let name = case["kind"].as_str().unwrap();
        let ty =
            ["", "apps", "events.k8s.io"].iter().rev().find_map(|group| kind(group, "v1", name)).unwrap();
        let decoded = decode_json(case["body"].as_str().unwrap().as_bytes(), ty, FieldValidation::Warn);
        let right = match &decoded {
            Ok(decoded) => {
                let strict: Vec<&str> = case
                    .get("strict")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .collect();
                case.get("result") == Some(&decoded.value) && strict == decoded.warnings
            }
            Err(error) => case.get("error").and_then(Value::as_str) == Some(&error.to_string()),
        };
        if !right {
            wrong.push(format!("{line}\n  {decoded:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} bodies\n{}", wrong.len(), wrong.join("\n"));
}
