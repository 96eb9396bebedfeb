use serde_json::json;

use super::*;

fn wrong(change: impl Fn(&mut Value)) -> Vec<String> {
    let mut spec = json!({"containers": [{"name": "c", "image": "i:1"}]});
    change(&mut spec);
    crate::defaults::pod_spec(&mut spec);
    validate(&spec, &Path::new("spec")).iter().map(ToString::to_string).collect()
}

#[test]
fn mistakes_are_named_as_upstream_names_them() {
    assert!(wrong(|_| {}).is_empty());
    type Mistake = fn(&mut Value);
    let cases: &[(Mistake, &str)] = &[
        (|spec| spec["containers"] = json!([]), "spec.containers: Required value"),
        (|spec| spec["containers"][0]["image"] = json!(""), "spec.containers[0].image: Required value"),
        (
            |spec| spec["containers"] = json!([{"name": "c", "image": "i"}, {"name": "c", "image": "i"}]),
            "spec.containers[1].name: Duplicate value: \"c\"",
        ),
        (
            |spec| spec["containers"][0]["volumeMounts"] = json!([{"name": "v", "mountPath": "/v"}]),
            "spec.containers[0].volumeMounts[0].name: Not found: \"v\"",
        ),
        (
            |spec| spec["restartPolicy"] = json!("Sometimes"),
            "spec.restartPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \"OnFailure\", \"Never\"",
        ),
        (
            |spec| {
                spec["containers"][0]["resources"] = json!({"requests": {"cpu": "2"}, "limits": {"cpu": "1"}})
            },
            "spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1",
        ),
        (
            |spec| spec["containers"][0]["livenessProbe"] = json!({}),
            "spec.containers[0].livenessProbe: Required value: must specify a handler type",
        ),
        (
            |spec| {
                spec["containers"][0]["env"] =
                    json!([{"name": "A", "valueFrom": {"secretKeyRef": {"key": "k"}}}])
            },
            "spec.containers[0].env[0].valueFrom.secretKeyRef.name: Required value",
        ),
        (
            |spec| spec["volumes"] = json!([{"name": "v", "hostPath": {"path": "/../etc"}}]),
            "spec.volumes[0].hostPath.path: Invalid value: \"/../etc\": must not contain '..'",
        ),
        (
            |spec| spec["volumes"] = json!([{"name": "v", "emptyDir": {}, "hostPath": {"path": "/x"}}]),
            "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type",
        ),
        (
            |spec| spec["securityContext"] = json!({"runAsUser": -1}),
            "spec.securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive",
        ),
        (
            |spec| spec["tolerations"] = json!([{"operator": "Equal"}]),
            "spec.tolerations[0].operator: Invalid value: \"Equal\": operator must be Exists when `key` is empty, which means \"match all values and all keys\"",
        ),
    ];
    for (change, expected) in cases {
        assert_eq!(wrong(change), [*expected]);
    }
}

#[test]
fn the_class_follows_from_requests_and_limits() {
    let class = |resources: Value| qos_class(&json!({"containers": [{"name": "c", "resources": resources}]}));
    assert_eq!(class(json!({})), "BestEffort");
    assert_eq!(class(json!({"requests": {"cpu": "1"}})), "Burstable");
    let exact = json!({"cpu": "1", "memory": "1Gi"});
    assert_eq!(
        class(json!({"requests": exact, "limits": {"cpu": "1000m", "memory": "1024Mi"}})),
        "Guaranteed"
    );
    assert_eq!(class(json!({"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": exact})), "Burstable");
}
