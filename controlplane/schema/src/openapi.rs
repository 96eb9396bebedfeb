//! OpenAPI documents for the resources that a server has: v3 per group version, v2 as JSON and as protobuf.
//!
//! They say what kubectl reads: paths with `x-kubernetes-group-version-kind` and query parameters (whether the server
//! validates fields), schemas with patch strategies and list types (apply, explain). Documents are made anew at each call;
//! the caller keeps them.

mod descriptions;
mod gnostic;
mod model;
mod operations;
mod render;

use serde_json::{Map, Value, json};

use self::render::Flavour;

/// A resource as the documents show it.
#[derive(Debug, Clone)]
pub struct ApiResource<'a> {
    /// API group, `""` for core.
    pub group: &'a str,
    /// Version, such as `v1`.
    pub version: &'a str,
    /// Plural name, such as `deployments`.
    pub plural: &'a str,
    /// Kind of the objects.
    pub kind: &'a str,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// Verbs of the resource: `create`, `delete`, `deletecollection`, `get`, `list`, `patch`, `update`, `watch`.
    pub verbs: &'a [&'a str],
    /// Its subresources.
    pub subresources: &'a [ApiSubresource<'a>],
}

/// A subresource as the documents show it.
#[derive(Debug, Clone)]
pub struct ApiSubresource<'a> {
    /// Name, such as `status`.
    pub name: &'a str,
    /// Group of its kind.
    pub group: &'a str,
    /// Version of its kind.
    pub version: &'a str,
    /// Its kind, such as `Scale`; `PodExecOptions` and the like for connections.
    pub kind: &'a str,
    /// `create`, `get`, `patch`, `update`, `delete`.
    pub verbs: &'a [&'a str],
}

/// The document at `/openapi/v3`: one entry per group version of `resources`. `hash` gives the text that goes into the
/// `hash=` parameter of a group version's document (the caller hashes its bytes).
#[must_use]
pub fn openapi_v3_index(resources: &[ApiResource<'_>], hash: &dyn Fn(&str, &str) -> String) -> Vec<u8> {
    let mut paths = Map::new();
    for resource in resources {
        let path = operations::group_path(resource.group, resource.version);
        let name = path.trim_start_matches('/').to_owned();
        paths.entry(name).or_insert_with(|| {
            let hash = hash(resource.group, resource.version);
            json!({ "serverRelativeURL": format!("/openapi/v3{path}?hash={hash}") })
        });
    }
    bytes(&json!({ "paths": paths }))
}

/// The document at `/openapi/v3/apis/{group}/{version}` (`/openapi/v3/api/v1`), as JSON.
#[must_use]
pub fn openapi_v3(group: &str, version: &str, resources: &[ApiResource<'_>]) -> Vec<u8> {
    let mine: Vec<&ApiResource<'_>> =
        resources.iter().filter(|resource| resource.group == group && resource.version == version).collect();
    let items = operations::path_items(&mine);
    bytes(&json!({
        "openapi": "3.0.0",
        "info": info(),
        "paths": render::paths(&items, Flavour::V3),
        "components": {
            "schemas": model::definitions(&items, Flavour::V3, resources),
            "securitySchemes": { "BearerToken": bearer_token() },
        },
    }))
}

/// The document at `/openapi/v2`, as JSON.
#[must_use]
pub fn openapi_v2(resources: &[ApiResource<'_>]) -> Vec<u8> {
    bytes(&v2_document(resources))
}

/// The `Content-Type` of [`openapi_v2_protobuf`]. Clients ask for it with an `@` in the place of the second dot, which no
/// media type may have and no client accepts in a reply.
pub const OPENAPI_V2_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// The document at `/openapi/v2` in protobuf, as clients want it that ask for
/// `application/com.github.proto-openapi.spec.v2@v1.0+protobuf`; [`OPENAPI_V2_PROTOBUF`] is its type.
#[must_use]
pub fn openapi_v2_protobuf(resources: &[ApiResource<'_>]) -> Vec<u8> {
    gnostic::encode(&v2_document(resources))
}

fn v2_document(resources: &[ApiResource<'_>]) -> Value {
    let items = operations::path_items(&resources.iter().collect::<Vec<_>>());
    json!({
        "swagger": "2.0",
        "info": info(),
        "paths": render::paths(&items, Flavour::V2),
        "definitions": model::definitions(&items, Flavour::V2, resources),
        "securityDefinitions": { "BearerToken": bearer_token() },
        "security": [ { "BearerToken": [] } ],
    })
}

fn info() -> Value {
    json!({ "title": "Kubernetes", "version": "unversioned" })
}

fn bearer_token() -> Value {
    json!({
        "type": "apiKey",
        "name": "authorization",
        "in": "header",
        "description": "Bearer Token authentication",
    })
}

fn bytes(document: &Value) -> Vec<u8> {
    // A value whose keys are strings always has a text.
    serde_json::to_vec(document).unwrap_or_default()
}

#[cfg(test)]
mod tests;
