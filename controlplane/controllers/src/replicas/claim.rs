//! Which pods an owner has: by controller reference, by adoption of matching orphans, by release of those that match no more.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kingpost_informers::{Error, Informer, Object, controller_of};
use kube::api::{Patch, PatchParams};
use kube::core::{Selector, SelectorExt};
use kube::{Api, Client};
use serde_json::json;

/// The pods of `owner`, after adopting and releasing (upstream's `PodControllerRefManager.ClaimPods`).
pub(crate) async fn claim_pods(
    client: &Client,
    pods: &Informer<Pod>,
    namespace: &str,
    owner: &OwnerReference,
    owner_is_ending: bool,
    selector: &Selector,
) -> Result<Vec<Arc<Pod>>, Error> {
    let mut claimed = Vec::new();
    for pod in pods.list_in(namespace) {
        if claim(client, &*pod, owner, owner_is_ending, selector).await? {
            claimed.push(pod);
        }
    }
    Ok(claimed)
}

/// Whether `object` belongs to `owner`, once adopted or released as its labels say.
pub(crate) async fn claim<K>(
    client: &Client,
    object: &K,
    owner: &OwnerReference,
    owner_is_ending: bool,
    selector: &Selector,
) -> Result<bool, Error>
where
    K: Object + kube::Resource<Scope = kube::core::NamespaceResourceScope>,
{
    let labels = object.meta().labels.clone().unwrap_or_default();
    let matches = selector.matches(&labels);
    match controller_of(object) {
        Some(reference) if reference.uid != owner.uid => Ok(false),
        Some(_) if matches => Ok(true),
        Some(_) => {
            if !owner_is_ending {
                release(client, object, owner).await?;
            }
            Ok(false)
        }
        None if !matches || owner_is_ending || object.meta().deletion_timestamp.is_some() => Ok(false),
        None => adopt(client, object, owner).await,
    }
}

async fn adopt<K>(client: &Client, object: &K, owner: &OwnerReference) -> Result<bool, Error>
where
    K: Object + kube::Resource<Scope = kube::core::NamespaceResourceScope>,
{
    let mut owners = object.meta().owner_references.clone().unwrap_or_default();
    owners.retain(|reference| reference.uid != owner.uid);
    owners.push(owner.clone());
    Ok(set_owners(client, object, &owners).await?.is_some())
}

async fn release<K>(client: &Client, object: &K, owner: &OwnerReference) -> Result<(), Error>
where
    K: Object + kube::Resource<Scope = kube::core::NamespaceResourceScope>,
{
    let mut owners = object.meta().owner_references.clone().unwrap_or_default();
    owners.retain(|reference| reference.uid != owner.uid);
    set_owners(client, object, &owners).await?;
    Ok(())
}

/// Writes the owner references of exactly this object; `None` if it is gone or another has its name.
async fn set_owners<K>(client: &Client, object: &K, owners: &[OwnerReference]) -> Result<Option<K>, Error>
where
    K: Object + kube::Resource<Scope = kube::core::NamespaceResourceScope>,
{
    let meta = object.meta();
    let api = Api::<K>::namespaced(client.clone(), meta.namespace.as_deref().unwrap_or_default());
    // The uid and version are preconditions: a merge patch that names others is refused with a conflict.
    let patch = json!({"metadata": {
        "uid": meta.uid, "resourceVersion": meta.resource_version, "ownerReferences": owners,
    }});
    let name = meta.name.as_deref().unwrap_or_default();
    match api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await {
        Ok(object) => Ok(Some(object)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(error.into()),
    }
}
