//! What pods ask for and nodes have.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, Pod};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::quantity::{milli, units};

/// What the scheduler takes for requests that are not made, when it weighs nodes (upstream's `DefaultMilliCPURequest` and
/// `DefaultMemoryRequest`): a pod that asks for nothing still costs something.
const UNSPOKEN_CPU: i64 = 100;
const UNSPOKEN_MEMORY: i64 = 200 * 1024 * 1024;

/// Amounts by resource name: `cpu` in thousandths of a core, everything else in units (bytes for memory).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amounts(BTreeMap<String, i64>);

impl Amounts {
    /// The amounts of a resource list.
    pub(crate) fn of(list: Option<&BTreeMap<String, Quantity>>) -> Self {
        let amount = |(name, quantity): (&String, &Quantity)| {
            (name.clone(), if name == "cpu" { milli(quantity) } else { units(quantity) })
        };
        Self(list.into_iter().flatten().map(amount).collect())
    }

    /// The amount of one resource, zero if it is not there.
    pub(crate) fn get(&self, name: &str) -> i64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, i64)> {
        self.0.iter().map(|(name, amount)| (name.as_str(), *amount))
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (name, amount) in &other.0 {
            let sum = self.0.entry(name.clone()).or_default();
            *sum = sum.saturating_add(*amount);
        }
    }

    pub(crate) fn subtract(&mut self, other: &Self) {
        for (name, amount) in &other.0 {
            let sum = self.0.entry(name.clone()).or_default();
            *sum = sum.saturating_sub(*amount);
        }
    }

    fn raise_to(&mut self, other: &Self) {
        for (name, amount) in &other.0 {
            let known = self.0.entry(name.clone()).or_default();
            *known = (*known).max(*amount);
        }
    }
}

fn requests(container: &Container) -> Amounts {
    Amounts::of(container.resources.as_ref().and_then(|resources| resources.requests.as_ref()))
}

fn is_sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

/// What a pod asks for (`PodRequests`): its containers and sidecars together, or an init container with the sidecars started
/// before it, whichever is more; pod-level requests, where given, take their place; the overhead comes on top.
pub(crate) fn pod_requests(pod: &Pod) -> Amounts {
    sum(pod, requests)
}

/// The same, with a price for what does not ask for anything, to weigh nodes by.
pub(crate) fn weighed_requests(pod: &Pod) -> Amounts {
    sum(pod, |container| {
        let mut amounts = requests(container);
        amounts.0.entry("cpu".to_owned()).or_insert(UNSPOKEN_CPU);
        amounts.0.entry("memory".to_owned()).or_insert(UNSPOKEN_MEMORY);
        amounts
    })
}

fn sum(pod: &Pod, requests: impl Fn(&Container) -> Amounts) -> Amounts {
    let Some(spec) = &pod.spec else { return Amounts::default() };
    let mut total = Amounts::default();
    spec.containers.iter().for_each(|container| total.add(&requests(container)));
    let mut sidecars = Amounts::default();
    let mut starting = Amounts::default();
    for container in spec.init_containers.iter().flatten() {
        let wants = requests(container);
        let mut now = sidecars.clone();
        now.add(&wants);
        starting.raise_to(&now);
        if is_sidecar(container) {
            sidecars.add(&wants);
        }
    }
    total.add(&sidecars);
    total.raise_to(&starting);
    let pod_level = Amounts::of(spec.resources.as_ref().and_then(|resources| resources.requests.as_ref()));
    total.0.extend(pod_level.0);
    total.add(&Amounts::of(spec.overhead.as_ref()));
    total
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_init_container_counts_only_where_it_needs_more_than_what_follows() {
        let container = |name: &str, cpu: &str, policy: Option<&str>| json!({"name": name, "restartPolicy": policy, "resources": {"requests": {"cpu": cpu}}});
        let pod = |init: serde_json::Value| -> Pod {
            let containers = json!([container("a", "300m", None), container("b", "200m", None)]);
            serde_json::from_value(
                json!({"metadata": {}, "spec": {"initContainers": init, "containers": containers}}),
            )
            .unwrap()
        };
        let cpu = |init| pod_requests(&pod(init)).get("cpu");
        assert_eq!(cpu(json!([])), 500);
        assert_eq!(cpu(json!([container("i", "400m", None)])), 500);
        assert_eq!(cpu(json!([container("i", "800m", None)])), 800);
        assert_eq!(cpu(json!([container("s", "100m", Some("Always")), container("i", "800m", None)])), 900);
        assert_eq!(cpu(json!([container("s", "100m", Some("Always"))])), 600);
    }
}
