//! What Deployments, ReplicaSets and ReplicationControllers have in common.

use kingpost_apimachinery::{FieldError, LabelSelector, Path};
use serde_json::Value;

use crate::object::{is_blank, items, map_in, text};
use crate::table::{Column, or_none};
use crate::{defaults, metadata, pod_spec};

/// The columns of the wide form.
pub(super) const CONTAINERS: Column = Column::text("Containers", "Names of the containers.").wide();
pub(super) const IMAGES: Column = Column::text("Images", "Images of the containers.").wide();
pub(super) const SELECTOR: Column = Column::text("Selector", "Labels of the pods that belong to it.").wide();

/// Defaults of the pod template.
pub(super) fn default_template(object: &mut Value) {
    let Some(template) = map_in(object, "spec").and_then(|spec| map_in(spec, "template")) else { return };
    if let Some(spec) = map_in(template, "spec") {
        defaults::pod_spec(spec);
    }
}

/// What is wrong with a template whose pods `selector` shall select, and which are kept running.
pub(super) fn validate_template(object: &Value, selector: &LabelSelector, path: &Path) -> Vec<FieldError> {
    let Some(template) = object.pointer("/spec/template").filter(|template| !template.is_null()) else {
        return vec![FieldError::required(path, "")];
    };
    let mut errors = Vec::new();
    if !selector.is_empty() && !selector.matches_object(template) {
        let labels = template.pointer("/metadata/labels").cloned().unwrap_or(Value::Null);
        let why = "`selector` does not match template `labels`";
        errors.push(FieldError::invalid(&path.child("metadata").child("labels"), labels, why));
    }
    errors.extend(metadata::labels(template, "/metadata/labels", &path.child("labels")));
    errors.extend(metadata::annotations(template, "/metadata/annotations", &path.child("annotations")));
    let spec = template.get("spec").cloned().unwrap_or(Value::Null);
    errors.extend(pod_spec::validate(&spec, &path.child("spec")));
    let policy = text(&spec, "/restartPolicy");
    if policy != "Always" {
        errors.push(FieldError::not_supported(
            &path.child("spec").child("restartPolicy"),
            policy,
            &["Always"],
        ));
    }
    if spec.get("activeDeadlineSeconds").is_some_and(|seconds| !seconds.is_null()) {
        let why = "activeDeadlineSeconds in ReplicaSet is not Supported";
        errors.push(FieldError::forbidden(&path.child("spec").child("activeDeadlineSeconds"), why));
    }
    errors
}

/// The selector of `spec.selector`, or what is wrong with it.
pub(super) fn selector(object: &Value, path: &Path) -> Result<LabelSelector, FieldError> {
    let field = object.pointer("/spec/selector");
    if is_blank(field) && field.is_none_or(Value::is_null) {
        return Err(FieldError::required(path, ""));
    }
    let selector = LabelSelector::of_object(field)
        .map_err(|wrong| FieldError::invalid(path, field.cloned().unwrap_or(Value::Null), wrong.0))?;
    if selector.is_empty() {
        let value = field.cloned().unwrap_or(Value::Null);
        return Err(FieldError::invalid(path, value, "empty selector is invalid for deployment"));
    }
    Ok(selector)
}

/// The cells of the wide form.
pub(super) fn wide_cells(object: &Value) -> [Value; 3] {
    let containers = items(object, "/spec/template/spec/containers");
    let join =
        |field: &str| containers.iter().map(|container| text(container, field)).collect::<Vec<_>>().join(",");
    let selector = LabelSelector::of_object(object.pointer("/spec/selector"));
    let selector = selector.map(|selector| selector.to_string()).unwrap_or_default();
    [join("/name").into(), join("/image").into(), or_none(selector)]
}
