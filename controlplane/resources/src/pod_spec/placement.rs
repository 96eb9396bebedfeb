//! Where a pod may go: selectors, tolerations, affinity, spread.

use kingpost_apimachinery::{FieldError, LabelSelector, Path, names};
use serde_json::Value;

use crate::metadata;
use crate::object::{items, number, text};

/// What is wrong with it.
pub(super) fn validate(spec: &Value, path: &Path) -> Vec<FieldError> {
    let mut errors = metadata::labels(spec, "/nodeSelector", &path.child("nodeSelector"));
    errors.extend(tolerations(spec, &path.child("tolerations")));
    errors.extend(node_affinity(spec, &path.child("affinity").child("nodeAffinity")));
    for (kind, name) in [("podAffinity", "podAffinity"), ("podAntiAffinity", "podAntiAffinity")] {
        errors.extend(pod_affinity(spec, kind, &path.child("affinity").child(name)));
    }
    errors.extend(spread(spec, &path.child("topologySpreadConstraints")));
    errors
}

fn tolerations(spec: &Value, path: &Path) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (index, toleration) in items(spec, "/tolerations").iter().enumerate() {
        let path = path.index(index);
        let (key, operator) = (text(toleration, "/key"), text(toleration, "/operator"));
        let (value, effect) = (text(toleration, "/value"), text(toleration, "/effect"));
        if !key.is_empty() {
            errors.extend(
                names::qualified_name(key)
                    .into_iter()
                    .map(|why| FieldError::invalid(&path.child("key"), key, why)),
            );
        } else if operator != "Exists" {
            let why =
                "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            errors.push(FieldError::invalid(&path.child("operator"), operator, why));
        }
        match operator {
            "" | "Equal" => {
                let wrong = names::label_value(value).into_iter();
                errors.extend(wrong.map(|why| FieldError::invalid(&path.child("operator"), value, why)));
            }
            "Exists" if !value.is_empty() => {
                let why = "value must be empty when `operator` is 'Exists'";
                errors.push(FieldError::invalid(&path.child("operator"), toleration.clone(), why));
            }
            "Exists" => {}
            other => {
                errors.push(FieldError::not_supported(&path.child("operator"), other, &["Equal", "Exists"]))
            }
        }
        if number(toleration, "/tolerationSeconds").is_some() && effect != "NoExecute" {
            let why = "effect must be 'NoExecute' when `tolerationSeconds` is set";
            errors.push(FieldError::invalid(&path.child("effect"), effect, why));
        }
        if !matches!(effect, "" | "NoSchedule" | "PreferNoSchedule" | "NoExecute") {
            let supported = &["NoSchedule", "PreferNoSchedule", "NoExecute"];
            errors.push(FieldError::not_supported(&path.child("effect"), effect, supported));
        }
    }
    errors
}

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

fn node_affinity(spec: &Value, path: &Path) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let Some(affinity) = spec.pointer("/affinity/nodeAffinity").filter(|affinity| affinity.is_object())
    else {
        return errors;
    };
    if let Some(required) = affinity.get(REQUIRED).filter(|required| required.is_object()) {
        let terms = items(required, "/nodeSelectorTerms");
        let path = path.child(REQUIRED).child("nodeSelectorTerms");
        if terms.is_empty() {
            errors.push(FieldError::required(&path, "must have at least one node selector term"));
        }
        for (index, term) in terms.iter().enumerate() {
            errors.extend(node_term(term, &path.index(index)));
        }
    }
    for (index, preferred) in items(affinity, &format!("/{PREFERRED}")).iter().enumerate() {
        let path = path.child(PREFERRED).index(index);
        errors.extend(weight(preferred, &path));
        errors.extend(node_term(
            preferred.get("preference").unwrap_or(&Value::Null),
            &path.child("preference"),
        ));
    }
    errors
}

fn weight(term: &Value, path: &Path) -> Option<FieldError> {
    let weight = number(term, "/weight").unwrap_or(0);
    (!(1..=100).contains(&weight))
        .then(|| FieldError::invalid(&path.child("weight"), weight, "must be in the range 1-100"))
}

fn node_term(term: &Value, path: &Path) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (index, requirement) in items(term, "/matchExpressions").iter().enumerate() {
        let path = path.child("matchExpressions").index(index);
        let (key, operator) = (text(requirement, "/key"), text(requirement, "/operator"));
        errors.extend(
            names::qualified_name(key)
                .into_iter()
                .map(|why| FieldError::invalid(&path.child("key"), key, why)),
        );
        let values = items(requirement, "/values");
        let wrong = match operator {
            "In" | "NotIn" if values.is_empty() => {
                Some("must be specified when `operator` is 'In' or 'NotIn'")
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                let why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                errors.push(FieldError::forbidden(&path.child("values"), why));
                None
            }
            "Gt" | "Lt" if values.len() != 1 => {
                Some("must be specified single value when `operator` is 'Lt' or 'Gt'")
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => None,
            other => {
                errors.push(FieldError::invalid(
                    &path.child("operator"),
                    other,
                    "not a valid selector operator",
                ));
                None
            }
        };
        errors.extend(wrong.map(|why| FieldError::required(&path.child("values"), why)));
    }
    for (index, requirement) in items(term, "/matchFields").iter().enumerate() {
        let path = path.child("matchFields").index(index);
        let key = text(requirement, "/key");
        if key != "metadata.name" {
            errors.push(FieldError::invalid(&path.child("key"), key, "not a valid field selector key"));
        }
        if items(requirement, "/values").len() != 1 {
            let why = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
            errors.push(FieldError::required(&path.child("values"), why));
        }
    }
    errors
}

fn pod_affinity(spec: &Value, kind: &str, path: &Path) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let Some(affinity) = spec.get("affinity").and_then(|affinity| affinity.get(kind)) else { return errors };
    let required = items(affinity, &format!("/{REQUIRED}")).iter().enumerate();
    let required = required.map(|(index, term)| (term, path.child(REQUIRED).index(index)));
    let mut terms: Vec<(&Value, Path)> = required.collect();
    for (index, preferred) in items(affinity, &format!("/{PREFERRED}")).iter().enumerate() {
        let path = path.child(PREFERRED).index(index);
        errors.extend(weight(preferred, &path));
        if let Some(term) = preferred.get("podAffinityTerm") {
            terms.push((term, path.child("podAffinityTerm")));
        }
    }
    for (term, path) in terms {
        let topology = text(term, "/topologyKey");
        if topology.is_empty() {
            errors.push(FieldError::required(&path.child("topologyKey"), "can not be empty"));
        } else {
            let wrong = names::qualified_name(topology).into_iter();
            errors.extend(wrong.map(|why| FieldError::invalid(&path.child("topologyKey"), topology, why)));
        }
        for field in ["labelSelector", "namespaceSelector"] {
            if let Err(wrong) = LabelSelector::of_object(term.get(field)) {
                errors.push(FieldError::invalid(
                    &path.child(field),
                    term.get(field).cloned().unwrap_or(Value::Null),
                    wrong.0,
                ));
            }
        }
    }
    errors
}

fn spread(spec: &Value, path: &Path) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (index, constraint) in items(spec, "/topologySpreadConstraints").iter().enumerate() {
        let path = path.index(index);
        let skew = number(constraint, "/maxSkew").unwrap_or(0);
        if skew <= 0 {
            errors.push(FieldError::invalid(&path.child("maxSkew"), skew, "must be greater than zero"));
        }
        if text(constraint, "/topologyKey").is_empty() {
            errors.push(FieldError::required(&path.child("topologyKey"), "can not be empty"));
        }
        let action = text(constraint, "/whenUnsatisfiable");
        if !matches!(action, "DoNotSchedule" | "ScheduleAnyway") {
            let supported = &["DoNotSchedule", "ScheduleAnyway"];
            errors.push(FieldError::not_supported(&path.child("whenUnsatisfiable"), action, supported));
        }
    }
    errors
}
