//! Rules on the specification of a pod (upstream's `ValidatePodSpec`).

mod container;
mod environment;
mod lifecycle;
mod placement;
mod qos;
mod resources;
mod security;
mod volume;

use kingpost_apimachinery::{FieldError, Path, names};
use serde_json::Value;

use crate::object::{flag, is_blank, items, number, text};
pub(crate) use qos::qos_class;

const RESTART_POLICIES: &[&str] = &["Always", "OnFailure", "Never"];
const DNS_POLICIES: &[&str] = &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];

/// What is wrong with a pod's specification.
pub(crate) fn validate(spec: &Value, path: &Path) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let volumes = volume::validate(spec, &path.child("volumes"), &mut errors);
    errors.extend(container::validate_all(spec, &volumes, path));

    let policy = text(spec, "/restartPolicy");
    if policy.is_empty() {
        errors.push(FieldError::required(&path.child("restartPolicy"), ""));
    } else if !RESTART_POLICIES.contains(&policy) {
        errors.push(FieldError::not_supported(&path.child("restartPolicy"), policy, RESTART_POLICIES));
    }
    errors.extend(dns(spec, path));
    errors.extend(seconds(spec, path));
    errors.extend(names_of(spec, path));
    errors.extend(security::pod(spec, &path.child("securityContext")));
    errors.extend(placement::validate(spec, path));
    if flag(spec, "/hostPID") && flag(spec, "/shareProcessNamespace") {
        let why = "ShareProcessNamespace and HostPID cannot both be enabled";
        errors.push(FieldError::invalid(&path.child("shareProcessNamespace"), true, why));
    }
    errors
}

fn dns(spec: &Value, path: &Path) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let policy = text(spec, "/dnsPolicy");
    if !DNS_POLICIES.contains(&policy) {
        errors.push(FieldError::not_supported(&path.child("dnsPolicy"), policy, DNS_POLICIES));
    }
    let config = path.child("dnsConfig");
    let servers = items(spec, "/dnsConfig/nameservers");
    if policy == "None" && servers.is_empty() {
        let why = "must provide at least one DNS nameserver when `dnsPolicy` is None";
        errors.push(FieldError::required(&config.child("nameservers"), why));
    }
    if servers.len() > 3 {
        let why = "must not have more than 3 nameservers";
        errors.push(FieldError::invalid(&config.child("nameservers"), Value::Array(servers.to_vec()), why));
    }
    for (index, server) in servers.iter().enumerate() {
        let text = server.as_str().unwrap_or_default();
        if text.parse::<std::net::IpAddr>().is_err() {
            let why = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
            errors.push(FieldError::invalid(&config.child("nameservers").index(index), text, why));
        }
    }
    errors
}

fn seconds(spec: &Value, path: &Path) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if let Some(grace) = number(spec, "/terminationGracePeriodSeconds").filter(|grace| *grace < 0) {
        let path = path.child("terminationGracePeriodSeconds");
        errors.push(FieldError::invalid(&path, grace, "must be greater than or equal to 0"));
    }
    let range = 1..=i64::from(i32::MAX);
    if let Some(deadline) = number(spec, "/activeDeadlineSeconds").filter(|seconds| !range.contains(seconds))
    {
        let why = "must be between 1 and 2147483647, inclusive";
        errors.push(FieldError::invalid(&path.child("activeDeadlineSeconds"), deadline, why));
    }
    errors
}

fn names_of(spec: &Value, path: &Path) -> Vec<FieldError> {
    type Rule = fn(&str) -> Vec<String>;
    let rules: [(&str, Rule); 5] = [
        ("serviceAccountName", names::dns1123_subdomain),
        ("nodeName", names::dns1123_subdomain),
        ("hostname", names::dns1123_label),
        ("subdomain", names::dns1123_label),
        ("priorityClassName", names::dns1123_subdomain),
    ];
    let mut errors = Vec::new();
    for (field, rule) in rules {
        let value = text(spec, &format!("/{field}"));
        if !value.is_empty() {
            errors.extend(
                rule(value).into_iter().map(|why| FieldError::invalid(&path.child(field), value, why)),
            );
        }
    }
    for (index, secret) in items(spec, "/imagePullSecrets").iter().enumerate() {
        if is_blank(secret.get("name")) {
            errors.push(FieldError::required(&path.child("imagePullSecrets").index(index).child("name"), ""));
        }
    }
    errors
}

#[cfg(test)]
mod tests;
