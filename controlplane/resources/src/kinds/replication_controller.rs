//! ReplicationControllers, whose selector is a map of labels that the template's labels stand in for.

use jiff::Timestamp;
use kingpost_apimachinery::{FieldError, LabelSelector, Path, names};
use serde_json::{Value, json};

use super::{replica_set, workload};
use crate::metadata;
use crate::object::{default, entries, first_generation, is_blank, map_in, number, separate_status, set};
use crate::strategy::{Strategy, Subresource};
use crate::table::{Column, or_none};

pub(super) struct ReplicationControllers;

fn selector(object: &Value) -> LabelSelector {
    let labels = entries(object, "/spec/selector");
    LabelSelector::of_map(labels.map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default())))
}

impl Strategy for ReplicationControllers {
    fn default(&self, object: &mut Value) {
        workload::default_template(object);
        let labels = object.pointer("/spec/template/metadata/labels").cloned();
        if let Some(labels) = labels.clone().filter(|labels| !is_blank(Some(labels)))
            && is_blank(object.pointer("/metadata/labels"))
            && let Some(metadata) = map_in(object, "metadata")
        {
            set(metadata, "labels", labels);
        }
        if let Some(spec) = map_in(object, "spec") {
            default(spec, "replicas", 1);
            if let Some(labels) = labels.filter(|_| is_blank(spec.get("selector"))) {
                set(spec, "selector", labels);
            }
        }
    }

    fn prepare_for_create(&self, object: &mut Value) {
        set(object, "status", json!({"replicas": 0}));
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
        errors.extend(match subresource {
            Subresource::Status => replica_set::validate_status(new),
            _ => validate_spec(new),
        });
        errors
    }

    fn columns(&self) -> &'static [Column] {
        replica_set::COLUMNS
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let mut cells = replica_set::cells(object, now);
        if let Some(last) = cells.last_mut() {
            *last = or_none(selector(object).to_string());
        }
        cells
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
    let selector = selector(object);
    if selector.is_empty() {
        errors.push(FieldError::required(&path.child("selector"), ""));
    }
    errors.extend(workload::validate_template(object, &selector, &path.child("template")));
    errors
}
