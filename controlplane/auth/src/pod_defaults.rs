//! Small changes that every new pod gets (upstream's `DefaultTolerationSeconds` and `Priority` admission plug-ins).

use serde_json::{Value, json};

use crate::{Admission, AdmissionError, AdmissionRequest, Operation};

/// How long a pod stays on a node that is not ready or not reachable, in seconds.
const TOLERATION_SECONDS: i64 = 300;
/// The classes that exist without an object.
const SYSTEM_CLASSES: [(&str, i64); 2] =
    [("system-cluster-critical", 2_000_000_000), ("system-node-critical", 2_000_001_000)];

/// Tolerations of nodes in trouble, and the number that a priority class stands for.
#[derive(Clone, Copy, Debug, Default)]
pub struct PodDefaults;

impl Admission for PodDefaults {
    fn admit(&self, request: &mut AdmissionRequest<'_>) -> Result<(), AdmissionError> {
        let attributes = request.attributes;
        let is_pod =
            attributes.group.is_empty() && attributes.resource == "pods" && attributes.subresource.is_empty();
        if !is_pod || request.operation != Operation::Create {
            return Ok(());
        }
        let Some(spec) = request.object.as_deref_mut().and_then(|pod| pod.get_mut("spec")) else {
            return Ok(());
        };
        for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
            tolerate(spec, key);
        }
        prioritize(spec)
    }
}

fn tolerate(spec: &mut Value, key: &str) {
    let Some(spec) = spec.as_object_mut() else { return };
    let list = spec.entry("tolerations").or_insert_with(|| json!([]));
    if list.is_null() {
        *list = json!([]);
    }
    let Some(list) = list.as_array_mut() else { return };
    let text = |toleration: &Value, field: &str| {
        toleration.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let known = list.iter().any(|toleration| {
        let (own_key, effect) = (text(toleration, "key"), text(toleration, "effect"));
        (own_key.is_empty() || own_key == key) && (effect.is_empty() || effect == "NoExecute")
    });
    if !known {
        list.push(json!({
            "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": TOLERATION_SECONDS,
        }));
    }
}

fn prioritize(spec: &mut Value) -> Result<(), AdmissionError> {
    let class = spec.get("priorityClassName").and_then(Value::as_str).unwrap_or_default();
    let value = match class {
        "" => 0,
        class => SYSTEM_CLASSES.iter().find(|(name, _)| *name == class).map(|(_, value)| *value).ok_or_else(
            || AdmissionError::Forbidden(format!("no PriorityClass with name {class} was found")),
        )?,
    };
    let asked = spec.get("priority").and_then(Value::as_i64);
    if asked.is_some_and(|asked| asked != value) {
        return Err(AdmissionError::Forbidden(format!(
            "the integer value of priority ({}) must not be provided in pod spec; priority admission controller \
             computed {value} from the given PriorityClass name",
            asked.unwrap_or(0)
        )));
    }
    if let Some(spec) = spec.as_object_mut() {
        spec.insert("priority".to_owned(), json!(value));
        spec.entry("preemptionPolicy").or_insert_with(|| json!("PreemptLowerPriority"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_toleration_of_the_pods_own_is_left_alone() {
        let mut spec = json!({"tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "tolerationSeconds": 5}]});
        tolerate(&mut spec, "node.kubernetes.io/not-ready");
        tolerate(&mut spec, "node.kubernetes.io/unreachable");
        let list = spec["tolerations"].as_array().unwrap();
        assert_eq!(
            (list.len(), &list[0]["tolerationSeconds"], &list[1]["tolerationSeconds"]),
            (2, &json!(5), &json!(300))
        );
        let mut all = json!({"tolerations": [{"operator": "Exists"}]});
        tolerate(&mut all, "node.kubernetes.io/unreachable");
        assert_eq!(all["tolerations"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn a_class_stands_for_a_number_and_nobody_makes_one_up() {
        let mut spec = json!({"priorityClassName": "system-node-critical"});
        prioritize(&mut spec).unwrap();
        assert_eq!(spec["priority"], 2_000_001_000);
        assert!(prioritize(&mut json!({"priorityClassName": "mine"})).is_err());
        assert!(prioritize(&mut json!({"priority": 7})).is_err());
    }
}
