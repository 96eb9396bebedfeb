//! Security contexts.

use kingpost_apimachinery::{FieldError, Path};
use serde_json::Value;

use crate::object::{flag, items, number, text};

/// The largest user and group.
const MAX_ID: i64 = i32::MAX as i64;

/// What is wrong with the security context of a pod.
pub(super) fn pod(spec: &Value, path: &Path) -> Vec<FieldError> {
    let Some(context) = spec.get("securityContext").filter(|context| context.is_object()) else {
        return Vec::new();
    };
    let mut errors = ids(context, &["runAsUser", "runAsGroup", "fsGroup"], path);
    for (index, group) in items(context, "/supplementalGroups").iter().enumerate() {
        errors.extend(id(group.as_i64(), &path.child("supplementalGroups").index(index)));
    }
    let policy = text(context, "/fsGroupChangePolicy");
    if !matches!(policy, "" | "OnRootMismatch" | "Always") {
        let supported = &["OnRootMismatch", "Always"];
        errors.push(FieldError::not_supported(&path.child("fsGroupChangePolicy"), policy, supported));
    }
    let mut seen: Vec<&str> = Vec::new();
    for (index, sysctl) in items(context, "/sysctls").iter().enumerate() {
        let path = path.child("sysctls").index(index).child("name");
        let name = text(sysctl, "/name");
        let good = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.' | b'/')
        };
        if name.is_empty() {
            errors.push(FieldError::required(&path, ""));
        } else if !name.bytes().all(good) || name.contains("..") || name.len() > 253 {
            let why = "must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";
            errors.push(FieldError::invalid(&path, name, why));
        } else if seen.contains(&name) {
            errors.push(FieldError::duplicate(&path, name));
        }
        seen.push(name);
    }
    errors.extend(seccomp(context, &path.child("seccompProfile")));
    errors
}

/// What is wrong with the security context of a container.
pub(super) fn container(container: &Value, path: &Path) -> Vec<FieldError> {
    let Some(context) = container.get("securityContext").filter(|context| context.is_object()) else {
        return Vec::new();
    };
    let mut errors = ids(context, &["runAsUser", "runAsGroup"], path);
    if context.get("allowPrivilegeEscalation") == Some(&Value::Bool(false)) {
        if flag(context, "/privileged") {
            let why = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
            errors.push(FieldError::invalid(path, context.clone(), why));
        }
        let adds = items(context, "/capabilities/add");
        if adds.iter().any(|capability| matches!(capability.as_str(), Some("CAP_SYS_ADMIN" | "SYS_ADMIN"))) {
            let why = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
            errors.push(FieldError::invalid(path, context.clone(), why));
        }
    }
    let mount = text(context, "/procMount");
    if !matches!(mount, "" | "Default" | "Unmasked") {
        errors.push(FieldError::not_supported(&path.child("procMount"), mount, &["Default", "Unmasked"]));
    }
    errors.extend(seccomp(context, &path.child("seccompProfile")));
    errors
}

fn ids(context: &Value, fields: &[&str], path: &Path) -> Vec<FieldError> {
    fields.iter().flat_map(|field| id(number(context, &format!("/{field}")), &path.child(field))).collect()
}

fn id(value: Option<i64>, path: &Path) -> Option<FieldError> {
    let value = value.filter(|value| !(0..=MAX_ID).contains(value))?;
    Some(FieldError::invalid(path, value, format!("must be between 0 and {MAX_ID}, inclusive")))
}

fn seccomp(context: &Value, path: &Path) -> Vec<FieldError> {
    let Some(profile) = context.get("seccompProfile").filter(|profile| profile.is_object()) else {
        return Vec::new();
    };
    let (kind, local) = (text(profile, "/type"), text(profile, "/localhostProfile"));
    let local_path = path.child("localhostProfile");
    match kind {
        "Localhost" if local.is_empty() => {
            vec![FieldError::required(&local_path, "must be set when seccomp type is Localhost")]
        }
        "Localhost" if local.starts_with('/') || local.split('/').any(|part| part == "..") => {
            vec![FieldError::invalid(&local_path, local, "must be a relative path without '..'")]
        }
        "Localhost" => Vec::new(),
        "RuntimeDefault" | "Unconfined" if !local.is_empty() => {
            vec![FieldError::invalid(&local_path, local, "can only be set when seccomp type is Localhost")]
        }
        "RuntimeDefault" | "Unconfined" => Vec::new(),
        "" => vec![FieldError::required(&path.child("type"), "type is required when seccompProfile is set")],
        other => {
            let supported = &["Localhost", "RuntimeDefault", "Unconfined"];
            vec![FieldError::not_supported(&path.child("type"), other, supported)]
        }
    }
}
