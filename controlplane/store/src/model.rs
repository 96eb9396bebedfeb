//! What the store holds and what it is asked.

use bytes::Bytes;

/// Number of a change; 0 stands for "never".
pub type Revision = u64;

/// A key with its value and history marks, as etcd's `KeyValue`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValue {
    /// The key, such as `/registry/pods/default/web`.
    pub key: String,
    /// The value.
    pub value: Bytes,
    /// Revision at which the key was created (last time, if it had been deleted before).
    pub create_revision: Revision,
    /// Revision of the last change.
    pub mod_revision: Revision,
    /// Number of changes since the creation, starting at 1.
    pub version: u64,
}

/// A change of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The key.
    pub key: String,
    /// The new value; empty for a deletion.
    pub value: Bytes,
    /// Revision at which the key was created; 0 for a deletion.
    pub create_revision: Revision,
    /// Revision of this change.
    pub mod_revision: Revision,
}

/// Kind of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// Created or updated.
    Put,
    /// Deleted.
    Delete,
}

/// What to read: the keys in `start..end`.
#[derive(Debug, Clone, Default)]
pub struct RangeRequest {
    /// First key.
    pub start: String,
    /// Key behind the last one; `None` reads `start` alone.
    pub end: Option<String>,
    /// The state as of this revision; `None` is the newest.
    pub revision: Option<Revision>,
    /// At most so many keys; `None` reads all.
    pub limit: Option<usize>,
}

impl RangeRequest {
    /// One key.
    #[must_use]
    pub fn key(key: impl Into<String>) -> Self {
        Self { start: key.into(), ..Self::default() }
    }

    /// All keys that begin with `prefix`.
    #[must_use]
    pub fn prefix(prefix: impl Into<String>) -> Self {
        let start = prefix.into();
        let end = prefix_end(&start);
        Self { start, end: Some(end), ..Self::default() }
    }

    /// The same at a revision.
    #[must_use]
    pub fn at(mut self, revision: Revision) -> Self {
        self.revision = Some(revision);
        self
    }

    /// The same with a limit.
    #[must_use]
    pub fn limited(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }
}

/// The first text behind all texts that begin with `prefix`.
///
/// Keys are UTF-8, so a character is raised, not a byte; U+10FFFF cannot be and is dropped.
fn prefix_end(prefix: &str) -> String {
    let mut end: Vec<char> = prefix.chars().collect();
    while let Some(last) = end.pop() {
        // Skip the surrogates, which are no characters.
        let next = match u32::from(last) {
            0xD7FF => Some('\u{E000}'),
            code => char::from_u32(code + 1),
        };
        if let Some(next) = next {
            end.push(next);
            break;
        }
    }
    if end.is_empty() { char::MAX.to_string() } else { end.into_iter().collect() }
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeResponse {
    /// The pairs, in key order.
    pub kvs: Vec<KeyValue>,
    /// There are more keys than the limit let through.
    pub more: bool,
    /// Revision of the state that was read.
    pub revision: Revision,
}

/// A condition of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compare {
    /// Key that is looked at.
    pub key: String,
    /// Its last change must be this one; 0 demands that the key does not exist.
    pub mod_revision: Revision,
}

/// A change asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Creates or replaces.
    Put {
        /// The key.
        key: String,
        /// Its new value.
        value: Bytes,
    },
    /// Deletes; nothing happens if the key does not exist.
    Delete {
        /// The key.
        key: String,
    },
}

/// A transaction: all operations at one revision if every comparison holds, nothing otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Txn {
    /// Conditions.
    pub compares: Vec<Compare>,
    /// Changes; each key at most once.
    pub operations: Vec<Operation>,
}

impl Txn {
    /// Creates `key`, if it does not exist.
    #[must_use]
    pub fn create(key: impl Into<String>, value: Bytes) -> Self {
        Self::update(key, 0, value)
    }

    /// Replaces `key`, if its last change is `mod_revision`.
    #[must_use]
    pub fn update(key: impl Into<String>, mod_revision: Revision, value: Bytes) -> Self {
        let key = key.into();
        Self {
            compares: vec![Compare { key: key.clone(), mod_revision }],
            operations: vec![Operation::Put { key, value }],
        }
    }

    /// Deletes `key`, if its last change is `mod_revision`.
    #[must_use]
    pub fn delete(key: impl Into<String>, mod_revision: Revision) -> Self {
        let key = key.into();
        Self {
            compares: vec![Compare { key: key.clone(), mod_revision }],
            operations: vec![Operation::Delete { key }],
        }
    }
}

/// What became of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TxnOutcome {
    /// Durable, at this revision (the current one if nothing had to change).
    Committed(Revision),
    /// A comparison failed: this is what the key holds now.
    Conflict {
        /// Key of the first comparison that failed.
        key: String,
        /// What it holds; `None` if it does not exist.
        current: Option<KeyValue>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_end_is_behind_every_key_with_the_prefix() {
        assert_eq!(prefix_end("/registry/pods/"), "/registry/pods0");
        assert_eq!(prefix_end("a\u{10FFFF}"), "b");
        assert_eq!(prefix_end("\u{D7FF}"), "\u{E000}");
        assert_eq!(prefix_end(""), char::MAX.to_string());
    }
}
