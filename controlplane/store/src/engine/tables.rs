//! Tables of the redb file and how records are laid out in them.

use std::ops::RangeInclusive;

use bytes::Bytes;
use redb::{ReadableTable, TableDefinition};

use crate::{
    error::StoreError,
    model::{Event, EventKind, KeyValue, Revision},
};

/// (key, revision) → record.
pub(super) const VERSIONS: TableDefinition<(&str, u64), &[u8]> = TableDefinition::new("versions");
/// (revision, place in its transaction) → key.
pub(super) const LOG: TableDefinition<(u64, u32), &str> = TableDefinition::new("log");
/// Name → number: `revision` and `compacted`.
pub(super) const META: TableDefinition<&str, u64> = TableDefinition::new("meta");

/// Newest revision.
pub(super) const META_REVISION: &str = "revision";
/// Revision up to which history has been compacted.
pub(super) const META_COMPACTED: &str = "compacted";

/// Length of a record's head: mark (1 = value, 0 = deletion), create revision, version.
const HEAD: usize = 17;

/// A version of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Record {
    /// A value.
    Value { create_revision: Revision, version: u64, value: Bytes },
    /// The key was deleted.
    Tombstone,
}

impl Record {
    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Value { create_revision, version, value } => {
                let mut bytes = Vec::with_capacity(HEAD + value.len());
                bytes.push(1);
                bytes.extend_from_slice(&create_revision.to_le_bytes());
                bytes.extend_from_slice(&version.to_le_bytes());
                bytes.extend_from_slice(value);
                bytes
            }
            Self::Tombstone => vec![0],
        }
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        match bytes.split_first()? {
            (1, rest) => {
                let (create_revision, rest) = rest.split_first_chunk::<8>()?;
                let (version, value) = rest.split_first_chunk::<8>()?;
                Some(Self::Value {
                    create_revision: u64::from_le_bytes(*create_revision),
                    version: u64::from_le_bytes(*version),
                    value: Bytes::copy_from_slice(value),
                })
            }
            (0, []) => Some(Self::Tombstone),
            _ => None,
        }
    }

    /// The pair that the record stands for; `None` for a deletion.
    pub(super) fn into_key_value(self, key: &str, mod_revision: Revision) -> Option<KeyValue> {
        match self {
            Self::Value { create_revision, version, value } => {
                Some(KeyValue { key: key.to_owned(), value, create_revision, mod_revision, version })
            }
            Self::Tombstone => None,
        }
    }

    /// The change that the record stands for.
    pub(super) fn into_event(self, key: String, mod_revision: Revision) -> Event {
        match self {
            Self::Value { create_revision, value, .. } => {
                Event { kind: EventKind::Put, key, value, create_revision, mod_revision }
            }
            Self::Tombstone => {
                Event { kind: EventKind::Delete, key, value: Bytes::new(), create_revision: 0, mod_revision }
            }
        }
    }
}

/// All versions of one key in `revisions`.
pub(super) fn versions_of(key: &str, revisions: RangeInclusive<u64>) -> RangeInclusive<(&str, u64)> {
    (key, *revisions.start())..=(key, *revisions.end())
}

/// The last version of `key` not newer than `revision`, with its revision.
pub(super) fn latest<T>(
    table: &T,
    key: &str,
    revision: Revision,
) -> Result<Option<(Revision, Record)>, StoreError>
where
    T: ReadableTable<(&'static str, u64), &'static [u8]>,
{
    let mut range =
        table.range(versions_of(key, 0..=revision)).map_err(StoreError::engine("read versions"))?;
    let Some(entry) = range.next_back() else { return Ok(None) };
    let (found, bytes) = entry.map_err(StoreError::engine("read version"))?;
    let revision = found.value().1;
    let record =
        Record::decode(bytes.value()).ok_or_else(|| StoreError::Damaged { key: key.to_owned(), revision })?;
    Ok(Some((revision, record)))
}

/// A number of the `meta` table; 0 if it has never been set.
pub(super) fn meta<T>(table: &T, name: &str) -> Result<u64, StoreError>
where
    T: ReadableTable<&'static str, u64>,
{
    let found = table.get(name).map_err(StoreError::engine("read meta"))?;
    Ok(found.map_or(0, |number| number.value()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_survive_the_round_trip_and_damage_is_seen() {
        let value = Record::Value { create_revision: 7, version: 3, value: Bytes::from_static(b"x") };
        assert_eq!(Record::decode(&value.encode()), Some(value.clone()));
        assert_eq!(Record::decode(&Record::Tombstone.encode()), Some(Record::Tombstone));
        assert_eq!(Record::decode(&value.encode()[..9]), None);
        assert_eq!(Record::decode(&[]), None);
        assert_eq!(Record::decode(&[2]), None);
    }
}
