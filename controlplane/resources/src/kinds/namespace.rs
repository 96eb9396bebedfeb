//! Namespaces.

use jiff::Timestamp;
use kingpost_apimachinery::{FieldError, Path, names};
use serde_json::{Value, json};

use crate::metadata;
use crate::object::{keep, map_in, set, text};
use crate::strategy::{Strategy, Subresource};
use crate::table::{Column, age, name};

/// The label that every namespace has with its own name (KEP-2161).
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

pub(super) struct Namespaces;

impl Strategy for Namespaces {
    fn default(&self, object: &mut Value) {
        let own = text(object, "/metadata/name").to_owned();
        if !own.is_empty()
            && let Some(labels) = map_in(object, "metadata").and_then(|metadata| map_in(metadata, "labels"))
        {
            set(labels, NAME_LABEL, own);
        }
    }

    fn prepare_for_create(&self, object: &mut Value) {
        set(object, "status", json!({"phase": "Active"}));
        // Taken off by the namespace controller, when all that is in it is gone.
        set(object, "spec", json!({"finalizers": ["kubernetes"]}));
    }

    fn prepare_for_update(&self, new: &mut Value, old: &Value, subresource: Subresource) {
        match subresource {
            Subresource::Finalize => keep(new, old, "status"),
            Subresource::Status => keep(new, old, "spec"),
            _ => {
                keep(new, old, "spec");
                keep(new, old, "status");
            }
        }
    }

    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = metadata::validate(object, names::dns1123_label);
        errors.extend(metadata::finalizers(object, "/spec/finalizers", &Path::new("spec.finalizers")));
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value, subresource: Subresource) -> Vec<FieldError> {
        let mut errors = metadata::validate_update(new, old, names::dns1123_label);
        if subresource == Subresource::Status {
            let phase = text(new, "/status/phase");
            let ending = !text(new, "/metadata/deletionTimestamp").is_empty();
            let path = Path::new("status.Phase");
            if ending && phase != "Terminating" {
                errors.push(FieldError::invalid(
                    &path,
                    phase,
                    "may only be 'Terminating' if `deletionTimestamp` is not empty",
                ));
            } else if !ending && phase != "Active" {
                errors.push(FieldError::invalid(
                    &path,
                    phase,
                    "may only be 'Active' if `deletionTimestamp` is empty",
                ));
            }
        }
        errors
    }

    fn columns(&self) -> &'static [Column] {
        const STATUS: Column = Column::text("Status", "Whether it is in use or being deleted.");
        &[Column::NAME, STATUS, Column::AGE]
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        vec![name(object), text(object, "/status/phase").into(), age(object, now)]
    }

    fn selectable_fields(&self, object: &Value) -> Vec<(&'static str, String)> {
        vec![("status.phase", text(object, "/status/phase").to_owned())]
    }
}
