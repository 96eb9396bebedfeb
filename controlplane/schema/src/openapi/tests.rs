use super::*;

const ALL: &[&str] = &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

fn resources() -> Vec<ApiResource<'static>> {
    const STATUS: &[&str] = &["get", "patch", "update"];
    const OF_DEPLOYMENT: &[ApiSubresource<'static>] = &[
        ApiSubresource { name: "status", group: "apps", version: "v1", kind: "Deployment", verbs: STATUS },
        ApiSubresource { name: "scale", group: "autoscaling", version: "v1", kind: "Scale", verbs: STATUS },
    ];
    const OF_POD: &[ApiSubresource<'static>] = &[
        ApiSubresource { name: "log", group: "", version: "v1", kind: "PodLogOptions", verbs: &["get"] },
        ApiSubresource {
            name: "eviction",
            group: "policy",
            version: "v1",
            kind: "Eviction",
            verbs: &["create"],
        },
    ];
    let base = ApiResource {
        group: "",
        version: "v1",
        plural: "pods",
        kind: "Pod",
        namespaced: true,
        verbs: ALL,
        subresources: OF_POD,
    };
    vec![
        base.clone(),
        ApiResource {
            plural: "namespaces",
            kind: "Namespace",
            namespaced: false,
            subresources: &[],
            ..base.clone()
        },
        ApiResource {
            group: "apps",
            plural: "deployments",
            kind: "Deployment",
            subresources: OF_DEPLOYMENT,
            ..base
        },
    ]
}

fn parse(document: &[u8]) -> Value {
    serde_json::from_slice(document).unwrap()
}

#[test]
fn the_index_names_each_group_version_once() {
    let index = parse(&openapi_v3_index(&resources(), &|group, version| format!("{group}-{version}")));
    assert_eq!(
        index,
        json!({"paths": {
            "api/v1": {"serverRelativeURL": "/openapi/v3/api/v1?hash=-v1"},
            "apis/apps/v1": {"serverRelativeURL": "/openapi/v3/apis/apps/v1?hash=apps-v1"},
        }})
    );
}

#[test]
fn patch_operations_say_that_fields_are_validated() {
    let document = parse(&openapi_v3("apps", "v1", &resources()));
    let patch = &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
    assert_eq!(
        patch["x-kubernetes-group-version-kind"],
        json!({"group": "apps", "version": "v1", "kind": "Deployment"})
    );
    let parameters = patch["parameters"].as_array().unwrap();
    assert!(
        parameters.iter().any(|p| p["name"] == "fieldValidation" && p["in"] == "query"),
        "{parameters:?}"
    );
    assert!(document["paths"].get("/api/v1/pods").is_none());
    assert_eq!(
        document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale"]["get"]["x-kubernetes-group-version-kind"]
            ["kind"],
        "Scale"
    );
}

#[test]
fn schemas_have_what_kubectl_apply_reads() {
    let document = parse(&openapi_v3("apps", "v1", &resources()));
    let schemas = &document["components"]["schemas"];
    let containers = &schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"];
    assert_eq!(containers["x-kubernetes-patch-merge-key"], "name");
    assert_eq!(containers["x-kubernetes-patch-strategy"], "merge");
    assert_eq!(containers["x-kubernetes-list-type"], "map");
    assert_eq!(containers["x-kubernetes-list-map-keys"], json!(["name"]));
    assert_eq!(containers["items"]["$ref"], "#/components/schemas/io.k8s.api.core.v1.Container");
    let spec = &schemas["io.k8s.api.apps.v1.DeploymentSpec"];
    assert_eq!(spec["required"], json!(["selector", "template"]));
    assert_eq!(spec["properties"]["strategy"]["x-kubernetes-patch-strategy"], "retainKeys");
    assert_eq!(
        schemas["io.k8s.api.apps.v1.Deployment"]["x-kubernetes-group-version-kind"],
        json!([{"group": "apps", "version": "v1", "kind": "Deployment"}])
    );
}

/// Every `$ref` of a document.
fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let resources = resources();
    for document in [parse(&openapi_v3("", "v1", &resources)), parse(&openapi_v2(&resources))] {
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 500);
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some_and(Value::is_object), "{reference}");
        }
    }
}

#[test]
fn operation_ids_are_unique() {
    let document = parse(&openapi_v2(&resources()));
    let mut ids: Vec<&str> = Vec::new();
    for item in document["paths"].as_object().unwrap().values() {
        ids.extend(
            item.as_object().unwrap().values().filter_map(|operation| operation["operationId"].as_str()),
        );
    }
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
    assert!(ids.contains(&"listAppsV1NamespacedDeployment"));
    assert!(ids.contains(&"deleteCoreV1CollectionNamespacedPod"));
}

#[cfg(feature = "descriptions")]
#[test]
fn descriptions_are_those_of_upstream() {
    let document = parse(&openapi_v3("", "v1", &resources()));
    let schemas = &document["components"]["schemas"];
    let text = |pointer: &str| schemas.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    assert!(text("/io.k8s.api.core.v1.Pod/description").starts_with("Pod is a collection of containers"));
    assert!(
        text("/io.k8s.api.core.v1.Container/properties/image/description")
            .starts_with("Container image name")
    );
    let without: Vec<&String> = schemas
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, schema)| !name.ends_with("List") && schema.get("description").is_none())
        .map(|(name, _)| name)
        .collect();
    assert!(without.len() < 20, "{without:?}");
}
