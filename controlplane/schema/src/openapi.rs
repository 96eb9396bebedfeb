//! OpenAPI documents for the resources that a server has.

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
    /// Its kind, such as `Scale`.
    pub kind: &'a str,
    /// `create`, `get`, `patch`, `update`.
    pub verbs: &'a [&'a str],
}

/// The document at `/openapi/v3`: one entry per group version of `resources`. `hash` gives the text that goes into the
/// `hash=` parameter of a group version's document (the caller hashes its bytes).
#[must_use]
pub fn openapi_v3_index(resources: &[ApiResource<'_>], hash: &dyn Fn(&str, &str) -> String) -> Vec<u8> {
    let _ = (resources, hash);
    Vec::new()
}

/// The document at `/openapi/v3/apis/{group}/{version}` (`/openapi/v3/api/v1`), as JSON.
#[must_use]
pub fn openapi_v3(group: &str, version: &str, resources: &[ApiResource<'_>]) -> Vec<u8> {
    let _ = (group, version, resources);
    Vec::new()
}

/// The document at `/openapi/v2`, as JSON.
#[must_use]
pub fn openapi_v2(resources: &[ApiResource<'_>]) -> Vec<u8> {
    let _ = resources;
    Vec::new()
}

/// The document at `/openapi/v2` as `application/com.github.proto-openapi.spec.v2@v1.0+protobuf`.
#[must_use]
pub fn openapi_v2_protobuf(resources: &[ApiResource<'_>]) -> Vec<u8> {
    let _ = resources;
    Vec::new()
}
