//! Descriptions of types and fields, from the schemas of k8s-openapi (feature `descriptions`).

use std::collections::HashMap;
use std::sync::OnceLock;

/// Texts by model name and field.
#[derive(Default)]
pub(super) struct Descriptions {
    types: HashMap<String, String>,
    fields: HashMap<(String, String), String>,
}

impl Descriptions {
    pub(super) fn of_type(&self, model: &str) -> Option<&str> {
        self.types.get(model).map(String::as_str)
    }

    pub(super) fn of_field(&self, model: &str, field: &str) -> Option<&str> {
        self.fields.get(&(model.to_owned(), field.to_owned())).map(String::as_str)
    }
}

/// All descriptions, read once.
pub(super) fn descriptions() -> &'static Descriptions {
    static READ: OnceLock<Descriptions> = OnceLock::new();
    READ.get_or_init(read)
}

#[cfg(not(feature = "descriptions"))]
fn read() -> Descriptions {
    Descriptions::default()
}

#[cfg(feature = "descriptions")]
mod kinds;

#[cfg(feature = "descriptions")]
fn read() -> Descriptions {
    use serde_json::Value;

    let mut out = Descriptions::default();
    for (model, schema) in kinds::schemas() {
        let text = |schema: &Value| schema.get("description").and_then(Value::as_str).map(str::to_owned);
        if let Some(text) = text(&schema) {
            out.types.insert(model.clone(), text);
        }
        for (field, schema) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            if let Some(text) = text(schema) {
                out.fields.insert((model.clone(), field.clone()), text);
            }
        }
    }
    out
}
