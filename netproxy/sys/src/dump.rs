//! Objects as the kernel lists them.

use crate::attribute::Attributes;
use crate::object::Element;
use crate::userdata;
use crate::value::Value;

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableRecord {
    /// Its name.
    pub name: String,
    /// Its comment, if it was created with one.
    pub comment: Option<String>,
}

/// A chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainRecord {
    /// Its name.
    pub name: String,
    /// Whether the IP stack calls it.
    pub base: bool,
}

/// A set or map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetRecord {
    /// Its name.
    pub name: String,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleRecord {
    /// The chain that it is in.
    pub chain: String,
    /// The number by which it can be deleted.
    pub handle: u64,
    /// Its comment.
    pub comment: Option<String>,
}

/// Length of `struct nfgenmsg`.
const HEADER: usize = 4;

fn attributes(body: &[u8]) -> Attributes<'_> {
    Attributes(body.get(HEADER..).unwrap_or_default())
}

pub(crate) fn table(body: &[u8]) -> Option<TableRecord> {
    let attributes = attributes(body);
    let comment = attributes.get(6).and_then(|row| userdata::find_text(row, 0));
    Some(TableRecord { name: attributes.text(1)?, comment })
}

/// A chain and the table that it is in.
pub(crate) fn chain(body: &[u8]) -> Option<(String, ChainRecord)> {
    let attributes = attributes(body);
    let record = ChainRecord { name: attributes.text(3)?, base: attributes.get(4).is_some() };
    Some((attributes.text(1)?, record))
}

/// A set and the table that it is in.
pub(crate) fn set(body: &[u8]) -> Option<(String, SetRecord)> {
    let attributes = attributes(body);
    Some((attributes.text(1)?, SetRecord { name: attributes.text(2)? }))
}

pub(crate) fn rule(body: &[u8]) -> Option<RuleRecord> {
    let attributes = attributes(body);
    let comment = attributes.get(7).and_then(|row| userdata::find_text(row, 0));
    Some(RuleRecord { chain: attributes.text(2)?, handle: attributes.number64(3)?, comment })
}

/// The elements of one message of a set's dump. Ends of ranges join the element before them.
pub(crate) fn elements(body: &[u8]) -> Vec<Element> {
    let mut list: Vec<Element> = Vec::new();
    for (_, entry) in attributes(body).nested(3) {
        let entry = Attributes(entry);
        let Some(key) = entry.nested(1).get(1) else { continue };
        let is_end = entry.number(3).is_some_and(|flags| flags & 1 != 0);
        let mut element = Element::key(Value::raw(key));
        element.data = entry.nested(2).get(1).map(Value::raw);
        match list.last_mut() {
            Some(last) if is_end => last.end = Some(element.key),
            None if is_end => {}
            _ => list.push(element),
        }
    }
    list
}
