//! What is in the kernel, and the transaction that leads from there to what should be.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::Ipv4Addr;

use kingpost_nftables::{Batch, Element, Value, Verdict};

use crate::frontend::{Backends, Endpoint, Frontend};
use crate::rules::layout::{CLUSTER_IPS, Group, HAIRPIN, Layout, REFUSED, REFUSED_PORTS};
use crate::rules::sticky::{self, Sticky};
use crate::rules::{arrange, encode};
use crate::service::Changes;

/// The table's contents. Planning a transaction changes it, so a transaction that was refused makes it worthless: begin
/// again from [`Installed::empty`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Installed {
    /// Endpoint of each slot; none: connections are dropped.
    pub(crate) slots: HashMap<Frontend, Vec<Endpoint>>,
    pub(crate) sticky: HashMap<Frontend, Sticky>,
    pub(crate) refused: HashSet<Frontend>,
    pub(crate) cluster_ips: HashSet<Ipv4Addr>,
    pub(crate) hairpin: HashSet<Ipv4Addr>,
    /// Still in the hairpin set of the kernel, until [`Installed::settle`]: a packet that was translated to an endpoint just
    /// before that one left has yet to come by the masquerading rule.
    leaving: HashSet<Ipv4Addr>,
    /// Numbers of slots for which there are a set and a chain.
    pub(crate) counts: HashSet<(Group, usize)>,
}

/// Elements to delete and to add, by set.
#[derive(Debug, Default)]
struct Edits(BTreeMap<String, (Vec<Element>, Vec<Element>)>);

impl Edits {
    fn delete(&mut self, set: impl Into<String>, key: Value) {
        self.0.entry(set.into()).or_default().0.push(Element::key(key));
    }

    fn add(&mut self, set: impl Into<String>, element: Element) {
        self.0.entry(set.into()).or_default().1.push(element);
    }

    fn member(&mut self, set: impl Into<String>, key: Value, present: bool) {
        if present { self.add(set, Element::key(key)) } else { self.delete(set, key) }
    }
}

impl Installed {
    /// A table as [`Layout::replace`] leaves it.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Turns everything that should be into what differs from this.
    #[must_use]
    pub fn difference(&self, mut everything: Changes) -> Changes {
        let wanted: HashSet<Frontend> = everything.frontends.iter().map(|(frontend, _)| *frontend).collect();
        let known = self.slots.keys().chain(self.sticky.keys()).chain(&self.refused);
        let gone: BTreeSet<Frontend> = known.filter(|frontend| !wanted.contains(frontend)).copied().collect();
        everything.frontends.extend(gone.into_iter().map(|frontend| (frontend, None)));
        let addresses = |installed: &HashSet<Ipv4Addr>, wanted: &mut Vec<(Ipv4Addr, bool)>| {
            let here: HashSet<Ipv4Addr> = wanted.iter().map(|(address, _)| *address).collect();
            wanted.retain(|(address, _)| !installed.contains(address));
            wanted.extend(installed.difference(&here).map(|address| (*address, false)));
        };
        addresses(&self.cluster_ips, &mut everything.cluster_ips);
        addresses(&self.hairpin, &mut everything.local_endpoints);
        everything
    }

    /// Appends to `batch` what brings the kernel from this state to the changed one, and takes that as the state.
    pub fn plan(&mut self, layout: &Layout, changes: &Changes, batch: &mut Batch) {
        let mut edits = Edits::default();
        let mut sticky = Vec::new();
        for (frontend, backends) in &changes.frontends {
            self.change_slots(*frontend, backends.as_ref(), &mut edits);
            self.change_refused(*frontend, backends.as_ref(), &mut edits);
            sticky.extend(self.change_sticky(*frontend, backends.as_ref(), &mut edits));
        }
        for (address, present) in &changes.cluster_ips {
            edits.member(CLUSTER_IPS, Value::address(*address), *present);
            change(&mut self.cluster_ips, *address, *present);
        }
        for (address, present) in &changes.local_endpoints {
            let left = self.leaving.remove(address);
            if !*present {
                self.leaving.insert(*address);
            } else if !left {
                edits.add(HAIRPIN, Element::key(encode::hairpin(*address)));
            }
            change(&mut self.hairpin, *address, *present);
        }
        self.write(layout, edits, &sticky, batch);
    }

    /// Whether [`Installed::settle`] has something to do.
    #[must_use]
    pub fn is_unsettled(&self) -> bool {
        !self.leaving.is_empty()
    }

    /// Appends what had to wait until no packet is under way any more that needs it.
    pub fn settle(&mut self, layout: &Layout, batch: &mut Batch) {
        let mut leaving: Vec<_> = self.leaving.drain().collect();
        leaving.sort_unstable();
        let elements = leaving.into_iter().map(|address| Element::key(encode::hairpin(address)));
        batch.table(&layout.table).delete_elements(HAIRPIN, elements.collect());
    }

    /// The set of all served frontends follows slots and affinity; here for what is not sticky before and after.
    fn change_slots(&mut self, frontend: Frontend, backends: Option<&Backends>, edits: &mut Edits) {
        let group = Group::of(frontend);
        let guarded = self.slots.contains_key(&frontend) || self.sticky.contains_key(&frontend);
        let guard = matches!(backends, Some(Backends::Balance(_) | Backends::Sticky { .. }));
        if guarded != guard {
            edits.member(group.guard(), encode::frontend(frontend), guard);
        }
        let old = self.slots.remove(&frontend).unwrap_or_default();
        let new = match backends {
            Some(Backends::Balance(endpoints)) => arrange(&old, endpoints),
            _ => Vec::new(),
        };
        for slot in 0..old.len().max(new.len()) {
            let (before, after) = (old.get(slot), new.get(slot));
            if before == after {
                continue;
            }
            let key = encode::slot(frontend, slot);
            if before.is_some() {
                edits.delete(group.endpoints(), key.clone());
            }
            if let Some(endpoint) = after {
                edits.add(group.endpoints(), Element::pair(key, encode::endpoint(*endpoint)));
            }
        }
        if old.len() != new.len() {
            for (slots, present) in [(old.len(), false), (new.len(), true)] {
                if slots > 0 {
                    edits.member(group.count_set(slots), encode::frontend(frontend), present);
                }
            }
        }
        if matches!(backends, Some(Backends::Balance(_))) {
            self.slots.insert(frontend, new);
        }
    }

    fn change_refused(&mut self, frontend: Frontend, backends: Option<&Backends>, edits: &mut Edits) {
        let refuse = matches!(backends, Some(Backends::Reject));
        if self.refused.contains(&frontend) == refuse {
            return;
        }
        let set = match frontend {
            Frontend::Cluster(..) => REFUSED,
            Frontend::Node(..) => REFUSED_PORTS,
            // Its `Node` twin stands in the set.
            Frontend::NodeLocal(..) => return,
        };
        edits.member(set, encode::frontend(frontend), refuse);
        change(&mut self.refused, frontend, refuse);
    }

    /// Gives the frontend with its old and new chains where they differ.
    fn change_sticky(
        &mut self,
        frontend: Frontend,
        backends: Option<&Backends>,
        edits: &mut Edits,
    ) -> Option<(Frontend, Option<Sticky>, Option<Sticky>)> {
        let new = match backends {
            Some(Backends::Sticky { endpoints, seconds }) => {
                Some(Sticky { endpoints: endpoints.clone(), seconds: *seconds })
            }
            _ => None,
        };
        let old = match &new {
            Some(new) => self.sticky.insert(frontend, new.clone()),
            None => self.sticky.remove(&frontend),
        };
        if old == new {
            return None;
        }
        let map = Group::of(frontend).sticky();
        if old.is_none() {
            let verdict = Verdict::Goto(sticky::chain(frontend));
            edits.add(map, Element::verdict(encode::frontend(frontend), verdict));
        }
        if new.is_none() {
            edits.delete(map, encode::frontend(frontend));
        }
        Some((frontend, old, new))
    }

    /// Order: what elements lead to, the elements, what no element leads to any more.
    fn write(
        &mut self,
        layout: &Layout,
        edits: Edits,
        sticky: &[(Frontend, Option<Sticky>, Option<Sticky>)],
        batch: &mut Batch,
    ) {
        let mut table = batch.table(&layout.table);
        for group in Group::ALL {
            let mut named: Vec<usize> = edits.0.keys().filter_map(|set| group.parse_count_set(set)).collect();
            named.sort_unstable();
            for slots in named {
                if self.counts.insert((group, slots)) {
                    group.add_count(&mut table, slots);
                }
            }
        }
        for (frontend, old, new) in sticky {
            if let Some(new) = new {
                sticky::install(&mut table, *frontend, old.as_ref(), new);
            }
        }
        for (set, (deleted, added)) in edits.0 {
            table.delete_elements(set.clone(), deleted);
            table.add_elements(set, added);
        }
        for (frontend, old, new) in sticky {
            if let (Some(old), None) = (old, new) {
                sticky::remove(&mut table, *frontend, old);
            }
        }
    }
}

fn change<T: Eq + std::hash::Hash>(set: &mut HashSet<T>, value: T, present: bool) {
    if present {
        set.insert(value);
    } else {
        set.remove(&value);
    }
}
