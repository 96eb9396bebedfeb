//! From what there is to what there should be, with as few writes as possible.

use std::collections::HashMap;
use std::sync::Arc;

use k8s_openapi::api::discovery::v1::{Endpoint, EndpointPort, EndpointSlice};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// The most endpoints in one slice (`--max-endpoints-per-slice`).
const MAX_ENDPOINTS: usize = 100;

/// Endpoints that can share slices.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) family: String,
    pub(super) ports: Vec<EndpointPort>,
    pub(super) endpoints: Vec<Endpoint>,
}

/// Adds an endpoint to the group of its family and ports.
pub(super) fn add(groups: &mut Vec<Group>, family: &str, ports: Vec<EndpointPort>, endpoint: Endpoint) {
    match groups.iter_mut().find(|group| group.family == family && group.ports == ports) {
        Some(group) => group.endpoints.push(endpoint),
        None => groups.push(Group { family: family.to_owned(), ports, endpoints: vec![endpoint] }),
    }
}

/// The writes that lead there.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) create: Vec<EndpointSlice>,
    pub(super) update: Vec<EndpointSlice>,
    pub(super) delete: Vec<String>,
}

/// Plans the way from `existing` to `wanted`. An endpoint stays in the slice where it is; new ones fill what room there is.
pub(super) fn make(metadata: &ObjectMeta, wanted: Vec<Group>, existing: &[Arc<EndpointSlice>]) -> Plan {
    let mut plan = Plan::default();
    let mut kept = Vec::new();
    for group in wanted {
        let slices = existing.iter().filter(|slice| {
            slice.address_type == group.family && slice.ports.as_deref().unwrap_or_default() == group.ports
        });
        let slices: Vec<_> = slices.collect();
        kept.extend(slices.iter().filter_map(|slice| slice.metadata.name.clone()));
        place(metadata, group, &slices, &mut plan);
    }
    let stale =
        existing.iter().filter_map(|slice| slice.metadata.name.as_ref()).filter(|name| !kept.contains(name));
    plan.delete.extend(stale.cloned());
    plan
}

fn place(metadata: &ObjectMeta, group: Group, slices: &[&Arc<EndpointSlice>], plan: &mut Plan) {
    let mut left: HashMap<String, Endpoint> =
        group.endpoints.into_iter().map(|endpoint| (identity(&endpoint), endpoint)).collect();
    // What stays where it is, in its present order.
    let mut contents: Vec<Vec<Endpoint>> = slices
        .iter()
        .map(|slice| {
            slice.endpoints.iter().flatten().filter_map(|known| left.remove(&identity(known))).collect()
        })
        .collect();
    let mut rest: Vec<_> = left.into_values().collect();
    rest.sort_by_key(identity);
    let mut rest = rest.into_iter();
    for content in &mut contents {
        let room = MAX_ENDPOINTS.saturating_sub(content.len());
        content.extend(rest.by_ref().take(room));
    }

    let empties = contents.iter().filter(|content| content.is_empty()).count();
    let mut may_drop = if empties == contents.len() { empties.saturating_sub(1) } else { empties };
    for (slice, content) in slices.iter().zip(contents) {
        if content.is_empty() && may_drop > 0 {
            may_drop -= 1;
            plan.delete.extend(slice.metadata.name.clone());
            continue;
        }
        plan.update.extend(changed(metadata, slice, content));
    }
    let rest: Vec<_> = rest.collect();
    let new = |endpoints: &[Endpoint]| EndpointSlice {
        metadata: metadata.clone(),
        address_type: group.family.clone(),
        endpoints: Some(endpoints.to_vec()),
        ports: Some(group.ports.clone()),
    };
    if rest.is_empty() && slices.is_empty() {
        plan.create.push(new(&[]));
    }
    plan.create.extend(rest.chunks(MAX_ENDPOINTS).map(new));
}

/// The slice with this content, if that or its metadata is not what it has.
fn changed(metadata: &ObjectMeta, slice: &EndpointSlice, content: Vec<Endpoint>) -> Option<EndpointSlice> {
    let same = slice.endpoints.as_deref().unwrap_or_default() == content
        && slice.metadata.labels == metadata.labels
        && slice.metadata.owner_references == metadata.owner_references;
    if same {
        return None;
    }
    let mut updated = slice.clone();
    updated.endpoints = Some(content);
    updated.metadata.labels = metadata.labels.clone();
    updated.metadata.owner_references = metadata.owner_references.clone();
    Some(updated)
}

/// What makes two endpoints the same one: the pod, and its address.
fn identity(endpoint: &Endpoint) -> String {
    let pod = endpoint.target_ref.as_ref().and_then(|reference| reference.uid.as_deref()).unwrap_or_default();
    format!("{pod} {}", endpoint.addresses.join(","))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ObjectReference;

    use super::*;

    fn endpoint(number: usize) -> Endpoint {
        let target = ObjectReference { uid: Some(format!("{number:04}")), ..ObjectReference::default() };
        Endpoint {
            addresses: vec![format!("10.0.{}.{}", number / 256, number % 256)],
            target_ref: Some(target),
            ..Endpoint::default()
        }
    }

    fn group(endpoints: impl Iterator<Item = usize>) -> Vec<Group> {
        vec![Group {
            family: "IPv4".to_owned(),
            ports: Vec::new(),
            endpoints: endpoints.map(endpoint).collect(),
        }]
    }

    fn slice(name: &str, endpoints: impl Iterator<Item = usize>) -> Arc<EndpointSlice> {
        Arc::new(EndpointSlice {
            metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
            address_type: "IPv4".to_owned(),
            endpoints: Some(endpoints.map(endpoint).collect()),
            ports: Some(Vec::new()),
        })
    }

    fn plan(wanted: Vec<Group>, existing: &[Arc<EndpointSlice>]) -> (usize, usize, usize) {
        let plan = make(&ObjectMeta::default(), wanted, existing);
        (plan.create.len(), plan.update.len(), plan.delete.len())
    }

    #[test]
    fn nothing_is_written_where_nothing_changed() {
        assert_eq!(plan(group(0..3), &[slice("a", 0..3)]), (0, 0, 0));
    }

    #[test]
    fn a_change_touches_the_one_slice_that_it_is_in() {
        let existing = [slice("a", 0..100), slice("b", 100..150)];
        assert_eq!(plan(group((0..150).filter(|n| *n != 120)), &existing), (0, 1, 0));
        assert_eq!(plan(group(0..151), &existing), (0, 1, 0));
    }

    #[test]
    fn no_slice_gets_more_than_a_hundred() {
        assert_eq!(plan(group(0..250), &[]), (3, 0, 0));
        assert_eq!(plan(group(0..101), &[slice("a", 0..100)]), (1, 0, 0));
    }

    #[test]
    fn the_last_slice_stays_and_says_that_there_are_no_endpoints() {
        assert_eq!(plan(group(0..0), &[]), (1, 0, 0));
        assert_eq!(plan(group(0..0), &[slice("a", 0..3)]), (0, 1, 0));
        assert_eq!(plan(group(0..0), &[slice("a", 0..100), slice("b", 100..101)]), (0, 1, 1));
    }

    #[test]
    fn slices_of_former_ports_go() {
        let mut old = (*slice("old", 0..2)).clone();
        old.ports = Some(vec![EndpointPort { port: Some(80), ..EndpointPort::default() }]);
        assert_eq!(plan(group(0..2), &[Arc::new(old)]), (1, 0, 1));
    }
}
