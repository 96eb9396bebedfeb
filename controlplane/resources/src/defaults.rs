//! Defaults of pods and pod templates (upstream's `pkg/apis/core/v1/defaults.go`).

use serde_json::{Value, json};

use crate::object::{default, default_text, items_mut, map_in, text};

/// The mode of files in volumes that do not say otherwise: 0644.
const FILE_MODE: i64 = 0o644;
/// How long a pod is given to end, in seconds.
const GRACE_PERIOD: i64 = 30;

/// The specification of a pod.
pub(crate) fn pod_spec(spec: &mut Value) {
    default_text(spec, "restartPolicy", "Always");
    default_text(spec, "dnsPolicy", "ClusterFirst");
    default_text(spec, "schedulerName", "default-scheduler");
    default(spec, "terminationGracePeriodSeconds", GRACE_PERIOD);
    default(spec, "enableServiceLinks", true);
    map_in(spec, "securityContext");
    same_account(spec);
    let host_network = crate::object::flag(spec, "/hostNetwork");
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        items_mut(spec, list).for_each(|item| container(item, host_network));
    }
    items_mut(spec, "volumes").for_each(volume);
    for constraint in items_mut(spec, "topologySpreadConstraints") {
        default_text(constraint, "nodeAffinityPolicy", "Honor");
        default_text(constraint, "nodeTaintsPolicy", "Ignore");
    }
}

/// The older name of the field with the service account says the same as the newer one.
fn same_account(spec: &mut Value) {
    let (name, old_name) =
        (text(spec, "/serviceAccountName").to_owned(), text(spec, "/serviceAccount").to_owned());
    if !name.is_empty() {
        crate::object::set(spec, "serviceAccount", name);
    } else if !old_name.is_empty() {
        crate::object::set(spec, "serviceAccountName", old_name);
    }
}

fn container(container: &mut Value, host_network: bool) {
    default_text(container, "terminationMessagePath", "/dev/termination-log");
    default_text(container, "terminationMessagePolicy", "File");
    let policy = if always_pulls(text(container, "/image")) { "Always" } else { "IfNotPresent" };
    default_text(container, "imagePullPolicy", policy);
    for port in items_mut(container, "ports") {
        default_text(port, "protocol", "TCP");
        // On the host's network a container's port is the host's.
        if host_network && crate::object::number(port, "/hostPort").unwrap_or(0) == 0 {
            let number = port.get("containerPort").cloned().unwrap_or(Value::Null);
            crate::object::set(port, "hostPort", number);
        }
    }
    resources(container);
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get_mut(name).filter(|probe| probe.is_object()) {
            self::probe(probe);
        }
    }
    for hook in ["postStart", "preStop"] {
        if let Some(handler) =
            container.pointer_mut(&format!("/lifecycle/{hook}/httpGet")).filter(|get| get.is_object())
        {
            http_get(handler);
        }
    }
    for variable in items_mut(container, "env") {
        if let Some(field) = variable.pointer_mut("/valueFrom/fieldRef") {
            default_text(field, "apiVersion", "v1");
        }
        if let Some(resource) = variable.pointer_mut("/valueFrom/resourceFieldRef") {
            default(resource, "divisor", "0");
        }
    }
}

/// Images without a tag, or with the tag `latest`, may change under their name.
fn always_pulls(image: &str) -> bool {
    if image.contains('@') {
        return false;
    }
    let name = image.rsplit('/').next().unwrap_or(image);
    name.split_once(':').is_none_or(|(_, tag)| tag == "latest")
}

/// What is limited and not asked for is asked for up to its limit.
fn resources(container: &mut Value) {
    let Some(resources) = map_in(container, "resources") else { return };
    let limits = resources.get("limits").and_then(Value::as_object).cloned().unwrap_or_default();
    if limits.is_empty() {
        return;
    }
    if let Some(requests) = map_in(resources, "requests") {
        for (name, amount) in limits {
            default(requests, &name, amount);
        }
    }
}

fn probe(probe: &mut Value) {
    for (name, value) in
        [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)]
    {
        if crate::object::number(probe, &format!("/{name}")).unwrap_or(0) == 0 {
            crate::object::set(probe, name, value);
        }
    }
    if let Some(get) = probe.get_mut("httpGet").filter(|get| get.is_object()) {
        http_get(get);
    }
    if let Some(grpc) = probe.get_mut("grpc").filter(|grpc| grpc.is_object()) {
        default(grpc, "service", "");
    }
}

fn http_get(get: &mut Value) {
    default_text(get, "path", "/");
    default_text(get, "scheme", "HTTP");
}

fn volume(volume: &mut Value) {
    // A volume that says nothing is an empty directory.
    let only_name = volume
        .as_object()
        .is_some_and(|fields| fields.iter().all(|(name, value)| name == "name" || value.is_null()));
    if only_name {
        crate::object::set(volume, "emptyDir", json!({}));
    }
    for kind in ["configMap", "secret", "downwardAPI", "projected"] {
        if let Some(source) = volume.get_mut(kind).filter(|source| source.is_object()) {
            default(source, "defaultMode", FILE_MODE);
            items_mut(source, "items").for_each(downward_item);
            for projection in items_mut(source, "sources") {
                if let Some(token) =
                    projection.get_mut("serviceAccountToken").filter(|token| token.is_object())
                {
                    default(token, "expirationSeconds", 3600);
                }
                if let Some(downward) =
                    projection.get_mut("downwardAPI").filter(|downward| downward.is_object())
                {
                    items_mut(downward, "items").for_each(downward_item);
                }
            }
        }
    }
    if let Some(path) = volume.get_mut("hostPath").filter(|path| path.is_object()) {
        default(path, "type", "");
    }
}

fn downward_item(item: &mut Value) {
    if let Some(field) = item.get_mut("fieldRef").filter(|field| field.is_object()) {
        default_text(field, "apiVersion", "v1");
    }
    if let Some(resource) = item.get_mut("resourceFieldRef").filter(|resource| resource.is_object()) {
        default(resource, "divisor", "0");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_that_may_change_is_pulled_always() {
        for (image, always) in [
            ("nginx", true),
            ("nginx:latest", true),
            ("nginx:1.14.2", false),
            ("localhost:5000/nginx", true),
            ("localhost:5000/nginx:1", false),
            ("nginx@sha256:abc", false),
        ] {
            assert_eq!(always_pulls(image), always, "{image}");
        }
    }

    #[test]
    fn limits_are_asked_for() {
        let mut spec = json!({"containers": [{"name": "c", "image": "i:1", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}}]});
        pod_spec(&mut spec);
        assert_eq!(spec["containers"][0]["resources"]["requests"], json!({"cpu": "500m", "memory": "1Gi"}));
    }
}
