//! Probes and hooks.

use kingpost_apimachinery::{FieldError, Path, names};
use serde_json::Value;

use crate::object::{items, number, text};

const HANDLERS: [&str; 5] = ["exec", "httpGet", "tcpSocket", "grpc", "sleep"];

/// What is wrong with the probes and hooks of a container.
pub(super) fn validate(container: &Value, path: &Path) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get(name).filter(|probe| probe.is_object()) {
            errors.extend(self::probe(probe, name != "readinessProbe", &path.child(name)));
        }
    }
    for hook in ["postStart", "preStop"] {
        if let Some(handler) =
            container.pointer(&format!("/lifecycle/{hook}")).filter(|handler| handler.is_object())
        {
            errors.extend(self::handler(handler, &path.child("lifecycle").child(hook), false));
        }
    }
    errors
}

fn probe(probe: &Value, once: bool, path: &Path) -> Vec<FieldError> {
    let mut errors = handler(probe, path, true);
    for field in
        ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"]
    {
        errors.extend(crate::metadata::non_negative(probe, &format!("/{field}"), &path.child(field)));
    }
    let successes = number(probe, "/successThreshold").unwrap_or(1);
    if once && successes != 1 {
        errors.push(FieldError::invalid(&path.child("successThreshold"), successes, "must be 1"));
    }
    if let Some(grace) = number(probe, "/terminationGracePeriodSeconds") {
        let path = path.child("terminationGracePeriodSeconds");
        if !once {
            errors.push(FieldError::invalid(&path, grace, "must not be set for readinessProbes"));
        } else if grace <= 0 {
            errors.push(FieldError::invalid(&path, grace, "must be greater than 0"));
        }
    }
    errors
}

fn handler(handler: &Value, path: &Path, is_probe: bool) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let given: Vec<_> =
        HANDLERS.into_iter().filter(|kind| handler.get(kind).is_some_and(|field| !field.is_null())).collect();
    if given.is_empty() {
        errors.push(FieldError::required(path, "must specify a handler type"));
    }
    for kind in given.iter().skip(1) {
        errors.push(FieldError::forbidden(&path.child(kind), "may not specify more than 1 handler type"));
    }
    let Some(kind) = given.first() else { return errors };
    let path = path.child(kind);
    match *kind {
        "exec" if items(handler, "/exec/command").is_empty() => {
            errors.push(FieldError::required(&path.child("command"), ""));
        }
        "httpGet" => {
            if text(handler, "/httpGet/path").is_empty() {
                errors.push(FieldError::required(&path.child("path"), ""));
            }
            let scheme = text(handler, "/httpGet/scheme");
            if !matches!(scheme, "HTTP" | "HTTPS") {
                errors.push(FieldError::not_supported(&path.child("scheme"), scheme, &["HTTP", "HTTPS"]));
            }
            errors.extend(port(handler.pointer("/httpGet/port"), &path.child("port")));
        }
        "tcpSocket" => errors.extend(port(handler.pointer("/tcpSocket/port"), &path.child("port"))),
        "grpc" => errors.extend(port(handler.pointer("/grpc/port"), &path.child("port"))),
        "sleep" if is_probe => errors.push(FieldError::forbidden(&path, "may not be used in probes")),
        _ => {}
    }
    errors
}

fn port(port: Option<&Value>, path: &Path) -> Vec<FieldError> {
    match port {
        Some(Value::String(name)) => names::port_name(name)
            .into_iter()
            .map(|why| FieldError::invalid(path, name.as_str(), why))
            .collect(),
        other => {
            let value = other.and_then(Value::as_i64).unwrap_or(0);
            names::port_number(value).into_iter().map(|why| FieldError::invalid(path, value, why)).collect()
        }
    }
}
