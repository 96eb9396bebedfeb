//! `metadata.managedFields`: who owns what.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::fields_v1;
use super::set::FieldSet;

/// More entries of updates than this are put together, as upstream does.
const MAX_UPDATE_MANAGERS: usize = 10;

/// The name under which old updates are put together.
const OLD_UPDATES: &str = "ancient-changes";

/// What tells one owner from another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ManagerId {
    pub(super) manager: String,
    /// Whether it applies; else it updates.
    pub(super) applies: bool,
    /// Version of the updates; empty for appliers, which have one entry for all versions.
    pub(super) api_version: String,
    pub(super) subresource: String,
}

impl ManagerId {
    /// The owner as conflicts name it.
    pub(super) fn text(&self) -> String {
        let mut text = format!("{:?}", self.manager);
        if !self.subresource.is_empty() {
            text.push_str(&format!(" with subresource {:?}", self.subresource));
        }
        if !self.applies {
            text.push_str(&format!(" using {}", self.api_version));
        }
        text
    }
}

/// What an owner owns.
#[derive(Debug, Clone)]
pub(super) struct Owned {
    pub(super) set: FieldSet,
    pub(super) api_version: String,
    /// RFC 3339; empty when it is not known.
    pub(super) time: String,
}

/// All owners of an object.
#[derive(Debug, Clone, Default)]
pub(super) struct Managers(pub(super) BTreeMap<ManagerId, Owned>);

impl Managers {
    /// Reads `metadata.managedFields` of an object.
    pub(super) fn read(object: &Value) -> Result<Self, String> {
        let mut managers = Self::default();
        let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array);
        for entry in entries.into_iter().flatten() {
            let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let applies = match text("operation").as_str() {
                "Apply" => true,
                "Update" => false,
                _ => return Err("operation must be `Apply` or `Update`".into()),
            };
            let api_version = text("apiVersion");
            if api_version.is_empty() {
                return Err("apiVersion must not be empty".into());
            }
            if !["", "FieldsV1"].contains(&text("fieldsType").as_str()) {
                return Err(format!("unsupported fieldsType: {:?}", text("fieldsType")));
            }
            let id = ManagerId {
                manager: text("manager"),
                applies,
                api_version: if applies { String::new() } else { api_version.clone() },
                subresource: text("subresource"),
            };
            let set = fields_v1::decode(entry.get("fieldsV1").unwrap_or(&Value::Null))?;
            managers.0.insert(id, Owned { set, api_version, time: text("time") });
        }
        Ok(managers)
    }

    /// Writes `metadata.managedFields` of an object that has metadata.
    pub(super) fn write(&self, object: &mut Value) {
        let Some(Value::Object(metadata)) = object.get_mut("metadata") else { return };
        if self.0.is_empty() {
            metadata.remove("managedFields");
            return;
        }
        let mut entries: Vec<(&ManagerId, &Owned)> = self.0.iter().collect();
        entries.sort_by_key(|(id, owned)| {
            (!id.applies, &owned.time, &id.manager, &owned.api_version, &id.subresource)
        });
        let entries = entries.into_iter().map(|(id, owned)| encode_entry(id, owned)).collect();
        metadata.insert("managedFields".into(), Value::Array(entries));
    }

    pub(super) fn set_of(&self, id: &ManagerId) -> FieldSet {
        self.0.get(id).map(|owned| owned.set.clone()).unwrap_or_default()
    }

    /// Everything that anybody owns.
    pub(super) fn all_owned(&self) -> FieldSet {
        self.0.values().fold(FieldSet::default(), |all, owned| all.union(&owned.set))
    }

    /// Puts the oldest updates together until there are few enough.
    pub(super) fn cap_updates(&mut self) {
        let mut updates: Vec<ManagerId> = self.0.keys().filter(|id| !id.applies).cloned().collect();
        let mut count = updates.len();
        if count <= MAX_UPDATE_MANAGERS {
            return;
        }
        updates.sort_by_key(|id| (self.0.get(id).map(|owned| owned.time.clone()), id.clone()));
        let mut first_of_version: BTreeMap<String, ManagerId> = BTreeMap::new();
        for id in updates {
            if count <= MAX_UPDATE_MANAGERS {
                return;
            }
            let version = id.api_version.clone();
            let Some(first) = first_of_version.get(&version) else {
                first_of_version.insert(version, id);
                continue;
            };
            let bucket = ManagerId {
                manager: OLD_UPDATES.into(),
                applies: false,
                api_version: version,
                subresource: String::new(),
            };
            if !self.0.contains_key(&bucket)
                && let Some(owned) = self.0.remove(first)
            {
                self.0.insert(bucket.clone(), owned);
            }
            if id != bucket
                && let Some(mut owned) = self.0.remove(&id)
            {
                owned.set = owned.set.union(&self.set_of(&bucket));
                self.0.insert(bucket, owned);
                count -= 1;
            }
        }
    }
}

fn encode_entry(id: &ManagerId, owned: &Owned) -> Value {
    let mut entry = Map::new();
    let mut put = |name: &str, text: &str| {
        if !text.is_empty() {
            entry.insert(name.to_owned(), Value::String(text.to_owned()));
        }
    };
    put("manager", &id.manager);
    put("operation", if id.applies { "Apply" } else { "Update" });
    put("apiVersion", &owned.api_version);
    put("time", &owned.time);
    put("fieldsType", "FieldsV1");
    put("subresource", &id.subresource);
    entry.insert("fieldsV1".into(), fields_v1::encode(&owned.set));
    Value::Object(entry)
}
