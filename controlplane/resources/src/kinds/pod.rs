//! Pods.

mod printer;
mod update;

use jiff::Timestamp;
use kingpost_apimachinery::{FieldError, Path, names};
use serde_json::{Value, json};

use crate::object::{first_generation, flag, items, keep, map_in, number, set, text};
use crate::strategy::{Strategy, Subresource};
use crate::table::Column;
use crate::{defaults, metadata, pod_spec};

pub(super) struct Pods;

impl Strategy for Pods {
    fn default(&self, object: &mut Value) {
        if let Some(spec) = map_in(object, "spec") {
            defaults::pod_spec(spec);
        }
    }

    fn prepare_for_create(&self, object: &mut Value) {
        let class = pod_spec::qos_class(object.get("spec").unwrap_or(&Value::Null));
        set(object, "status", json!({"phase": "Pending", "qosClass": class}));
        first_generation(object);
        // Without ephemeral containers: they are only ever added to a pod that runs.
        if !items(object, "/spec/schedulingGates").is_empty()
            && let Some(status) = object.get_mut("status")
        {
            set(
                status,
                "conditions",
                json!([{
                    "type": "PodScheduled", "status": "False", "reason": "SchedulingGated",
                    "message": "Scheduling is blocked due to non-empty scheduling gates",
                }]),
            );
        }
    }

    fn prepare_for_update(&self, new: &mut Value, old: &Value, subresource: Subresource) {
        match subresource {
            Subresource::Status => {
                keep(new, old, "spec");
                // It follows from the specification.
                let class = text(old, "/status/qosClass").to_owned();
                if let Some(status) = map_in(new, "status").filter(|_| !class.is_empty()) {
                    set(status, "qosClass", class);
                }
            }
            Subresource::EphemeralContainers => {
                let added = new.pointer("/spec/ephemeralContainers").cloned();
                keep(new, old, "spec");
                keep(new, old, "status");
                if let (Some(spec), Some(added)) = (map_in(new, "spec"), added) {
                    set(spec, "ephemeralContainers", added);
                }
            }
            _ => keep(new, old, "status"),
        }
        crate::object::count_generation(new, old);
    }

    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = metadata::validate(object, names::dns1123_subdomain);
        let spec = object.get("spec").unwrap_or(&Value::Null);
        errors.extend(pod_spec::validate(spec, &Path::new("spec")));
        if !items(spec, "/ephemeralContainers").is_empty() {
            let why = "cannot be set on create";
            errors.push(FieldError::forbidden(&Path::new("spec.ephemeralContainers"), why));
        }
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value, subresource: Subresource) -> Vec<FieldError> {
        let mut errors = metadata::validate_update(new, old, names::dns1123_subdomain);
        errors.extend(match subresource {
            Subresource::Status => update::status(new, old),
            Subresource::EphemeralContainers => update::ephemeral_containers(new, old),
            Subresource::Binding => Vec::new(),
            _ => update::spec(new, old),
        });
        errors
    }

    fn columns(&self) -> &'static [Column] {
        printer::COLUMNS
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        printer::cells(object, now)
    }

    fn selectable_fields(&self, object: &Value) -> Vec<(&'static str, String)> {
        let of = |pointer: &str| text(object, pointer).to_owned();
        vec![
            ("spec.nodeName", of("/spec/nodeName")),
            ("spec.restartPolicy", of("/spec/restartPolicy")),
            ("spec.schedulerName", of("/spec/schedulerName")),
            ("spec.serviceAccountName", of("/spec/serviceAccountName")),
            ("spec.hostNetwork", flag(object, "/spec/hostNetwork").to_string()),
            ("status.phase", of("/status/phase")),
            ("status.podIP", of("/status/podIP")),
            ("status.podIPs", of("/status/podIPs/0/ip")),
            ("status.nominatedNodeName", of("/status/nominatedNodeName")),
        ]
    }

    fn grace_period_seconds(&self, object: &Value) -> Option<i64> {
        Some(number(object, "/spec/terminationGracePeriodSeconds").unwrap_or(30))
    }
}
