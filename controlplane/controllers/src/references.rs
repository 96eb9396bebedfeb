//! References from one object to another.

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource;

/// The reference that makes `owner` the controller of an object.
pub(crate) fn controller_reference<K: Resource>(owner: &K, api_version: &str, kind: &str) -> OwnerReference {
    let meta = owner.meta();
    OwnerReference {
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
        name: meta.name.clone().unwrap_or_default(),
        uid: meta.uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

/// The reference by which events name an object.
pub(crate) fn object_reference<K: Resource>(object: &K, api_version: &str, kind: &str) -> ObjectReference {
    let meta = object.meta();
    ObjectReference {
        api_version: Some(api_version.to_owned()),
        kind: Some(kind.to_owned()),
        name: meta.name.clone(),
        namespace: meta.namespace.clone(),
        uid: meta.uid.clone(),
        resource_version: meta.resource_version.clone(),
        field_path: None,
    }
}
