//! A transaction as a value.

use std::fmt;
use std::sync::Arc;

use crate::object::{Chain, Element, Set, Table};
use crate::rule::Rule;

/// One change to one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Creates the table, or leaves it as it is. The comment is written at creation only.
    AddTable(Option<String>),
    /// Deletes the table with all that is in it; fails if it does not exist.
    DeleteTable,
    /// Creates a chain, or leaves it as it is.
    AddChain(Chain),
    /// Deletes an empty chain that nothing refers to.
    DeleteChain(String),
    /// Deletes all rules of a chain.
    FlushChain(String),
    /// Appends a rule to a chain.
    AppendRule(String, Rule),
    /// Puts a rule before all others of a chain.
    PrependRule(String, Rule),
    /// Deletes the rule with a handle that a dump gave.
    DeleteRule(String, u64),
    /// Creates a set or map, or leaves it as it is.
    AddSet(Set),
    /// Deletes a set or map that no rule refers to.
    DeleteSet(String),
    /// Deletes all elements of a set or map.
    FlushSet(String),
    /// Adds elements; those that are there already stay, but a map's other value for the same key is an error.
    AddElements(String, Vec<Element>),
    /// Deletes elements; fails if one is missing.
    DeleteElements(String, Vec<Element>),
}

/// Changes that the kernel applies all together or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    pub(crate) changes: Vec<(Arc<Table>, Change)>,
}

/// Appends changes for one table to a batch.
#[derive(Debug)]
pub struct TableBatch<'a> {
    batch: &'a mut Batch,
    table: Arc<Table>,
}

impl Batch {
    /// An empty transaction.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a row of changes to a table.
    pub fn table(&mut self, table: &Table) -> TableBatch<'_> {
        TableBatch { table: Arc::new(table.clone()), batch: self }
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The changes, in order.
    pub fn changes(&self) -> impl Iterator<Item = (&Table, &Change)> {
        self.changes.iter().map(|(table, change)| (table.as_ref(), change))
    }

    /// Number of set elements added and deleted.
    #[must_use]
    pub fn element_count(&self) -> usize {
        let count = |change: &Change| match change {
            Change::AddElements(_, elements) | Change::DeleteElements(_, elements) => elements.len(),
            _ => 0,
        };
        self.changes.iter().map(|(_, change)| count(change)).sum()
    }
}

impl TableBatch<'_> {
    /// Appends a change.
    pub fn change(&mut self, change: Change) -> &mut Self {
        self.batch.changes.push((Arc::clone(&self.table), change));
        self
    }

    /// Creates the table, or leaves it as it is.
    pub fn add(&mut self) -> &mut Self {
        self.change(Change::AddTable(None))
    }

    /// Deletes the table whether or not it exists.
    pub fn delete(&mut self) -> &mut Self {
        self.change(Change::AddTable(None)).change(Change::DeleteTable)
    }

    /// Begins the table anew: what was in it is gone once the transaction commits, and not before.
    pub fn replace(&mut self, comment: Option<String>) -> &mut Self {
        self.delete().change(Change::AddTable(comment))
    }

    /// Creates a chain.
    pub fn add_chain(&mut self, chain: Chain) -> &mut Self {
        self.change(Change::AddChain(chain))
    }

    /// Appends a rule to a chain.
    pub fn append_rule(&mut self, chain: impl Into<String>, rule: Rule) -> &mut Self {
        self.change(Change::AppendRule(chain.into(), rule))
    }

    /// Puts a rule before all others of a chain.
    pub fn prepend_rule(&mut self, chain: impl Into<String>, rule: Rule) -> &mut Self {
        self.change(Change::PrependRule(chain.into(), rule))
    }

    /// Creates a set or map.
    pub fn add_set(&mut self, set: Set) -> &mut Self {
        self.change(Change::AddSet(set))
    }

    /// Adds elements; none is no change.
    pub fn add_elements(&mut self, set: impl Into<String>, elements: Vec<Element>) -> &mut Self {
        if elements.is_empty() { self } else { self.change(Change::AddElements(set.into(), elements)) }
    }

    /// Deletes elements; none is no change.
    pub fn delete_elements(&mut self, set: impl Into<String>, elements: Vec<Element>) -> &mut Self {
        if elements.is_empty() { self } else { self.change(Change::DeleteElements(set.into(), elements)) }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let elements = |f: &mut fmt::Formatter<'_>, verb, set, elements: &[Element]| {
            write!(f, "{verb} element {set}")?;
            elements.iter().try_for_each(|element| write!(f, "\n    {element}"))
        };
        match self {
            Self::AddTable(None) => f.write_str("add table"),
            Self::AddTable(Some(comment)) => write!(f, "add table comment {comment:?}"),
            Self::DeleteTable => f.write_str("delete table"),
            Self::AddChain(chain) => write!(f, "add chain {chain}"),
            Self::DeleteChain(chain) => write!(f, "delete chain {chain}"),
            Self::FlushChain(chain) => write!(f, "flush chain {chain}"),
            Self::AppendRule(chain, rule) => write!(f, "add rule {chain} {rule}"),
            Self::PrependRule(chain, rule) => write!(f, "insert rule {chain} {rule}"),
            Self::DeleteRule(chain, handle) => write!(f, "delete rule {chain} handle {handle}"),
            Self::AddSet(set) => {
                write!(f, "add {} {set}", if set.data.is_some() { "map" } else { "set" })
            }
            Self::DeleteSet(set) => write!(f, "delete set {set}"),
            Self::FlushSet(set) => write!(f, "flush set {set}"),
            Self::AddElements(set, list) => elements(f, "add", set, list),
            Self::DeleteElements(set, list) => elements(f, "delete", set, list),
        }
    }
}

impl fmt::Display for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.changes.iter().try_for_each(|(_, change)| writeln!(f, "{change}"))
    }
}
