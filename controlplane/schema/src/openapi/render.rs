//! Path items in the words of OpenAPI v2 and v3.

use serde_json::{Map, Value, json};

use super::operations::{Body, Operation, PATCH, PathItem};

/// The version of OpenAPI that a document is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavour {
    V2,
    V3,
}

impl Flavour {
    /// Reference to a model.
    pub(super) fn reference(self, model: &str) -> String {
        match self {
            Self::V2 => format!("#/definitions/{model}"),
            Self::V3 => format!("#/components/schemas/{model}"),
        }
    }
}

const MEDIA_TYPES: [&str; 3] =
    ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];
const WATCH_TYPES: [&str; 2] =
    ["application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch"];
const PATCH_TYPES: [&str; 4] = [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
];

/// The `paths` of a document.
pub(super) fn paths(items: &[PathItem], flavour: Flavour) -> Value {
    let paths = items.iter().map(|item| (item.path.clone(), path_item(item, flavour)));
    Value::Object(paths.collect())
}

fn path_item(item: &PathItem, flavour: Flavour) -> Value {
    let mut out = Map::new();
    for operation in &item.operations {
        out.insert(operation.method.to_owned(), self::operation(operation, flavour));
    }
    let in_path = item.parameters.iter().map(|(name, description)| {
        let mut parameter = parameter(name, "path", "string", flavour);
        parameter.insert("required".into(), json!(true));
        parameter.insert("description".into(), json!(description));
        Value::Object(parameter)
    });
    let pretty = item.operations.iter().any(|operation| operation.gvk.is_some());
    let pretty = pretty.then(|| Value::Object(parameter("pretty", "query", "string", flavour)));
    let parameters: Vec<Value> = in_path.chain(pretty).collect();
    if !parameters.is_empty() {
        out.insert("parameters".into(), Value::Array(parameters));
    }
    Value::Object(out)
}

fn parameter(name: &str, place: &str, value_type: &str, flavour: Flavour) -> Map<String, Value> {
    let (key, schema) = match flavour {
        Flavour::V2 => ("type", json!(value_type)),
        Flavour::V3 => ("schema", json!({ "type": value_type, "uniqueItems": true })),
    };
    let mut out = Map::new();
    out.insert("name".into(), json!(name));
    out.insert("in".into(), json!(place));
    out.insert(key.into(), schema);
    if flavour == Flavour::V2 {
        out.insert("uniqueItems".into(), json!(true));
    }
    out
}

fn operation(operation: &Operation, flavour: Flavour) -> Value {
    let mut out = Map::new();
    out.insert("description".into(), json!(operation.description));
    out.insert("operationId".into(), json!(operation.id));
    out.insert("tags".into(), json!([operation.tag]));
    let query = operation.query.iter();
    let mut parameters: Vec<Value> = query
        .map(|(name, value_type)| Value::Object(parameter(name, "query", value_type, flavour)))
        .collect();
    if flavour == Flavour::V2 {
        let consumes: &[&str] = if matches!(operation.body, Body::Patch) { &PATCH_TYPES } else { &["*/*"] };
        parameters.extend(body_parameter(&operation.body));
        out.insert("schemes".into(), json!(["https"]));
        out.insert("consumes".into(), json!(consumes));
        out.insert("produces".into(), json!(media_types(operation)));
    } else if let Some(body) = request_body(&operation.body) {
        out.insert("requestBody".into(), body);
    }
    if !parameters.is_empty() {
        out.insert("parameters".into(), Value::Array(parameters));
    }
    out.insert("responses".into(), responses(operation, flavour));
    if let Some(gvk) = &operation.gvk {
        let gvk = json!({ "group": gvk.group, "version": gvk.version, "kind": gvk.kind });
        out.insert("x-kubernetes-action".into(), json!(operation.action));
        out.insert("x-kubernetes-group-version-kind".into(), gvk);
    }
    Value::Object(out)
}

fn media_types(operation: &Operation) -> Vec<&'static str> {
    match (&operation.response, operation.action) {
        (None, _) => vec!["*/*"],
        (_, "list") => MEDIA_TYPES.iter().chain(&WATCH_TYPES).copied().collect(),
        _ => MEDIA_TYPES.to_vec(),
    }
}

fn body_model(body: &Body) -> Option<&'static str> {
    match body {
        Body::None => None,
        Body::Object(ty) => Some(ty.name),
        Body::Patch => Some(PATCH),
    }
}

fn body_parameter(body: &Body) -> Option<Value> {
    let model = body_model(body)?;
    Some(json!({
        "name": "body",
        "in": "body",
        "required": true,
        "schema": { "$ref": Flavour::V2.reference(model) },
    }))
}

fn request_body(body: &Body) -> Option<Value> {
    let schema = json!({ "schema": { "$ref": Flavour::V3.reference(body_model(body)?) } });
    let media_types: &[&str] = if matches!(body, Body::Patch) { &PATCH_TYPES } else { &["*/*"] };
    let content: Map<String, Value> =
        media_types.iter().map(|name| ((*name).to_owned(), schema.clone())).collect();
    Some(json!({ "content": content, "required": true }))
}

fn responses(operation: &Operation, flavour: Flavour) -> Value {
    let schema = match operation.response {
        Some(ty) => json!({ "$ref": flavour.reference(ty.name) }),
        None => json!({ "type": "string" }),
    };
    let mut out = Map::new();
    for code in operation.codes {
        let description = match code {
            201 => "Created",
            202 => "Accepted",
            _ => "OK",
        };
        let (key, content) = match flavour {
            Flavour::V2 => ("schema", schema.clone()),
            Flavour::V3 => {
                let content = media_types(operation).into_iter();
                let content = content.map(|name| (name.to_owned(), json!({ "schema": schema })));
                ("content", Value::Object(content.collect()))
            }
        };
        out.insert(code.to_string(), json!({ "description": description, key: content }));
    }
    out.insert("401".into(), json!({ "description": "Unauthorized" }));
    Value::Object(out)
}
