//! Deployments.

use jiff::Timestamp;
use kingpost_apimachinery::{FieldError, IntOrString, Path, names};
use serde_json::{Value, json};

use super::workload;
use crate::metadata;
use crate::object::{default, first_generation, map_in, number, separate_status, text};
use crate::strategy::{Strategy, Subresource};
use crate::table::{Column, age, name};

pub(super) struct Deployments;

const QUARTER: &str = "25%";

impl Strategy for Deployments {
    fn default(&self, object: &mut Value) {
        workload::default_template(object);
        let Some(spec) = map_in(object, "spec") else { return };
        default(spec, "replicas", 1);
        default(spec, "revisionHistoryLimit", 10);
        default(spec, "progressDeadlineSeconds", 600);
        let Some(strategy) = map_in(spec, "strategy") else { return };
        crate::object::default_text(strategy, "type", "RollingUpdate");
        if text(strategy, "/type") == "RollingUpdate"
            && let Some(update) = map_in(strategy, "rollingUpdate")
        {
            default(update, "maxUnavailable", QUARTER);
            default(update, "maxSurge", QUARTER);
        }
    }

    fn prepare_for_create(&self, object: &mut Value) {
        crate::object::set(object, "status", json!({}));
        first_generation(object);
    }

    fn prepare_for_update(&self, new: &mut Value, old: &Value, subresource: Subresource) {
        separate_status(new, old, subresource);
    }

    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = metadata::validate(object, names::dns1123_subdomain);
        errors.extend(validate_spec(object));
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value, subresource: Subresource) -> Vec<FieldError> {
        let mut errors = metadata::validate_update(new, old, names::dns1123_subdomain);
        if subresource == Subresource::Status {
            errors.extend(validate_status(new));
            return errors;
        }
        errors.extend(validate_spec(new));
        errors.extend(metadata::immutable(new, old, "/spec/selector", &Path::new("spec.selector")));
        errors
    }

    fn columns(&self) -> &'static [Column] {
        const COLUMNS: &[Column] = &[
            Column::NAME,
            Column::text("Ready", "Pods that are ready, of those that are wanted."),
            Column::number("Up-to-date", "Pods of the present template."),
            Column::number("Available", "Pods that have been ready for long enough."),
            Column::AGE,
            workload::CONTAINERS,
            workload::IMAGES,
            workload::SELECTOR,
        ];
        COLUMNS
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let count = |pointer| number(object, pointer).unwrap_or(0);
        let mut cells = vec![
            name(object),
            format!("{}/{}", count("/status/readyReplicas"), count("/spec/replicas")).into(),
            count("/status/updatedReplicas").into(),
            count("/status/availableReplicas").into(),
            age(object, now),
        ];
        cells.extend(workload::wide_cells(object));
        cells
    }
}

fn validate_spec(object: &Value) -> Vec<FieldError> {
    let path = Path::new("spec");
    let mut errors = Vec::new();
    errors.extend(metadata::non_negative(object, "/spec/replicas", &path.child("replicas")));
    match workload::selector(object, &path.child("selector")) {
        Ok(selector) => {
            errors.extend(workload::validate_template(object, &selector, &path.child("template")))
        }
        Err(error) => {
            errors.push(error);
            let everything = kingpost_apimachinery::LabelSelector::default();
            errors.extend(workload::validate_template(object, &everything, &path.child("template")));
        }
    }
    errors.extend(strategy(object, &path.child("strategy")));
    for field in ["minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"] {
        errors.extend(metadata::non_negative(object, &format!("/spec/{field}"), &path.child(field)));
    }
    let seconds = |field: &str| number(object, &format!("/spec/{field}"));
    if let Some(deadline) = seconds("progressDeadlineSeconds")
        && deadline <= seconds("minReadySeconds").unwrap_or(0)
    {
        let why = "must be greater than minReadySeconds";
        errors.push(FieldError::invalid(&path.child("progressDeadlineSeconds"), deadline, why));
    }
    errors
}

fn strategy(object: &Value, path: &Path) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let kind = text(object, "/spec/strategy/type");
    let update = object.pointer("/spec/strategy/rollingUpdate").filter(|update| !update.is_null());
    match (kind, update) {
        ("Recreate", Some(_)) => {
            let why = "may not be specified when strategy `type` is 'Recreate'";
            errors.push(FieldError::forbidden(&path.child("rollingUpdate"), why));
        }
        ("Recreate", None) => {}
        ("RollingUpdate", None) => errors.push(FieldError::required(
            &path.child("rollingUpdate"),
            "this should be defaulted and never be nil",
        )),
        ("RollingUpdate", Some(update)) => {
            errors.extend(rolling_update(update, &path.child("rollingUpdate")))
        }
        (other, _) => {
            errors.push(FieldError::not_supported(&path.child("type"), other, &["Recreate", "RollingUpdate"]))
        }
    }
    errors
}

fn rolling_update(update: &Value, path: &Path) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut zero = 0;
    for field in ["maxUnavailable", "maxSurge"] {
        let value = update.get(field).unwrap_or(&Value::Null);
        let path = path.child(field);
        match IntOrString::of(value) {
            Some(IntOrString::Int(number)) if number < 0 => {
                errors.push(FieldError::invalid(&path, number, "must be greater than or equal to 0"));
            }
            Some(IntOrString::Int(number)) => zero += i32::from(number == 0),
            Some(text) => match text.percent() {
                Some(percent) => {
                    zero += i32::from(percent == 0);
                    if percent > 100 && field == "maxUnavailable" {
                        errors.push(FieldError::invalid(
                            &path,
                            value.clone(),
                            "must not be greater than 100%",
                        ));
                    }
                }
                None => {
                    let why = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
                    errors.push(FieldError::invalid(&path, value.clone(), why));
                }
            },
            None => {}
        }
    }
    if zero == 2 {
        let value = update.get("maxUnavailable").cloned().unwrap_or(Value::Null);
        errors.push(FieldError::invalid(
            &path.child("maxUnavailable"),
            value,
            "may not be 0 when `maxSurge` is 0",
        ));
    }
    errors
}

fn validate_status(object: &Value) -> Vec<FieldError> {
    let path = Path::new("status");
    let counts = [
        "observedGeneration",
        "replicas",
        "updatedReplicas",
        "readyReplicas",
        "availableReplicas",
        "unavailableReplicas",
        "collisionCount",
    ];
    let mut errors: Vec<_> = counts
        .iter()
        .filter_map(|field| metadata::non_negative(object, &format!("/status/{field}"), &path.child(field)))
        .collect();
    let count = |field: &str| number(object, &format!("/status/{field}")).unwrap_or(0);
    for field in ["updatedReplicas", "readyReplicas", "availableReplicas"] {
        if count(field) > count("replicas") {
            errors.push(FieldError::invalid(
                &path.child(field),
                count(field),
                "cannot be greater than status.replicas",
            ));
        }
    }
    if count("availableReplicas") > count("readyReplicas") {
        let why = "cannot be greater than readyReplicas";
        errors.push(FieldError::invalid(&path.child("availableReplicas"), count("availableReplicas"), why));
    }
    errors
}

#[cfg(test)]
mod tests;
