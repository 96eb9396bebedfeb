//! Events.

use jiff::Timestamp;
use kingpost_apimachinery::{FieldError, Path, names, time};
use serde_json::Value;

use crate::metadata;
use crate::object::{number, text};
use crate::strategy::{Strategy, Subresource};
use crate::table::{Column, name};

/// How long an event is kept (`--event-ttl`, one hour).
const TTL: u64 = 3600;

pub(super) struct Events;

impl Strategy for Events {
    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = metadata::validate(object, names::dns1123_subdomain);
        let about = text(object, "/involvedObject/namespace");
        let namespace = text(object, "/metadata/namespace");
        // What has no namespace is reported in `default`.
        if about != namespace && !(about.is_empty() && matches!(namespace, "" | "default")) {
            let why = "does not match event.namespace";
            errors.push(FieldError::invalid(&Path::new("involvedObject.namespace"), about, why));
        }
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value, _: Subresource) -> Vec<FieldError> {
        let mut errors = metadata::validate_update(new, old, names::dns1123_subdomain);
        errors.extend(metadata::immutable(new, old, "/involvedObject/uid", &Path::new("involvedObject.uid")));
        errors
    }

    fn columns(&self) -> &'static [Column] {
        const COLUMNS: &[Column] = &[
            Column::text("Last Seen", "When it happened last."),
            Column::text("Type", "Normal or Warning."),
            Column::text("Reason", "Why it was reported, in one word."),
            Column::text("Object", "What it is about."),
            Column::text("Subobject", "The part of the object that it is about.").wide(),
            Column::text("Source", "Who reported it.").wide(),
            Column::text("Message", "What happened, in words."),
            Column::text("First Seen", "When it happened first.").wide(),
            Column::number("Count", "How often it has happened.").wide(),
            Column { priority: 1, ..Column::NAME },
        ];
        COLUMNS
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let at = |pointer: &str| Some(text(object, pointer)).filter(|time| !time.is_empty());
        let first = at("/firstTimestamp").or(at("/eventTime"));
        let last = at("/series/lastObservedTime").or(at("/lastTimestamp")).or(first);
        let count = number(object, "/series/count").or(number(object, "/count")).unwrap_or(0);
        let count = if at("/series/lastObservedTime").is_none() && count == 0 { 1 } else { count };
        let (kind, target) =
            (text(object, "/involvedObject/kind").to_lowercase(), text(object, "/involvedObject/name"));
        let target = if target.is_empty() { kind } else { format!("{kind}/{target}") };
        vec![
            time::age(last, now).into(),
            text(object, "/type").into(),
            text(object, "/reason").into(),
            target.into(),
            text(object, "/involvedObject/fieldPath").into(),
            source(object).into(),
            text(object, "/message").trim().into(),
            time::age(first, now).into(),
            count.into(),
            name(object),
        ]
    }

    fn selectable_fields(&self, object: &Value) -> Vec<(&'static str, String)> {
        let reporter = match text(object, "/source/component") {
            "" => text(object, "/reportingComponent"),
            component => component,
        };
        let of = |pointer: &str| text(object, pointer).to_owned();
        vec![
            ("involvedObject.kind", of("/involvedObject/kind")),
            ("involvedObject.namespace", of("/involvedObject/namespace")),
            ("involvedObject.name", of("/involvedObject/name")),
            ("involvedObject.uid", of("/involvedObject/uid")),
            ("involvedObject.apiVersion", of("/involvedObject/apiVersion")),
            ("involvedObject.resourceVersion", of("/involvedObject/resourceVersion")),
            ("involvedObject.fieldPath", of("/involvedObject/fieldPath")),
            ("reason", of("/reason")),
            ("reportingComponent", of("/reportingComponent")),
            ("source", reporter.to_owned()),
            ("type", of("/type")),
        ]
    }

    fn ttl_seconds(&self) -> Option<u64> {
        Some(TTL)
    }
}

fn source(object: &Value) -> String {
    let component = match text(object, "/source/component") {
        "" => text(object, "/reportingComponent"),
        component => component,
    };
    let host = match text(object, "/source/host") {
        "" => text(object, "/reportingInstance"),
        host => host,
    };
    [component, host].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}
