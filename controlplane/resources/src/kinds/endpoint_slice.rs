//! EndpointSlices.

use jiff::Timestamp;
use kingpost_apimachinery::{FieldError, Path, names};
use serde_json::Value;

use super::endpoints::endpoint_address;
use crate::metadata;
use crate::object::{
    count_generation, default, default_text, first_generation, items, items_mut, number, text,
};
use crate::strategy::{Strategy, Subresource};
use crate::table::{Column, age, name};

/// The most endpoints in a slice, and the most ports.
const MAX_ENDPOINTS: usize = 1000;
const MAX_PORTS: usize = 20_000;
/// How many ports and endpoints a row shows.
const SHOWN: usize = 3;

pub(super) struct EndpointSlices;

impl Strategy for EndpointSlices {
    fn default(&self, object: &mut Value) {
        for port in items_mut(object, "ports") {
            default(port, "name", "");
            default_text(port, "protocol", "TCP");
        }
    }

    fn prepare_for_create(&self, object: &mut Value) {
        first_generation(object);
    }

    fn prepare_for_update(&self, new: &mut Value, old: &Value, _: Subresource) {
        // There is no spec: endpoints and ports are what counts.
        let changed = ["endpoints", "ports"].iter().any(|field| new.get(field) != old.get(field));
        count_generation(new, old);
        if changed && let Some(metadata) = new.get_mut("metadata") {
            let before = number(old, "/metadata/generation").unwrap_or(0);
            crate::object::set(metadata, "generation", before + 1);
        }
    }

    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = metadata::validate(object, names::dns1123_subdomain);
        let kind = text(object, "/addressType");
        let path = Path::new("addressType");
        if kind.is_empty() {
            errors.push(FieldError::required(&path, ""));
        } else if !matches!(kind, "IPv4" | "IPv6" | "FQDN") {
            errors.push(FieldError::not_supported(&path, kind, &["FQDN", "IPv4", "IPv6"]));
        }
        errors.extend(endpoints(object, kind));
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value, _: Subresource) -> Vec<FieldError> {
        let mut errors = metadata::validate_update(new, old, names::dns1123_subdomain);
        errors.extend(metadata::immutable(new, old, "/addressType", &Path::new("addressType")));
        errors.extend(endpoints(new, text(new, "/addressType")));
        errors
    }

    fn columns(&self) -> &'static [Column] {
        const COLUMNS: &[Column] = &[
            Column::NAME,
            Column::text("AddressType", "What kind of addresses the slice has."),
            Column::text("Ports", "Ports of every endpoint."),
            Column::text("Endpoints", "Addresses."),
            Column::AGE,
        ];
        COLUMNS
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let ports = items(object, "/ports")
            .iter()
            .map(|port| number(port, "/port").map_or("*".to_owned(), |port| port.to_string()));
        let ports = shortened(ports.collect(), "<unset>");
        let addresses = items(object, "/endpoints").iter().flat_map(|endpoint| items(endpoint, "/addresses"));
        let addresses =
            shortened(addresses.filter_map(Value::as_str).map(str::to_owned).collect(), "<unset>");
        vec![
            name(object),
            text(object, "/addressType").into(),
            ports.into(),
            addresses.into(),
            age(object, now),
        ]
    }
}

fn shortened(all: Vec<String>, nothing: &str) -> String {
    if all.is_empty() {
        return nothing.to_owned();
    }
    let more = all.len().saturating_sub(SHOWN);
    let shown = all.into_iter().take(SHOWN).collect::<Vec<_>>().join(",");
    if more > 0 { format!("{shown} + {more} more...") } else { shown }
}

fn endpoints(object: &Value, address_type: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let all = items(object, "/endpoints");
    if all.len() > MAX_ENDPOINTS {
        errors.push(FieldError::too_many(&Path::new("endpoints"), all.len(), MAX_ENDPOINTS));
    }
    for (index, endpoint) in all.iter().enumerate() {
        let path = Path::new("endpoints").index(index).child("addresses");
        let addresses = items(endpoint, "/addresses");
        if addresses.is_empty() {
            errors.push(FieldError::required(&path, "must contain at least 1 address"));
        }
        if addresses.len() > 100 {
            errors.push(FieldError::too_many(&path, addresses.len(), 100));
        }
        for (index, address) in addresses.iter().enumerate() {
            let text = address.as_str().unwrap_or_default();
            let path = path.index(index);
            if address_type == "FQDN" {
                errors.extend(
                    names::dns1123_subdomain(text)
                        .into_iter()
                        .map(|why| FieldError::invalid(&path, text, why)),
                );
                continue;
            }
            errors.extend(endpoint_address(text, &path));
            if text.contains(':') == (address_type == "IPv4") {
                errors.push(FieldError::invalid(&path, text, format!("must be an {address_type} address")));
            }
        }
    }
    let ports = items(object, "/ports");
    if ports.len() > MAX_PORTS {
        errors.push(FieldError::too_many(&Path::new("ports"), ports.len(), MAX_PORTS));
    }
    let mut seen: Vec<&str> = Vec::new();
    for (index, port) in ports.iter().enumerate() {
        let path = Path::new("ports").index(index);
        let name = text(port, "/name");
        if seen.contains(&name) {
            errors.push(FieldError::duplicate(&path.child("name"), name));
        }
        seen.push(name);
        let protocol = text(port, "/protocol");
        if !matches!(protocol, "TCP" | "UDP" | "SCTP") {
            errors.push(FieldError::not_supported(
                &path.child("protocol"),
                protocol,
                &["SCTP", "TCP", "UDP"],
            ));
        }
    }
    errors
}
