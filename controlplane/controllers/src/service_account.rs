//! What every namespace has from the start: the `default` ServiceAccount and the cluster's root certificate.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kingpost_informers::{Change, Error, Informer, Key, Object, Queue, Reconcile, run_workers};
use kube::api::PostParams;
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource};
use tokio_util::sync::CancellationToken;

const ACCOUNT: &str = "default";
/// The ConfigMap that pods get the root certificate from (KEP-1205, `kube-api-access` volumes).
const ROOT_CA: &str = "kube-root-ca.crt";
const CA_KEY: &str = "ca.crt";
const DESCRIPTION: &str = "kubernetes.io/description";
const ROOT_CA_DESCRIPTION: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.";

/// Keeps one object of one name in every namespace.
struct InEveryNamespace<K> {
    client: Client,
    namespaces: Arc<Informer<Namespace>>,
    objects: Arc<Informer<K>>,
    name: &'static str,
    make: Box<dyn Fn(ObjectMeta) -> K + Send + Sync>,
    /// Whether an existing object is as it should be.
    is_right: fn(&K, &K) -> bool,
}

impl<K> Reconcile for InEveryNamespace<K>
where
    K: Object + Resource<Scope = NamespaceResourceScope> + serde::Serialize,
{
    type Key = String;

    async fn reconcile(&self, namespace: &String) -> Result<Option<Duration>, Error> {
        let Some(found) = self.namespaces.get(&Key::new("", namespace.clone())) else { return Ok(None) };
        let ending = found.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Terminating");
        if ending || found.metadata.deletion_timestamp.is_some() {
            return Ok(None);
        }
        let name = Some(self.name.to_owned());
        let wanted =
            (self.make)(ObjectMeta { name, namespace: Some(namespace.clone()), ..ObjectMeta::default() });
        let api = Api::<K>::namespaced(self.client.clone(), namespace);
        let written = match self.objects.get(&Key::new(namespace.clone(), self.name)) {
            None => api.create(&PostParams::default(), &wanted).await,
            Some(existing) if (self.is_right)(&existing, &wanted) => return Ok(None),
            Some(existing) => {
                let mut replacement = wanted;
                *replacement.meta_mut() = existing.meta().clone();
                api.replace(self.name, &PostParams::default(), &replacement).await
            }
        };
        match written {
            Ok(_) => Ok(None),
            // Already there, or the namespace is on its way out.
            Err(kube::Error::Api(status)) if matches!(status.code, 409 | 404) => Ok(None),
            Err(kube::Error::Api(status))
                if status.code == 403 && status.message.contains("being terminated") =>
            {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl<K> InEveryNamespace<K>
where
    K: Object + Resource<Scope = NamespaceResourceScope> + serde::Serialize,
{
    async fn run(self, controller: &'static str, shutdown: CancellationToken) {
        self.namespaces.synced().await;
        self.objects.synced().await;
        let queue = Queue::new();
        let keys = queue.clone();
        self.namespaces.on_change(move |change| {
            if let Change::Applied { new, .. } = change {
                keys.add(new.metadata.name.clone().unwrap_or_default());
            }
        });
        let (keys, name) = (queue.clone(), self.name);
        self.objects.on_change(move |change| {
            let (Change::Applied { new: object, .. } | Change::Deleted(object)) = change;
            if object.meta().name.as_deref() == Some(name) {
                keys.add(object.meta().namespace.clone().unwrap_or_default());
            }
        });
        run_workers(controller, Arc::new(self), queue, 1, shutdown).await;
    }
}

/// Keeps the `default` ServiceAccount in every namespace.
pub(crate) async fn run_accounts(
    client: Client,
    namespaces: Arc<Informer<Namespace>>,
    objects: Arc<Informer<ServiceAccount>>,
    shutdown: CancellationToken,
) {
    let make = |metadata| ServiceAccount { metadata, ..ServiceAccount::default() };
    InEveryNamespace {
        client,
        namespaces,
        objects,
        name: ACCOUNT,
        make: Box::new(make),
        is_right: |_, _| true,
    }
    .run("service-account-controller", shutdown)
    .await;
}

/// Keeps the root certificate in every namespace.
pub(crate) async fn run_root_ca(
    client: Client,
    certificate: String,
    namespaces: Arc<Informer<Namespace>>,
    objects: Arc<Informer<ConfigMap>>,
    shutdown: CancellationToken,
) {
    let make = move |metadata: ObjectMeta| ConfigMap {
        metadata: ObjectMeta {
            annotations: Some(BTreeMap::from([(DESCRIPTION.to_owned(), ROOT_CA_DESCRIPTION.to_owned())])),
            ..metadata
        },
        data: Some(BTreeMap::from([(CA_KEY.to_owned(), certificate.clone())])),
        ..ConfigMap::default()
    };
    let is_right = |existing: &ConfigMap, wanted: &ConfigMap| existing.data == wanted.data;
    InEveryNamespace { client, namespaces, objects, name: ROOT_CA, make: Box::new(make), is_right }
        .run("root-ca-cert-publisher", shutdown)
        .await;
}
