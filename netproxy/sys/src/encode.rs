//! A batch as the bytes of one netlink datagram.

use crate::attribute::Writer;
use crate::batch::{Batch, Change};
use crate::expression;
use crate::field;
use crate::object::{Chain, Element, Family, MapData, Policy, Set, Table};
use crate::rule::Rule;
use crate::socket::{ACK, APPEND, CREATE, HEADER, REQUEST};
use crate::userdata::Userdata;

/// `NFNL_SUBSYS_NFTABLES`, the upper byte of message types.
pub(crate) const SUBSYSTEM: u16 = 10 << 8;
const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;

const NEW_TABLE: u16 = 0;
const DELETE_TABLE: u16 = 2;
const NEW_CHAIN: u16 = 3;
const DELETE_CHAIN: u16 = 5;
const NEW_RULE: u16 = 6;
const DELETE_RULE: u16 = 8;
const NEW_SET: u16 = 9;
const DELETE_SET: u16 = 11;
const NEW_ELEMENTS: u16 = 12;
const DELETE_ELEMENTS: u16 = 14;

/// `NFTA_LIST_ELEM`, also `NFTA_DATA_VALUE`.
const LIST_ELEMENT: u16 = 1;

const SET_INTERVAL: u32 = 0x4;
const SET_MAP: u32 = 0x8;
const SET_TIMEOUT: u32 = 0x10;
const SET_EVAL: u32 = 0x20;
/// `NFT_DATA_VERDICT`, the data type of verdict maps.
const DATA_VERDICT: u32 = 0xffff_ff00;

/// Userdata of sets (`enum nftnl_udata_set_types`).
const UDATA_KEY_ORDER: u8 = 0;
const UDATA_DATA_ORDER: u8 = 1;
const UDATA_KEY_TYPEOF: u8 = 3;
const UDATA_DATA_TYPEOF: u8 = 4;
const UDATA_COMMENT: u8 = 7;

/// Elements in one message: an attribute is at most 64 KiB long.
const ELEMENTS_PER_MESSAGE: usize = 500;
/// Where a message of long elements ends earlier.
const ELEMENT_BYTES_PER_MESSAGE: usize = 48 * 1024;

/// One datagram, and for each of its messages the change that it came from.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) bytes: Vec<u8>,
    /// Index of the change by message; message `n` has sequence number `first + 1 + n`, the begin marker `first`.
    pub(crate) origins: Vec<usize>,
}

/// Number of sequence numbers that a batch takes, at most.
pub(crate) fn sequence_count(batch: &Batch) -> usize {
    2 + batch.changes.len() + batch.element_count()
}

/// Encodes a batch, its messages numbered from `first`.
pub(crate) fn encode(batch: &Batch, first: u32) -> Encoded {
    let mut out = Datagram { writer: Writer::default(), first, origins: Vec::new(), set_id: 0 };
    out.writer.buffer.reserve(1024 + batch.element_count() * 72);
    out.marker(BATCH_BEGIN, first);
    for (index, (table, change)) in batch.changes.iter().enumerate() {
        out.change(index, table, change);
    }
    out.acknowledge_last();
    let end = out.next_sequence();
    out.marker(BATCH_END, end);
    Encoded { bytes: out.writer.buffer, origins: out.origins }
}

struct Datagram {
    writer: Writer,
    first: u32,
    origins: Vec<usize>,
    set_id: u32,
}

impl Datagram {
    fn change(&mut self, index: usize, table: &Table, change: &Change) {
        let family = table.family;
        let name = table.name.as_str();
        let mut one = |kind, flags, fill: &dyn Fn(&mut Writer)| {
            self.message(index, kind, flags, family, |w| {
                w.text(1, name);
                fill(w);
            });
        };
        match change {
            Change::AddTable(comment) => one(NEW_TABLE, CREATE, &|w| {
                w.number(2, 0);
                if let Some(comment) = comment {
                    w.bytes(6, Userdata::default().text(0, comment).bytes());
                }
            }),
            Change::DeleteTable => one(DELETE_TABLE, 0, &|_| {}),
            Change::AddChain(chain) => one(NEW_CHAIN, CREATE, &|w| write_chain(w, chain)),
            Change::DeleteChain(chain) => one(DELETE_CHAIN, 0, &|w| w.text(3, chain)),
            Change::FlushChain(chain) => one(DELETE_RULE, 0, &|w| w.text(2, chain)),
            Change::AppendRule(chain, rule) => {
                one(NEW_RULE, CREATE | APPEND, &|w| write_rule(w, family, chain, rule));
            }
            Change::PrependRule(chain, rule) => {
                one(NEW_RULE, CREATE, &|w| write_rule(w, family, chain, rule));
            }
            Change::DeleteRule(chain, handle) => one(DELETE_RULE, 0, &|w| {
                w.text(2, chain);
                w.number64(3, *handle);
            }),
            Change::AddSet(set) => {
                self.set_id += 1;
                let id = self.set_id;
                self.message(index, NEW_SET, CREATE, family, |w| write_set(w, name, set, id));
            }
            Change::DeleteSet(set) => one(DELETE_SET, 0, &|w| w.text(2, set)),
            Change::FlushSet(set) => one(DELETE_ELEMENTS, 0, &|w| w.text(2, set)),
            Change::AddElements(set, elements) => {
                self.elements(index, NEW_ELEMENTS, CREATE, table, set, elements);
            }
            Change::DeleteElements(set, elements) => {
                self.elements(index, DELETE_ELEMENTS, 0, table, set, elements);
            }
        }
    }

    fn elements(
        &mut self,
        index: usize,
        kind: u16,
        flags: u16,
        table: &Table,
        set: &str,
        elements: &[Element],
    ) {
        let mut rest = elements;
        while !rest.is_empty() {
            self.message(index, kind, flags, table.family, |w| {
                w.text(1, &table.name);
                w.text(2, set);
                let list = w.open(3);
                let mut written = 0;
                for element in rest.iter().take(ELEMENTS_PER_MESSAGE) {
                    if w.buffer.len() - list > ELEMENT_BYTES_PER_MESSAGE {
                        break;
                    }
                    write_element(w, element);
                    written += 1;
                }
                w.close(list);
                rest = rest.get(written..).unwrap_or_default();
            });
        }
    }

    fn message(
        &mut self,
        index: usize,
        kind: u16,
        flags: u16,
        family: Family,
        fill: impl FnOnce(&mut Writer),
    ) {
        let sequence = self.next_sequence();
        let start = self.writer.buffer.len();
        self.header(SUBSYSTEM | kind, REQUEST | flags, sequence, family.number(), 0);
        fill(&mut self.writer);
        self.finish(start);
        self.origins.push(index);
    }

    /// Asks for an acknowledgement of the last change: it comes once everything before has been checked, too.
    fn acknowledge_last(&mut self) {
        let buffer = &self.writer.buffer;
        let mut at = 0;
        let mut last = 0;
        while let Some(length) = buffer.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()) {
            last = at;
            at += usize::try_from(u32::from_ne_bytes(length)).unwrap_or(usize::MAX / 2).max(HEADER);
        }
        if let Some(flags) = buffer.get(last + 6..last + 8).and_then(|bytes| bytes.try_into().ok()) {
            let flags = u16::from_ne_bytes(flags) | ACK;
            self.writer.patch(last + 6, &flags.to_ne_bytes());
        }
    }

    fn marker(&mut self, kind: u16, sequence: u32) {
        let start = self.writer.buffer.len();
        self.header(kind, REQUEST, sequence, 0, 10);
        self.finish(start);
    }

    /// `struct nlmsghdr` and `struct nfgenmsg`.
    fn header(&mut self, kind: u16, flags: u16, sequence: u32, family: u8, resource: u16) {
        let buffer = &mut self.writer.buffer;
        buffer.extend_from_slice(&[0; 4]);
        buffer.extend_from_slice(&kind.to_ne_bytes());
        buffer.extend_from_slice(&flags.to_ne_bytes());
        buffer.extend_from_slice(&sequence.to_ne_bytes());
        buffer.extend_from_slice(&[0; 4]);
        buffer.extend_from_slice(&[family, 0]);
        buffer.extend_from_slice(&resource.to_be_bytes());
    }

    fn finish(&mut self, start: usize) {
        let length = u32::try_from(self.writer.buffer.len() - start).unwrap_or(u32::MAX);
        self.writer.patch(start, &length.to_ne_bytes());
    }

    fn next_sequence(&self) -> u32 {
        let sent = u32::try_from(self.origins.len()).unwrap_or(u32::MAX);
        self.first.wrapping_add(1).wrapping_add(sent)
    }
}

fn write_chain(w: &mut Writer, chain: &Chain) {
    w.text(3, &chain.name);
    if let Some(base) = chain.base {
        w.nest(4, |hook| {
            hook.number(1, base.hook.number());
            hook.bytes(2, &base.priority.to_be_bytes());
        });
        w.number(5, u32::from(base.policy == Policy::Accept));
        w.text(7, base.kind.name());
    }
}

fn write_rule(w: &mut Writer, family: Family, chain: &str, rule: &Rule) {
    w.text(2, chain);
    w.nest(4, |list| {
        for statement in &rule.statements {
            expression::write(list, family, statement);
        }
    });
    if let Some(comment) = &rule.comment {
        w.bytes(7, Userdata::default().text(0, comment).bytes());
    }
}

fn write_set(w: &mut Writer, table: &str, set: &Set, id: u32) {
    let flag = |on: bool, flag: u32| if on { flag } else { 0 };
    let flags = flag(set.interval, SET_INTERVAL)
        | flag(set.data.is_some(), SET_MAP)
        | flag(set.timeout.is_some(), SET_TIMEOUT)
        | flag(set.dynamic, SET_EVAL);
    w.text(1, table);
    w.text(2, &set.name);
    w.number(3, flags);
    w.number(4, field::key_type(&set.key));
    w.number(5, field::key_length(&set.key));
    let mut userdata = Userdata::default().number(UDATA_KEY_ORDER, field::key_order(&set.key));
    match &set.data {
        None => {}
        Some(MapData::Fields(fields)) => {
            w.number(6, field::key_type(fields));
            w.number(7, field::key_length(fields));
            userdata = userdata.number(UDATA_DATA_ORDER, field::key_order(fields));
        }
        Some(MapData::Verdict) => {
            w.number(6, DATA_VERDICT);
            w.number(7, 0);
            userdata = userdata.number(UDATA_DATA_ORDER, 0);
        }
    }
    userdata = userdata.nested(UDATA_KEY_TYPEOF, &field::key_typeof(&set.key));
    if let Some(MapData::Fields(fields)) = &set.data {
        userdata = userdata.nested(UDATA_DATA_TYPEOF, &field::key_typeof(fields));
    }
    if let Some(comment) = &set.comment {
        userdata = userdata.text(UDATA_COMMENT, comment);
    }
    if let Some(size) = set.size {
        w.nest(9, |description| description.number(1, size));
    }
    w.number(10, id);
    if let Some(timeout) = set.timeout {
        w.number64(11, u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
    }
    w.bytes(13, userdata.bytes());
}

fn write_element(w: &mut Writer, element: &Element) {
    w.nest(LIST_ELEMENT, |e| {
        e.nest(1, |key| key.bytes(LIST_ELEMENT, element.key.bytes()));
        if let Some(data) = &element.data {
            e.nest(2, |value| value.bytes(LIST_ELEMENT, data.bytes()));
        }
        if let Some(verdict) = &element.verdict {
            e.nest(2, |value| expression::write_verdict(value, verdict));
        }
        if let Some(timeout) = element.timeout {
            e.number64(4, u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
        }
    });
    if let Some(end) = &element.end {
        w.nest(LIST_ELEMENT, |e| {
            e.nest(1, |key| key.bytes(LIST_ELEMENT, end.bytes()));
            // NFT_SET_ELEM_INTERVAL_END
            e.number(3, 1);
        });
    }
}
