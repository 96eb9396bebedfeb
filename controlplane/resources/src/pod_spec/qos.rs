//! The class of a pod by what its containers ask for and are limited to (`ComputePodQOS`).

use kingpost_apimachinery::Quantity;
use serde_json::Value;

use crate::object::{entries, items};

/// `Guaranteed`, `Burstable` or `BestEffort`.
pub(crate) fn qos_class(spec: &Value) -> &'static str {
    let containers = || items(spec, "/containers").iter().chain(items(spec, "/initContainers"));
    let amount = |container: &Value, list: &str, name: &str| {
        let value = container.pointer(&format!("/resources/{list}/{name}"));
        value.and_then(|value| Quantity::of(value).ok()).filter(|quantity| !quantity.is_zero())
    };
    let counted = ["cpu", "memory"];
    let asks = |container: &Value| {
        ["requests", "limits"].iter().any(|list| {
            entries(container, &format!("/resources/{list}")).any(|(name, value)| {
                counted.contains(&name.as_str())
                    && Quantity::of(value).is_ok_and(|quantity| !quantity.is_zero())
            })
        })
    };
    if !containers().any(asks) {
        return "BestEffort";
    }
    let exact = |container: &Value| {
        counted.iter().all(|name| {
            let limit = amount(container, "limits", name);
            limit.is_some() && limit == amount(container, "requests", name)
        })
    };
    if containers().all(exact) { "Guaranteed" } else { "Burstable" }
}
