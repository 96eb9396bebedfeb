//! What may be changed in a pod (upstream's `ValidatePodUpdate`).

use kingpost_apimachinery::{FieldError, Path};
use serde_json::Value;

use crate::object::{items, number, text};
use crate::pod_spec;

/// Upstream's list of what may change, and what else the error says.
const MAY_CHANGE: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// A changed specification.
pub(super) fn spec(new: &Value, old: &Value) -> Vec<FieldError> {
    let path = Path::new("spec");
    let mut errors = Vec::new();
    for list in ["containers", "initContainers"] {
        let (new, old) = (items(new, &format!("/spec/{list}")), items(old, &format!("/spec/{list}")));
        if new.len() != old.len() {
            let why = "pod updates may not add or remove containers";
            return vec![FieldError::forbidden(&path.child(list), why)];
        }
        for (index, container) in new.iter().enumerate() {
            if text(container, "/image").is_empty() {
                errors.push(FieldError::required(&path.child(list).index(index).child("image"), ""));
            }
        }
    }
    errors.extend(deadline(new, old, &path.child("activeDeadlineSeconds")));
    errors.extend(tolerations(new, old, &path.child("tolerations")));
    if !gates_only_removed(new, old) {
        let why = "only deletion is allowed, but found new scheduling gate";
        errors.push(FieldError::forbidden(&path.child("schedulingGates"), why));
    }
    if !errors.is_empty() {
        return errors;
    }
    if comparable(new, old) != *old.get("spec").unwrap_or(&Value::Null) {
        errors.push(FieldError::forbidden(&path, MAY_CHANGE));
    }
    errors
}

/// The new specification with everything that may change put back to what it was.
fn comparable(new: &Value, old: &Value) -> Value {
    let mut spec = new.get("spec").cloned().unwrap_or(Value::Null);
    for list in ["containers", "initContainers"] {
        let images =
            items(old, &format!("/spec/{list}")).iter().map(|container| container.get("image").cloned());
        for (container, image) in crate::object::items_mut(&mut spec, list).zip(images) {
            crate::object::set(container, "image", image.unwrap_or(Value::Null));
        }
    }
    let was = old.get("spec").unwrap_or(&Value::Null);
    for field in ["activeDeadlineSeconds", "tolerations", "schedulingGates"] {
        crate::object::keep(&mut spec, was, field);
    }
    let grace = |spec: &Value| number(spec, "/terminationGracePeriodSeconds").unwrap_or(30);
    if grace(was) < 0 && grace(&spec) == 1 {
        crate::object::keep(&mut spec, was, "terminationGracePeriodSeconds");
    }
    // A gated pod may be told more exactly where to go.
    if !items(old, "/spec/schedulingGates").is_empty() {
        for field in ["nodeSelector", "affinity"] {
            crate::object::keep(&mut spec, was, field);
        }
    }
    spec
}

fn deadline(new: &Value, old: &Value, path: &Path) -> Option<FieldError> {
    let of = |object| number(object, "/spec/activeDeadlineSeconds");
    match (of(new), of(old)) {
        (Some(new), _) if !(0..=i64::from(i32::MAX)).contains(&new) => {
            Some(FieldError::invalid(path, new, "must be between 0 and 2147483647, inclusive"))
        }
        (Some(new), Some(old)) if new > old => {
            let why = format!("must be less than or equal to previous value ({old})");
            Some(FieldError::invalid(path, new, why))
        }
        (None, Some(_)) => Some(FieldError::invalid(
            path,
            Value::Null,
            "must not update from a positive integer to nil value",
        )),
        _ => None,
    }
}

fn tolerations(new: &Value, old: &Value, path: &Path) -> Option<FieldError> {
    let new = items(new, "/spec/tolerations");
    let without_seconds = |toleration: &Value| {
        let mut toleration = toleration.clone();
        crate::object::remove(&mut toleration, "tolerationSeconds");
        toleration
    };
    let kept = items(old, "/spec/tolerations")
        .iter()
        .all(|old| new.iter().any(|new| new == old || without_seconds(new) == without_seconds(old)));
    let why = "existing toleration can not be modified except its tolerationSeconds";
    (!kept).then(|| FieldError::forbidden(path, why))
}

fn gates_only_removed(new: &Value, old: &Value) -> bool {
    let before = items(old, "/spec/schedulingGates");
    items(new, "/spec/schedulingGates").iter().all(|gate| before.contains(gate))
}

/// A changed status.
pub(super) fn status(new: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let path = Path::new("status");
    // What has ended for good does not run again.
    if text(old, "/spec/restartPolicy") == "Always" {
        return errors;
    }
    for list in ["containerStatuses", "initContainerStatuses"] {
        for (index, now) in items(new, &format!("/status/{list}")).iter().enumerate() {
            let name = text(now, "/name");
            let before =
                items(old, &format!("/status/{list}")).iter().find(|before| text(before, "/name") == name);
            let ended = before.is_some_and(|before| {
                let code = number(before, "/state/terminated/exitCode");
                code.is_some_and(|code| code == 0 || text(old, "/spec/restartPolicy") == "Never")
            });
            if ended && now.pointer("/state/terminated").is_none() {
                let why = "may not be transitioned to non-terminated state";
                errors.push(FieldError::forbidden(&path.child(list).index(index).child("state"), why));
            }
        }
    }
    errors
}

/// Added ephemeral containers.
pub(super) fn ephemeral_containers(new: &Value, old: &Value) -> Vec<FieldError> {
    let path = Path::new("spec.ephemeralContainers");
    let (new_list, old_list) =
        (items(new, "/spec/ephemeralContainers"), items(old, "/spec/ephemeralContainers"));
    for was in old_list {
        let name = text(was, "/name");
        match new_list.iter().find(|new| text(new, "/name") == name) {
            None => {
                let why = format!("existing ephemeral containers {name:?} may not be removed\n");
                return vec![FieldError::forbidden(&path, why)];
            }
            Some(now) if now != was => {
                let why = format!("existing ephemeral containers {name:?} may not be changed\n");
                return vec![FieldError::forbidden(&path, why)];
            }
            Some(_) => {}
        }
    }
    pod_spec::validate(new.get("spec").unwrap_or(&Value::Null), &Path::new("spec"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn changed(change: impl Fn(&mut Value)) -> Vec<String> {
        let old = json!({"spec": {
            "containers": [{"name": "c", "image": "i:1"}],
            "tolerations": [{"key": "k", "operator": "Exists", "tolerationSeconds": 300}],
            "restartPolicy": "Always",
        }});
        let mut new = old.clone();
        change(&mut new["spec"]);
        spec(&new, &old).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn little_of_a_pod_may_be_changed() {
        assert!(changed(|spec| spec["containers"][0]["image"] = json!("i:2")).is_empty());
        assert!(changed(|spec| spec["tolerations"][0]["tolerationSeconds"] = json!(5)).is_empty());
        assert!(changed(|spec| spec["activeDeadlineSeconds"] = json!(5)).is_empty());
        assert!(
            changed(|spec| spec["nodeSelector"] = json!({"a": "b"}))[0]
                .starts_with("spec: Forbidden: pod updates may not change")
        );
        assert_eq!(
            changed(|spec| spec["containers"] = json!([])),
            ["spec.containers: Forbidden: pod updates may not add or remove containers"]
        );
        assert_eq!(changed(|spec| spec["tolerations"] = json!([])).len(), 1);
    }
}
