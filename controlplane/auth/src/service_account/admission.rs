//! What a new pod gets of its service account: the account's name, its image pull secrets, and a volume with a token, the root
//! certificate and the namespace (upstream's `ServiceAccount` admission plug-in).

use std::sync::Arc;

use kingpost_apimachinery::random_suffix;
use serde_json::{Value, json};

use crate::{Admission, AdmissionError, AdmissionRequest, ObjectReader, Operation};

/// Where containers find it.
const MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const VOLUME_PREFIX: &str = "kube-api-access-";
const DEFAULT_ACCOUNT: &str = "default";
/// An hour and seven seconds: tokens are renewed after four fifths, and the odd number shows whose volume it is.
const TOKEN_LIFE: i64 = 60 * 60 + 7;
/// The annotation of pods that a node runs by itself.
const MIRROR: &str = "/metadata/annotations/kubernetes.io~1config.mirror";

/// The plug-in.
pub struct ServiceAccountAdmission {
    reader: Arc<dyn ObjectReader>,
}

impl ServiceAccountAdmission {
    /// A plug-in that finds accounts through `reader`.
    #[must_use]
    pub fn new(reader: Arc<dyn ObjectReader>) -> Self {
        Self { reader }
    }
}

impl Admission for ServiceAccountAdmission {
    fn admit(&self, request: &mut AdmissionRequest<'_>) -> Result<(), AdmissionError> {
        let attributes = request.attributes;
        let is_pod =
            attributes.group.is_empty() && attributes.resource == "pods" && attributes.subresource.is_empty();
        let Some(pod) =
            request.object.as_deref_mut().filter(|_| is_pod && request.operation == Operation::Create)
        else {
            return Ok(());
        };
        if pod.pointer(MIRROR).is_some() {
            return check_mirror(pod);
        }
        let name = match text(pod, "/spec/serviceAccountName") {
            "" => DEFAULT_ACCOUNT.to_owned(),
            name => name.to_owned(),
        };
        let namespace = &attributes.namespace;
        let account = self.reader.get("", "serviceaccounts", namespace, &name).ok_or_else(|| {
            AdmissionError::Forbidden(format!(
                "error looking up service account {namespace}/{name}: serviceaccount {name:?} not found"
            ))
        })?;
        let Some(spec) = pod.get_mut("spec").and_then(Value::as_object_mut) else { return Ok(()) };
        spec.insert("serviceAccountName".to_owned(), json!(name));
        spec.insert("serviceAccount".to_owned(), json!(name));
        let secrets = account.get("imagePullSecrets").and_then(Value::as_array).cloned().unwrap_or_default();
        let own_secrets = spec.get("imagePullSecrets").and_then(Value::as_array);
        if own_secrets.is_none_or(Vec::is_empty) && !secrets.is_empty() {
            spec.insert("imagePullSecrets".to_owned(), Value::Array(secrets));
        }
        // The pod's own word counts more than the account's.
        let wish = |object: Option<&Value>| object.and_then(Value::as_bool);
        let wanted = wish(spec.get("automountServiceAccountToken"))
            .or_else(|| wish(account.get("automountServiceAccountToken")))
            .unwrap_or(true);
        if wanted {
            mount_token(spec);
        }
        Ok(())
    }
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A pod that stands for one that a node runs by itself must not reach for anything of the API.
fn check_mirror(pod: &Value) -> Result<(), AdmissionError> {
    let refuse =
        |what: &str| Err(AdmissionError::Forbidden(format!("a mirror pod may not reference {what}")));
    if !text(pod, "/spec/serviceAccountName").is_empty() {
        return refuse("service accounts");
    }
    let volumes = pod.pointer("/spec/volumes").and_then(Value::as_array).into_iter().flatten();
    for volume in volumes {
        if volume.get("secret").is_some() {
            return refuse("secrets");
        }
        let mut sources =
            volume.pointer("/projected/sources").and_then(Value::as_array).into_iter().flatten();
        if sources.any(|source| source.get("serviceAccountToken").is_some()) {
            return refuse("service account tokens");
        }
    }
    Ok(())
}

type Fields = serde_json::Map<String, Value>;

/// Adds the volume, and mounts it in every container that has nothing else in its place.
fn mount_token(spec: &mut Fields) {
    let volumes = spec.get("volumes").and_then(Value::as_array).cloned().unwrap_or_default();
    let existing = volumes.iter().map(|volume| text(volume, "/name"));
    let existing = existing.into_iter().find(|name| name.starts_with(VOLUME_PREFIX)).map(str::to_owned);
    let name = existing.clone().unwrap_or_else(|| format!("{VOLUME_PREFIX}{}", random_suffix(5)));
    let mut used = false;
    for list in ["initContainers", "containers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            used |= mount_in(container, &name);
        }
    }
    if used && existing.is_none() {
        let list = spec.entry("volumes").or_insert_with(|| json!([]));
        if list.is_null() {
            *list = json!([]);
        }
        if let Some(list) = list.as_array_mut() {
            list.push(volume(&name));
        }
    }
}

fn mount_in(container: &mut Value, volume: &str) -> bool {
    let Some(fields) = container.as_object_mut() else { return false };
    let mounts = fields.entry("volumeMounts").or_insert_with(|| json!([]));
    if mounts.is_null() {
        *mounts = json!([]);
    }
    let Some(mounts) = mounts.as_array_mut() else { return false };
    if mounts.iter().any(|mount| text(mount, "/mountPath") == MOUNT_PATH) {
        return false;
    }
    mounts.push(json!({"name": volume, "readOnly": true, "mountPath": MOUNT_PATH}));
    true
}

fn volume(name: &str) -> Value {
    let namespace =
        json!({"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}});
    json!({"name": name, "projected": {
        "defaultMode": 0o644,
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": TOKEN_LIFE, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [namespace]}},
        ],
    }})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Attributes, UserInfo};

    struct Accounts;

    impl ObjectReader for Accounts {
        fn get(&self, _: &str, _: &str, _: &str, name: &str) -> Option<Value> {
            match name {
                "default" => {
                    Some(json!({"metadata": {"name": "default"}, "imagePullSecrets": [{"name": "s"}]}))
                }
                "quiet" => {
                    Some(json!({"metadata": {"name": "quiet"}, "automountServiceAccountToken": false}))
                }
                _ => None,
            }
        }

        fn list(&self, _: &str, _: &str, _: &str) -> Vec<Value> {
            Vec::new()
        }

        fn generation(&self, _: &str, _: &str) -> u64 {
            0
        }
    }

    fn admit(mut pod: Value) -> Result<Value, AdmissionError> {
        let attributes = Attributes {
            user: Arc::new(UserInfo::authenticated("jane", [])),
            resource: "pods".to_owned(),
            namespace: "team".to_owned(),
            ..Attributes::default()
        };
        let mut request = AdmissionRequest {
            attributes: &attributes,
            operation: Operation::Create,
            kind: "Pod",
            object: Some(&mut pod),
            old_object: None,
            dry_run: false,
        };
        ServiceAccountAdmission::new(Arc::new(Accounts)).admit(&mut request)?;
        Ok(pod)
    }

    #[test]
    fn a_pod_gets_the_default_account_and_its_token() {
        let pod = admit(json!({"spec": {"containers": [{"name": "a"}, {"name": "b", "volumeMounts": [
            {"name": "own", "mountPath": MOUNT_PATH}]}]}}))
        .unwrap();
        let spec = &pod["spec"];
        assert_eq!(
            (&spec["serviceAccountName"], &spec["serviceAccount"]),
            (&json!("default"), &json!("default"))
        );
        assert_eq!(spec["imagePullSecrets"], json!([{"name": "s"}]));
        let name = spec["volumes"][0]["name"].as_str().unwrap();
        assert!(name.starts_with(VOLUME_PREFIX));
        assert_eq!(spec["containers"][0]["volumeMounts"][0]["name"], name);
        assert_eq!(spec["containers"][1]["volumeMounts"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn who_does_not_want_a_token_gets_none() {
        let quiet =
            admit(json!({"spec": {"serviceAccountName": "quiet", "containers": [{"name": "a"}]}})).unwrap();
        assert!(quiet["spec"].get("volumes").is_none());
        let loud = json!({"spec": {"serviceAccountName": "quiet", "automountServiceAccountToken": true, "containers": [{"name": "a"}]}});
        assert_eq!(admit(loud).unwrap()["spec"]["volumes"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn a_pod_of_an_account_that_does_not_exist_is_refused_in_upstreams_words() {
        let refused = admit(json!({"spec": {"serviceAccountName": "nobody", "containers": []}})).unwrap_err();
        let why = "error looking up service account team/nobody: serviceaccount \"nobody\" not found";
        assert_eq!(refused, AdmissionError::Forbidden(why.to_owned()));
    }
}
