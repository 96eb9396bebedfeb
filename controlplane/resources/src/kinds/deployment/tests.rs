use super::*;

/// The Deployment that everybody begins with.
fn nginx() -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "nginx-deployment", "namespace": "default", "labels": {"app": "nginx"}},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": "nginx"}},
            "template": {
                "metadata": {"labels": {"app": "nginx"}},
                "spec": {"containers": [{"name": "nginx", "image": "nginx:1.14.2", "ports": [{"containerPort": 80}]}]},
            },
        },
    })
}

fn wrong(change: impl Fn(&mut Value)) -> Vec<String> {
    let mut deployment = nginx();
    change(&mut deployment);
    Deployments.default(&mut deployment);
    Deployments.validate_create(&deployment).iter().map(ToString::to_string).collect()
}

#[test]
fn the_first_deployment_is_stored_as_upstream_stores_it() {
    let mut deployment = nginx();
    Deployments.default(&mut deployment);
    assert_eq!(
        deployment["spec"],
        json!({
            "replicas": 3,
            "revisionHistoryLimit": 10,
            "progressDeadlineSeconds": 600,
            "selector": {"matchLabels": {"app": "nginx"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
            "template": {
                "metadata": {"labels": {"app": "nginx"}},
                "spec": {
                    "containers": [{
                        "name": "nginx",
                        "image": "nginx:1.14.2",
                        "imagePullPolicy": "IfNotPresent",
                        "ports": [{"containerPort": 80, "protocol": "TCP"}],
                        "resources": {},
                        "terminationMessagePath": "/dev/termination-log",
                        "terminationMessagePolicy": "File",
                    }],
                    "dnsPolicy": "ClusterFirst",
                    "enableServiceLinks": true,
                    "restartPolicy": "Always",
                    "schedulerName": "default-scheduler",
                    "securityContext": {},
                    "terminationGracePeriodSeconds": 30,
                },
            },
        })
    );
}

#[test]
fn mistakes_are_named_as_upstream_names_them() {
    assert!(wrong(|_| {}).is_empty());
    assert_eq!(
        wrong(|deployment| deployment["spec"]["template"]["metadata"]["labels"]["app"] = json!("web")),
        [
            "spec.template.metadata.labels: Invalid value: {\"app\":\"web\"}: `selector` does not match template `labels`"
        ]
    );
    assert_eq!(
        wrong(|deployment| deployment["spec"]["replicas"] = json!(-1)),
        ["spec.replicas: Invalid value: -1: must be greater than or equal to 0"]
    );
    assert_eq!(
        wrong(|deployment| deployment["spec"]["template"]["spec"]["restartPolicy"] = json!("Never")),
        ["spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \"Always\""]
    );
    assert_eq!(
        wrong(|deployment| deployment["spec"]["strategy"] =
            json!({"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "0%"}})),
        [
            "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"0%\": may not be 0 when `maxSurge` is 0"
        ]
    );
    assert_eq!(
        wrong(
            |deployment| deployment["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"] =
                json!(70000)
        ),
        [
            "spec.template.spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive"
        ]
    );
    assert_eq!(
        wrong(|deployment| deployment["spec"]["selector"] = Value::Null),
        ["spec.selector: Required value"]
    );
}

#[test]
fn a_selector_stays_as_it_is_and_only_the_spec_counts_a_generation() {
    let mut old = nginx();
    Deployments.default(&mut old);
    Deployments.prepare_for_create(&mut old);
    assert_eq!(old["metadata"]["generation"], 1);

    let mut new = old.clone();
    new["spec"]["selector"]["matchLabels"]["x"] = json!("y");
    new["spec"]["template"]["metadata"]["labels"]["x"] = json!("y");
    let errors = Deployments.validate_update(&new, &old, Subresource::None);
    assert!(errors.iter().any(|error| error.to_string().ends_with("field is immutable")), "{errors:?}");

    let mut new = old.clone();
    new["metadata"]["labels"]["x"] = json!("y");
    new["status"] = json!({"replicas": 9});
    Deployments.prepare_for_update(&mut new, &old, Subresource::None);
    assert_eq!((&new["metadata"]["generation"], &new["status"]), (&json!(1), &json!({})));
    new["spec"]["replicas"] = json!(4);
    Deployments.prepare_for_update(&mut new, &old, Subresource::None);
    assert_eq!(new["metadata"]["generation"], 2);
    new["status"] = json!({"replicas": 4});
    new["spec"]["replicas"] = json!(5);
    Deployments.prepare_for_update(&mut new, &old, Subresource::Status);
    assert_eq!((&new["spec"]["replicas"], &new["status"]["replicas"]), (&json!(3), &json!(4)));
}
