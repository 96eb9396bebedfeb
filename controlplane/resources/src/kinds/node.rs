//! Nodes.

use jiff::Timestamp;
use kingpost_apimachinery::{FieldError, Path, Quantity, names};
use serde_json::{Value, json};

use crate::metadata;
use crate::object::{entries, flag, is_blank, items, keep, map_in, set, text};
use crate::strategy::{Strategy, Subresource};
use crate::table::{Column, age, name, or_none};

pub(super) struct Nodes;

/// The label that says what a node is for, and the older one.
const ROLE: &str = "node-role.kubernetes.io/";
const OLD_ROLE: &str = "kubernetes.io/role";

impl Strategy for Nodes {
    fn default(&self, object: &mut Value) {
        map_in(object, "spec");
        // What is there can be used, unless the node says otherwise.
        if let Some(status) = object.get_mut("status").filter(|status| status.is_object())
            && is_blank(status.get("allocatable"))
            && let Some(capacity) = status.get("capacity").cloned()
        {
            set(status, "allocatable", capacity);
        }
    }

    fn prepare_for_create(&self, object: &mut Value) {
        if object.get("status").is_none_or(Value::is_null) {
            set(object, "status", json!({}));
        }
    }

    fn prepare_for_update(&self, new: &mut Value, old: &Value, subresource: Subresource) {
        if subresource == Subresource::Status {
            keep(new, old, "spec");
        } else {
            keep(new, old, "status");
        }
    }

    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = metadata::validate(object, names::dns1123_subdomain);
        errors.extend(taints(object));
        errors.extend(amounts(object));
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value, _: Subresource) -> Vec<FieldError> {
        let mut errors = metadata::validate_update(new, old, names::dns1123_subdomain);
        let path = Path::new("spec");
        for (field, shown) in [("podCIDR", "podCIDR"), ("providerID", "providerID")] {
            let was = text(old, &format!("/spec/{field}"));
            let is = text(new, &format!("/spec/{field}"));
            if !was.is_empty() && was != is {
                let why = format!("node updates may not change {shown} except from \"\" to valid");
                errors.push(FieldError::forbidden(&path.child(field), why));
            }
        }
        errors.extend(taints(new));
        errors.extend(amounts(new));
        errors
    }

    fn columns(&self) -> &'static [Column] {
        const COLUMNS: &[Column] = &[
            Column::NAME,
            Column::text("Status", "Whether it is ready, and takes new pods."),
            Column::text("Roles", "What it is for."),
            Column::AGE,
            Column::text("Version", "Version of its kubelet."),
            Column::text("Internal-IP", "Address within the cluster.").wide(),
            Column::text("External-IP", "Address from outside.").wide(),
            Column::text("OS-Image", "Operating system.").wide(),
            Column::text("Kernel-Version", "Kernel.").wide(),
            Column::text("Container-Runtime", "Container runtime and its version.").wide(),
        ];
        COLUMNS
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let info = |field: &str| {
            let text = text(object, &format!("/status/nodeInfo/{field}"));
            if text.is_empty() { "<unknown>".into() } else { Value::from(text) }
        };
        vec![
            name(object),
            status(object).into(),
            or_none(roles(object)),
            age(object, now),
            text(object, "/status/nodeInfo/kubeletVersion").into(),
            or_none(address(object, "InternalIP")),
            or_none(address(object, "ExternalIP")),
            info("osImage"),
            info("kernelVersion"),
            info("containerRuntimeVersion"),
        ]
    }

    fn selectable_fields(&self, object: &Value) -> Vec<(&'static str, String)> {
        vec![("spec.unschedulable", flag(object, "/spec/unschedulable").to_string())]
    }
}

fn status(object: &Value) -> String {
    let ready =
        items(object, "/status/conditions").iter().find(|condition| text(condition, "/type") == "Ready");
    let ready = match ready.map(|ready| text(ready, "/status")) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    };
    if flag(object, "/spec/unschedulable") { format!("{ready},SchedulingDisabled") } else { ready.to_owned() }
}

fn roles(object: &Value) -> String {
    let mut roles: Vec<&str> = entries(object, "/metadata/labels")
        .filter_map(|(key, value)| match key.strip_prefix(ROLE) {
            Some(role) => Some(role),
            None if key == OLD_ROLE => value.as_str(),
            None => None,
        })
        .filter(|role| !role.is_empty())
        .collect();
    roles.sort_unstable();
    roles.dedup();
    roles.join(",")
}

fn address(object: &Value, kind: &str) -> String {
    let found = items(object, "/status/addresses").iter().find(|address| text(address, "/type") == kind);
    found.map(|address| text(address, "/address").to_owned()).unwrap_or_default()
}

fn taints(object: &Value) -> Vec<FieldError> {
    let path = Path::new("spec.taints");
    let mut errors = Vec::new();
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for (index, taint) in items(object, "/spec/taints").iter().enumerate() {
        let path = path.index(index);
        let (key, effect, value) = (text(taint, "/key"), text(taint, "/effect"), text(taint, "/value"));
        errors.extend(
            names::qualified_name(key)
                .into_iter()
                .map(|why| FieldError::invalid(&path.child("key"), key, why)),
        );
        errors.extend(
            names::label_value(value)
                .into_iter()
                .map(|why| FieldError::invalid(&path.child("value"), value, why)),
        );
        match effect {
            "NoSchedule" | "PreferNoSchedule" | "NoExecute" => {}
            "" => errors.push(FieldError::required(&path.child("effect"), "")),
            other => errors.push(FieldError::not_supported(
                &path.child("effect"),
                other,
                &["NoSchedule", "PreferNoSchedule", "NoExecute"],
            )),
        }
        if seen.contains(&(key, effect)) {
            errors.push(FieldError::duplicate(&path, taint.clone()));
        }
        seen.push((key, effect));
    }
    errors
}

fn amounts(object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for list in ["capacity", "allocatable"] {
        for (resource, amount) in entries(object, &format!("/status/{list}")) {
            let path = Path::new("status").child(list).key(resource);
            match Quantity::of(amount) {
                Ok(quantity) if quantity.is_negative() => {
                    errors.push(FieldError::invalid(
                        &path,
                        amount.clone(),
                        "must be greater than or equal to 0",
                    ));
                }
                Ok(_) => {}
                Err(why) => errors.push(FieldError::invalid(&path, amount.clone(), why.to_string())),
            }
        }
    }
    errors
}
