//! Sending batches and reading back what is installed.

use crate::attribute::Writer;
use crate::batch::Batch;
use crate::dump::{self, ChainRecord, RuleRecord, SetRecord, TableRecord};
use crate::encode::{self, SUBSYSTEM};
use crate::error::{Error, Refusal};
use crate::object::{Element, Family, Table};
use crate::socket::Socket;

const GET_TABLE: u16 = SUBSYSTEM | 1;
const GET_CHAIN: u16 = SUBSYSTEM | 4;
const GET_RULE: u16 = SUBSYSTEM | 7;
const GET_SET: u16 = SUBSYSTEM | 10;
const GET_ELEMENTS: u16 = SUBSYSTEM | 13;

/// A connection to nf_tables of one network namespace.
#[derive(Debug)]
pub struct Nftables {
    socket: Socket,
}

impl Nftables {
    /// Connects to nf_tables of the calling thread's network namespace, and stays with it.
    ///
    /// # Errors
    /// When the kernel has no netfilter netlink.
    pub fn open() -> Result<Self, Error> {
        Ok(Self { socket: Socket::netfilter()? })
    }

    /// Applies a batch: all of it or, on an error, nothing. An empty one is no call.
    ///
    /// # Errors
    /// [`Error::Refused`] names each change that the kernel refused.
    pub fn commit(&mut self, batch: &Batch) -> Result<(), Error> {
        if batch.is_empty() {
            return Ok(());
        }
        let first = self.socket.reserve(encode::sequence_count(batch));
        let encoded = encode::encode(batch, first);
        self.socket.send(&encoded.bytes)?;
        let answers = self.socket.answers()?;
        let refusals: Vec<Refusal> = answers
            .iter()
            .filter_map(|answer| {
                let errno = answer.errno?;
                Some(refusal(batch, &encoded.origins, answer.sequence.wrapping_sub(first), errno))
            })
            .collect();
        match (refusals.is_empty(), answers.is_empty()) {
            (true, false) => Ok(()),
            (true, true) => Err(Error::Unconfirmed),
            (false, _) => Err(Error::Refused(refusals)),
        }
    }

    /// Tables of a family.
    ///
    /// # Errors
    /// When the kernel refuses the query.
    pub fn tables(&mut self, family: Family) -> Result<Vec<TableRecord>, Error> {
        self.socket.dump(GET_TABLE, &header(family), "list tables", dump::table)
    }

    /// Chains of a table; none when it does not exist.
    ///
    /// # Errors
    /// When the kernel refuses the query.
    pub fn chains(&mut self, table: &Table) -> Result<Vec<ChainRecord>, Error> {
        let all = self.socket.dump(GET_CHAIN, &header(table.family), "list chains", dump::chain)?;
        Ok(all.into_iter().filter(|(of, _)| *of == table.name).map(|(_, record)| record).collect())
    }

    /// Sets and maps of a table; none when it does not exist.
    ///
    /// # Errors
    /// When the kernel refuses the query.
    pub fn sets(&mut self, table: &Table) -> Result<Vec<SetRecord>, Error> {
        let mut request = header(table.family);
        request.extend(named(&[(1, &table.name)]));
        let found = self.socket.dump(GET_SET, &request, &format!("list sets of table {table}"), dump::set);
        match found {
            Err(error) if error.is_not_found() => Ok(Vec::new()),
            other => {
                Ok(other?.into_iter().filter(|(of, _)| *of == table.name).map(|(_, record)| record).collect())
            }
        }
    }

    /// Rules of a table in order; none when it does not exist.
    ///
    /// # Errors
    /// When the kernel refuses the query.
    pub fn rules(&mut self, table: &Table) -> Result<Vec<RuleRecord>, Error> {
        let mut request = header(table.family);
        request.extend(named(&[(1, &table.name)]));
        self.socket.dump(GET_RULE, &request, &format!("list rules of table {table}"), dump::rule)
    }

    /// Elements of a set or map, in no order.
    ///
    /// # Errors
    /// When the set does not exist, or the kernel refuses the query.
    pub fn elements(&mut self, table: &Table, set: &str) -> Result<Vec<Element>, Error> {
        let mut request = header(table.family);
        request.extend(named(&[(1, &table.name), (2, set)]));
        let what = format!("list elements of {set} in table {table}");
        let lists = self.socket.dump(GET_ELEMENTS, &request, &what, |body| Some(dump::elements(body)))?;
        Ok(lists.into_iter().flatten().collect())
    }
}

/// `struct nfgenmsg`.
fn header(family: Family) -> Vec<u8> {
    vec![family.number(), 0, 0, 0]
}

fn named(names: &[(u16, &str)]) -> Vec<u8> {
    let mut writer = Writer::default();
    for (kind, name) in names {
        writer.text(*kind, name);
    }
    writer.buffer
}

/// `offset` counts from the batch's begin marker, which answers for the commit.
fn refusal(batch: &Batch, origins: &[usize], offset: u32, errno: rustix::io::Errno) -> Refusal {
    let origin = usize::try_from(offset).ok().and_then(|offset| offset.checked_sub(1));
    let index = origin.and_then(|message| origins.get(message).copied());
    let change = match index.and_then(|index| batch.changes.get(index)) {
        // Only the first line: a change of elements lists all of them.
        Some((table, change)) => {
            let text = change.to_string();
            format!("{} (table {table})", text.lines().next().unwrap_or_default())
        }
        None => "commit".to_owned(),
    };
    Refusal { index, change, errno }
}
