//! Resources of a container.

use kingpost_apimachinery::{FieldError, Path, Quantity, names};
use serde_json::Value;

use crate::object::entries;

/// Resources that a container may name without a prefix.
const STANDARD: [&str; 3] = ["cpu", "ephemeral-storage", "memory"];

/// What is wrong with requests and limits.
pub(super) fn validate(container: &Value, path: &Path) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for list in ["limits", "requests"] {
        for (name, amount) in entries(container, &format!("/resources/{list}")) {
            let path = path.child(list).key(name);
            errors.extend(resource_name(name, &path));
            match Quantity::of(amount) {
                Err(why) => errors.push(FieldError::invalid(&path, amount.clone(), why.to_string())),
                Ok(quantity) if quantity.is_negative() => {
                    errors.push(FieldError::invalid(
                        &path,
                        amount.clone(),
                        "must be greater than or equal to 0",
                    ));
                }
                Ok(quantity) if !quantity.is_integer() && !STANDARD.contains(&name.as_str()) => {
                    errors.push(FieldError::invalid(&path, amount.clone(), "must be an integer"));
                }
                Ok(_) => {}
            }
        }
    }
    for (name, request) in entries(container, "/resources/requests") {
        let limit = container.pointer("/resources/limits").and_then(|limits| limits.get(name));
        let path = path.child("requests");
        let Some(limit) = limit else {
            if name.contains('/') || name.starts_with("hugepages-") {
                let why = "Limit must be set for non overcommitable resources";
                errors.push(FieldError::required(
                    &Path::new(path.to_string().replace(".requests", ".limits")),
                    why,
                ));
            }
            continue;
        };
        if let (Ok(request_amount), Ok(limit_amount)) = (Quantity::of(request), Quantity::of(limit)) {
            if request_amount > limit_amount {
                let why = format!("must be less than or equal to {name} limit of {limit_amount}");
                errors.push(FieldError::invalid(&path, request.clone(), why));
            } else if name.contains('/') && request_amount != limit_amount {
                let why = format!("must be equal to {name} limit of {limit_amount}");
                errors.push(FieldError::invalid(&path, request.clone(), why));
            }
        }
    }
    errors
}

fn resource_name(name: &str, path: &Path) -> Vec<FieldError> {
    let wrong: Vec<_> =
        names::qualified_name(name).into_iter().map(|why| FieldError::invalid(path, name, why)).collect();
    if !wrong.is_empty() {
        return wrong;
    }
    if name.contains('/') || STANDARD.contains(&name) || name.starts_with("hugepages-") {
        return Vec::new();
    }
    vec![
        FieldError::invalid(path, name, "must be a standard resource type or fully qualified"),
        FieldError::invalid(path, name, "must be a standard resource for containers"),
    ]
}
