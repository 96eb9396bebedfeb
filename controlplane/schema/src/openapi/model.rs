//! Types of the table as schemas.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::ApiResource;
use super::descriptions::{Descriptions, descriptions};
use super::operations::{Body, PATCH, PathItem};
use super::render::Flavour;
use crate::table::{Field, ListKind, ObjectType, PatchKind, Shape, TypeRef, kinds};

/// The schemas of all types that the paths name, and of what these refer to.
pub(super) fn definitions(items: &[PathItem], flavour: Flavour, resources: &[ApiResource<'_>]) -> Value {
    let mut models =
        Models { flavour, resources, found: Map::new(), pending: Vec::new(), descriptions: descriptions() };
    for operation in items.iter().flat_map(|item| &item.operations) {
        models.pending.extend(operation.response);
        if let Body::Object(ty) = operation.body {
            models.pending.push(ty);
        }
        if matches!(operation.body, Body::Patch) {
            models.special(PATCH);
        }
    }
    // Kinds that no path names are explained and validated too.
    models.pending.extend(
        kinds()
            .iter()
            .filter(|(group, version, ..)| {
                items
                    .iter()
                    .any(|item| item.path == format!("{}/", super::operations::group_path(group, version)))
            })
            .map(|entry| entry.3),
    );
    while let Some(ty) = models.pending.pop() {
        models.add(ty);
    }
    Value::Object(models.found)
}

struct Models<'a> {
    flavour: Flavour,
    resources: &'a [ApiResource<'a>],
    found: Map<String, Value>,
    pending: Vec<TypeRef>,
    descriptions: &'static Descriptions,
}

impl Models<'_> {
    fn add(&mut self, ty: TypeRef) {
        if self.found.contains_key(ty.name) {
            return;
        }
        // The name is taken before the fields are looked at: types refer to themselves.
        self.found.insert(ty.name.to_owned(), Value::Null);
        let mut schema = Map::from_iter([("type".to_owned(), json!("object"))]);
        if let Some(text) = self.descriptions.of_type(ty.name) {
            schema.insert("description".into(), json!(text));
        }
        let properties: Map<String, Value> =
            ty.fields.iter().map(|field| (field.name.to_owned(), self.property(ty, field))).collect();
        if !properties.is_empty() {
            schema.insert("properties".into(), Value::Object(properties));
        }
        let required: Vec<&str> =
            ty.fields.iter().filter(|field| field.required).map(|field| field.name).collect();
        if !required.is_empty() {
            schema.insert("required".into(), json!(required));
        }
        if ty.atomic {
            schema.insert("x-kubernetes-map-type".into(), json!("atomic"));
        }
        let kinds = self.kinds_of(ty);
        if !kinds.is_empty() {
            schema.insert("x-kubernetes-group-version-kind".into(), Value::Array(kinds));
        }
        self.found.insert(ty.name.to_owned(), Value::Object(schema));
    }

    /// The kinds that a type is; those of every group are shown under the groups that the server has.
    fn kinds_of(&self, ty: &ObjectType) -> Vec<Value> {
        let gvk = |group: &str, version: &str, kind: &str| json!({ "group": group, "version": version, "kind": kind });
        let mut out: Vec<Value> = Vec::new();
        for (group, version, kind, _) in kinds().iter().filter(|entry| entry.3 == ty) {
            if ["DeleteOptions", "WatchEvent"].contains(kind) {
                let served: BTreeSet<(&str, &str)> =
                    self.resources.iter().map(|resource| (resource.group, resource.version)).collect();
                out.extend(served.into_iter().map(|(group, version)| gvk(group, version, kind)));
            } else {
                out.push(gvk(group, version, kind));
            }
        }
        out
    }

    fn property(&mut self, ty: &ObjectType, field: &Field) -> Value {
        let mut schema = self.schema(&field.shape);
        let mut extras = Map::new();
        if let Some(text) = self.descriptions.of_field(ty.name, field.name) {
            extras.insert("description".into(), json!(text));
        }
        if matches!(field.shape, Shape::List(_)) {
            let (name, keys): (_, &[&str]) = match field.list {
                ListKind::Atomic => ("atomic", &[]),
                ListKind::Set => ("set", &[]),
                ListKind::Map(keys) => ("map", keys),
            };
            extras.insert("x-kubernetes-list-type".into(), json!(name));
            if !keys.is_empty() {
                extras.insert("x-kubernetes-list-map-keys".into(), json!(keys));
            }
        }
        if field.atomic {
            extras.insert("x-kubernetes-map-type".into(), json!("atomic"));
        }
        let strategy = match field.patch {
            PatchKind::Default => "",
            PatchKind::Merge => "merge",
            PatchKind::Replace => "replace",
            PatchKind::RetainKeys => "retainKeys",
            PatchKind::MergeRetainKeys => "merge,retainKeys",
        };
        if !strategy.is_empty() {
            extras.insert("x-kubernetes-patch-strategy".into(), json!(strategy));
        }
        if !field.merge_key.is_empty() {
            extras.insert("x-kubernetes-patch-merge-key".into(), json!(field.merge_key));
        }
        if !field.values.is_empty() {
            extras.insert("enum".into(), json!(field.values));
        }
        if let Ok(default) = serde_json::from_str::<Value>(field.default) {
            extras.insert("default".into(), default);
        }
        if self.flavour == Flavour::V3 && !extras.is_empty() && schema.get("$ref").is_some() {
            // In v3 nothing may stand beside a reference.
            schema = json!({ "allOf": [schema] });
        }
        if let Value::Object(schema) = &mut schema {
            schema.extend(extras);
        }
        schema
    }

    fn schema(&mut self, shape: &Shape) -> Value {
        match shape {
            Shape::String => json!({ "type": "string" }),
            Shape::Bool => json!({ "type": "boolean" }),
            Shape::Int32 => json!({ "type": "integer", "format": "int32" }),
            Shape::Int64 => json!({ "type": "integer", "format": "int64" }),
            Shape::Float64 => json!({ "type": "number", "format": "double" }),
            Shape::Bytes => json!({ "type": "string", "format": "byte" }),
            Shape::Time => self.special("io.k8s.apimachinery.pkg.apis.meta.v1.Time"),
            Shape::MicroTime => self.special("io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime"),
            Shape::Duration => self.special("io.k8s.apimachinery.pkg.apis.meta.v1.Duration"),
            Shape::Quantity => self.special("io.k8s.apimachinery.pkg.api.resource.Quantity"),
            Shape::IntOrString => self.special("io.k8s.apimachinery.pkg.util.intstr.IntOrString"),
            Shape::Raw => self.special("io.k8s.apimachinery.pkg.runtime.RawExtension"),
            Shape::FieldsV1 => self.special("io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1"),
            Shape::Object(ty) => {
                self.pending.push(ty);
                json!({ "$ref": self.flavour.reference(ty.name) })
            }
            Shape::List(element) | Shape::Items(element) => {
                json!({ "type": "array", "items": self.schema(element) })
            }
            Shape::Map(element) => json!({ "type": "object", "additionalProperties": self.schema(element) }),
        }
    }

    /// Refers to a type that is not a struct in JSON, and defines it.
    fn special(&mut self, model: &'static str) -> Value {
        let either = |first: &str, second: &str| ("oneOf", json!([{ "type": first }, { "type": second }]));
        let plain = |name: &str| ("type", json!(name));
        let v3 = self.flavour == Flavour::V3;
        let (member, format) = match model.rsplit('.').next().unwrap_or_default() {
            "Time" | "MicroTime" => (plain("string"), Some("date-time")),
            "Quantity" if v3 => (either("string", "number"), None),
            "IntOrString" if v3 => (either("integer", "string"), Some("int-or-string")),
            "IntOrString" => (plain("string"), Some("int-or-string")),
            "Duration" | "Quantity" => (plain("string"), None),
            _ => (plain("object"), None),
        };
        let format = format.map(|format| ("format", json!(format)));
        let description = self.descriptions.of_type(model).map(|text| ("description", json!(text)));
        let members = [Some(member), format, description].into_iter().flatten();
        let schema = Value::Object(members.map(|(name, value)| (name.to_owned(), value)).collect());
        self.found.insert(model.to_owned(), schema);
        json!({ "$ref": self.flavour.reference(model) })
    }
}
