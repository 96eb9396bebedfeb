//! Endpoints.

use std::net::IpAddr;

use jiff::Timestamp;
use kingpost_apimachinery::{FieldError, Path, names};
use serde_json::Value;

use crate::metadata;
use crate::object::{default_text, items, items_mut, number, text};
use crate::strategy::{Strategy, Subresource};
use crate::table::{Column, age, name, or_none};

pub(super) struct EndpointsKind;

/// How many addresses a row shows.
const SHOWN: usize = 3;

impl Strategy for EndpointsKind {
    fn default(&self, object: &mut Value) {
        for subset in items_mut(object, "subsets") {
            items_mut(subset, "ports").for_each(|port| default_text(port, "protocol", "TCP"));
        }
    }

    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = metadata::validate(object, names::dns1123_subdomain);
        errors.extend(subsets(object));
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value, _: Subresource) -> Vec<FieldError> {
        let mut errors = metadata::validate_update(new, old, names::dns1123_subdomain);
        errors.extend(subsets(new));
        errors
    }

    fn columns(&self) -> &'static [Column] {
        const ENDPOINTS: Column = Column::text("Endpoints", "Addresses and ports behind the Service.");
        &[Column::NAME, ENDPOINTS, Column::AGE]
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let mut all = Vec::new();
        for subset in items(object, "/subsets") {
            let ports = items(subset, "/ports");
            for address in items(subset, "/addresses") {
                let ip = text(address, "/ip");
                if ports.is_empty() {
                    all.push(ip.to_owned());
                }
                let port = |port: &Value| number(port, "/port").unwrap_or(0);
                all.extend(ports.iter().map(|item| {
                    if ip.contains(':') {
                        format!("[{ip}]:{}", port(item))
                    } else {
                        format!("{ip}:{}", port(item))
                    }
                }));
            }
        }
        let more = all.len().saturating_sub(SHOWN);
        let mut shown = all.into_iter().take(SHOWN).collect::<Vec<_>>().join(",");
        if more > 0 {
            shown.push_str(&format!(" + {more} more..."));
        }
        vec![name(object), or_none(shown), age(object, now)]
    }
}

fn subsets(object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (index, subset) in items(object, "/subsets").iter().enumerate() {
        let path = Path::new("subsets").index(index);
        if items(subset, "/addresses").is_empty() && items(subset, "/notReadyAddresses").is_empty() {
            errors.push(FieldError::required(&path, "must specify `addresses` or `notReadyAddresses`"));
        }
        for list in ["addresses", "notReadyAddresses"] {
            for (index, address) in items(subset, &format!("/{list}")).iter().enumerate() {
                let path = path.child(list).index(index).child("ip");
                errors.extend(endpoint_address(text(address, "/ip"), &path));
            }
        }
        for (index, port) in items(subset, "/ports").iter().enumerate() {
            let path = path.child("ports").index(index);
            let number = number(port, "/port").unwrap_or(0);
            errors.extend(
                names::port_number(number)
                    .into_iter()
                    .map(|why| FieldError::invalid(&path.child("port"), number, why)),
            );
        }
    }
    errors
}

/// What is wrong with an address that traffic is sent to: endpoints in the host's own ranges would reach what nobody meant
/// to offer (`ValidateNonSpecialIP`).
pub(super) fn endpoint_address(text: &str, path: &Path) -> Vec<FieldError> {
    let Ok(ip) = text.parse::<IpAddr>() else {
        return vec![FieldError::invalid(
            path,
            text,
            "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
        )];
    };
    let link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => (ip.segments()[0] & 0xffc0) == 0xfe80,
    };
    let link_local_multicast = match ip {
        IpAddr::V4(ip) => ip.octets()[..3] == [224, 0, 0],
        IpAddr::V6(ip) => (ip.segments()[0] & 0xff0f) == 0xff02,
    };
    let why = if ip.is_unspecified() {
        format!("may not be unspecified ({text})")
    } else if ip.is_loopback() {
        "may not be in the loopback range (127.0.0.0/8, ::1/128)".to_owned()
    } else if link_local {
        "may not be in the link-local range (169.254.0.0/16, fe80::/10)".to_owned()
    } else if link_local_multicast {
        "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)".to_owned()
    } else {
        return Vec::new();
    };
    vec![FieldError::invalid(path, text, why)]
}
