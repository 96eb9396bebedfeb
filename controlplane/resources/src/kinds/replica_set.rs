//! ReplicaSets.

use jiff::Timestamp;
use kingpost_apimachinery::{FieldError, LabelSelector, Path, names};
use serde_json::{Value, json};

use super::workload;
use crate::metadata;
use crate::object::{default, first_generation, map_in, number, separate_status};
use crate::strategy::{Strategy, Subresource};
use crate::table::{Column, age, name};

pub(super) struct ReplicaSets;

/// The columns that ReplicationControllers have too.
pub(super) const COLUMNS: &[Column] = &[
    Column::NAME,
    Column::number("Desired", "Pods that are wanted."),
    Column::number("Current", "Pods that there are."),
    Column::number("Ready", "Pods that are ready."),
    Column::AGE,
    workload::CONTAINERS,
    workload::IMAGES,
    workload::SELECTOR,
];

/// The cells of those columns.
pub(super) fn cells(object: &Value, now: Timestamp) -> Vec<Value> {
    let count = |pointer| number(object, pointer).unwrap_or(0);
    let mut cells = vec![
        name(object),
        count("/spec/replicas").into(),
        count("/status/replicas").into(),
        count("/status/readyReplicas").into(),
        age(object, now),
    ];
    cells.extend(workload::wide_cells(object));
    cells
}

/// What is wrong with a status.
pub(super) fn validate_status(object: &Value) -> Vec<FieldError> {
    let path = Path::new("status");
    let counts =
        ["replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration"];
    let mut errors: Vec<_> = counts
        .iter()
        .filter_map(|field| metadata::non_negative(object, &format!("/status/{field}"), &path.child(field)))
        .collect();
    let count = |field: &str| number(object, &format!("/status/{field}")).unwrap_or(0);
    for field in ["fullyLabeledReplicas", "readyReplicas", "availableReplicas"] {
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

impl Strategy for ReplicaSets {
    fn default(&self, object: &mut Value) {
        workload::default_template(object);
        if let Some(spec) = map_in(object, "spec") {
            default(spec, "replicas", 1);
        }
    }

    fn prepare_for_create(&self, object: &mut Value) {
        crate::object::set(object, "status", json!({"replicas": 0}));
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
        COLUMNS
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        cells(object, now)
    }

    fn selectable_fields(&self, object: &Value) -> Vec<(&'static str, String)> {
        vec![("status.replicas", number(object, "/status/replicas").unwrap_or(0).to_string())]
    }
}

fn validate_spec(object: &Value) -> Vec<FieldError> {
    let path = Path::new("spec");
    let mut errors = Vec::new();
    for field in ["replicas", "minReadySeconds"] {
        errors.extend(metadata::non_negative(object, &format!("/spec/{field}"), &path.child(field)));
    }
    let selector = workload::selector(object, &path.child("selector")).unwrap_or_else(|error| {
        errors.push(error);
        LabelSelector::default()
    });
    errors.extend(workload::validate_template(object, &selector, &path.child("template")));
    errors
}
