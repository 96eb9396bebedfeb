//! Containers, init containers and ephemeral containers.

use kingpost_apimachinery::{FieldError, Path, names};
use serde_json::Value;

use super::{environment, lifecycle, resources, security};
use crate::object::{is_blank, items, number, text};

const PULL_POLICIES: &[&str] = &["Always", "IfNotPresent", "Never"];
const PROTOCOLS: &[&str] = &["SCTP", "TCP", "UDP"];

/// What is wrong with the containers of a pod whose volumes have these names.
pub(super) fn validate_all(spec: &Value, volumes: &[&str], path: &Path) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let containers = items(spec, "/containers");
    if containers.is_empty() {
        errors.push(FieldError::required(&path.child("containers"), ""));
    }
    let mut seen: Vec<&str> = Vec::new();
    let mut host_ports = Vec::new();
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for (index, container) in items(spec, &format!("/{list}")).iter().enumerate() {
            let path = path.child(list).index(index);
            let name = text(container, "/name");
            if seen.contains(&name) {
                errors.push(FieldError::duplicate(&path.child("name"), name));
            }
            seen.push(name);
            errors.extend(one(container, volumes, &path));
            errors.extend(special(container, list, &path));
            if list == "containers" {
                errors.extend(host_port_conflicts(container, &mut host_ports, &path));
            }
        }
    }
    errors
}

fn one(container: &Value, volumes: &[&str], path: &Path) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let name = text(container, "/name");
    if name.is_empty() {
        errors.push(FieldError::required(&path.child("name"), ""));
    } else {
        errors.extend(
            names::dns1123_label(name)
                .into_iter()
                .map(|why| FieldError::invalid(&path.child("name"), name, why)),
        );
    }
    let image = text(container, "/image");
    if image.is_empty() {
        errors.push(FieldError::required(&path.child("image"), ""));
    } else if image.trim() != image {
        errors.push(FieldError::invalid(
            &path.child("image"),
            image,
            "must not have leading or trailing whitespace",
        ));
    }
    let policy = text(container, "/imagePullPolicy");
    if !PULL_POLICIES.contains(&policy) {
        errors.push(FieldError::not_supported(&path.child("imagePullPolicy"), policy, PULL_POLICIES));
    }
    let policy = text(container, "/terminationMessagePolicy");
    if !matches!(policy, "File" | "FallbackToLogsOnError") {
        let supported = &["FallbackToLogsOnError", "File"];
        errors.push(FieldError::not_supported(&path.child("terminationMessagePolicy"), policy, supported));
    }
    errors.extend(ports(container, &path.child("ports")));
    errors.extend(environment::validate(container, path));
    errors.extend(mounts(container, volumes, &path.child("volumeMounts")));
    errors.extend(lifecycle::validate(container, path));
    errors.extend(resources::validate(container, &path.child("resources")));
    errors.extend(security::container(container, &path.child("securityContext")));
    errors
}

/// What only some lists of containers may have.
fn special(container: &Value, list: &str, path: &Path) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let policy = text(container, "/restartPolicy");
    let sidecar = policy == "Always";
    match list {
        "initContainers" => {
            if !matches!(policy, "" | "Always" | "OnFailure" | "Never") {
                let supported = &["Always", "Never", "OnFailure"];
                errors.push(FieldError::not_supported(&path.child("restartPolicy"), policy, supported));
            }
            for field in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
                if !sidecar && !is_blank(container.get(field)) {
                    let why = "may not be set for init containers without restartPolicy=Always";
                    errors.push(FieldError::forbidden(&path.child(field), why));
                }
            }
        }
        "ephemeralContainers" => {
            for field in ["ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle"] {
                if !is_blank(container.get(field)) {
                    let why = "cannot be set for an Ephemeral Container";
                    errors.push(FieldError::forbidden(&path.child(field), why));
                }
            }
        }
        _ => {}
    }
    errors
}

fn ports(container: &Value, path: &Path) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for (index, port) in items(container, "/ports").iter().enumerate() {
        let path = path.index(index);
        let name = text(port, "/name");
        if !name.is_empty() {
            errors.extend(
                names::port_name(name)
                    .into_iter()
                    .map(|why| FieldError::invalid(&path.child("name"), name, why)),
            );
            if seen.contains(&name) {
                errors.push(FieldError::duplicate(&path.child("name"), name));
            }
            seen.push(name);
        }
        match number(port, "/containerPort").unwrap_or(0) {
            0 => errors.push(FieldError::required(&path.child("containerPort"), "")),
            value => {
                let wrong = names::port_number(value).into_iter();
                errors.extend(wrong.map(|why| FieldError::invalid(&path.child("containerPort"), value, why)));
            }
        }
        if let Some(value) = number(port, "/hostPort").filter(|value| *value != 0) {
            let wrong = names::port_number(value).into_iter();
            errors.extend(wrong.map(|why| FieldError::invalid(&path.child("hostPort"), value, why)));
        }
        let protocol = text(port, "/protocol");
        if !PROTOCOLS.contains(&protocol) {
            errors.push(FieldError::not_supported(&path.child("protocol"), protocol, PROTOCOLS));
        }
    }
    errors
}

fn host_port_conflicts(container: &Value, taken: &mut Vec<String>, path: &Path) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (index, port) in items(container, "/ports").iter().enumerate() {
        let Some(number) = number(port, "/hostPort").filter(|number| *number != 0) else { continue };
        let identity = format!("{}/{}/{number}", text(port, "/protocol"), text(port, "/hostIP"));
        if taken.contains(&identity) {
            errors.push(FieldError::duplicate(
                &path.child("ports").index(index).child("hostPort"),
                identity.as_str(),
            ));
        }
        taken.push(identity);
    }
    errors
}

fn mounts(container: &Value, volumes: &[&str], path: &Path) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for (index, mount) in items(container, "/volumeMounts").iter().enumerate() {
        let path = path.index(index);
        let (name, at) = (text(mount, "/name"), text(mount, "/mountPath"));
        if name.is_empty() {
            errors.push(FieldError::required(&path.child("name"), ""));
        } else if !volumes.contains(&name) {
            errors.push(FieldError::not_found(&path.child("name"), name));
        }
        if at.is_empty() {
            errors.push(FieldError::required(&path.child("mountPath"), ""));
        } else if seen.contains(&at) {
            errors.push(FieldError::invalid(&path.child("mountPath"), at, "must be unique"));
        }
        seen.push(at);
        for field in ["subPath", "subPathExpr"] {
            let sub = text(mount, &format!("/{field}"));
            if sub.starts_with('/') {
                errors.push(FieldError::invalid(&path.child(field), sub, "must be a relative path"));
            }
            if sub.split('/').any(|part| part == "..") {
                errors.push(FieldError::invalid(&path.child(field), sub, "must not contain '..'"));
            }
        }
        if !text(mount, "/subPath").is_empty() && !text(mount, "/subPathExpr").is_empty() {
            let sub = text(mount, "/subPathExpr");
            errors.push(FieldError::invalid(
                &path.child("subPathExpr"),
                sub,
                "subPathExpr and subPath are mutually exclusive",
            ));
        }
    }
    errors
}
