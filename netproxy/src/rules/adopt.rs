//! Taking over the rules of an earlier process, which serve until the first transaction of this one.

use std::collections::{BTreeMap, HashMap};

use kingpost_nftables::{Element, Error, Nftables};

use crate::frontend::Frontend;
use crate::rules::encode::Reader;
use crate::rules::layout::{CLUSTER_IPS, Group, HAIRPIN, Layout, REFUSED, REFUSED_PORTS};
use crate::rules::{Installed, sticky};

/// Reads what is installed; none if there is no table, or not one that this process would have made.
///
/// # Errors
/// When the kernel cannot be asked.
pub fn adopt(nft: &mut Nftables, layout: &Layout) -> Result<Option<Installed>, Error> {
    let comment = layout.comment();
    let tables = nft.tables(layout.table.family)?;
    let ours = tables.iter().find(|table| table.name == layout.table.name);
    if ours.and_then(|table| table.comment.as_deref()) != Some(comment.as_str()) {
        return Ok(None);
    }
    let sets: Vec<String> = nft.sets(&layout.table)?.into_iter().map(|set| set.name).collect();
    if layout.sets().iter().any(|set| !sets.contains(set)) {
        return Ok(None);
    }
    let mut installed = Installed::empty();
    for group in Group::ALL {
        installed.counts.extend(sets.iter().filter_map(|set| Some((group, group.parse_count_set(set)?))));
    }
    if !chains_match(nft, layout, &mut installed)? {
        return Ok(None);
    }
    let mut reading = Reading { nft, layout };
    for group in Group::ALL {
        if !reading.frontends(group, &mut installed)? {
            return Ok(None);
        }
    }
    for (set, group) in [(REFUSED, Group::Cluster), (REFUSED_PORTS, Group::Node)] {
        let refused = reading.keys(set, |key| read_frontend(group, key))?;
        installed.refused.extend(refused);
    }
    installed.cluster_ips = reading.keys(CLUSTER_IPS, |key| key.address())?.into_iter().collect();
    installed.hairpin = reading.keys(HAIRPIN, |key| key.address())?.into_iter().collect();
    Ok(Some(installed))
}

/// Whether every chain has as many rules as it should; notes the chains of frontends with affinity.
fn chains_match(nft: &mut Nftables, layout: &Layout, installed: &mut Installed) -> Result<bool, Error> {
    let mut rules: HashMap<String, usize> =
        nft.chains(&layout.table)?.into_iter().map(|chain| (chain.name, 0)).collect();
    for rule in nft.rules(&layout.table)? {
        *rules.entry(rule.chain).or_default() += 1;
    }
    let mut expected: BTreeMap<String, usize> = layout.rule_counts().into_iter().collect();
    for (group, slots) in &installed.counts {
        *expected.entry(group.balance().to_owned()).or_default() += 1;
        expected.insert(group.slot_chain(*slots), Group::slot_rules(*slots));
    }
    for name in rules.keys().filter(|name| !expected.contains_key(*name)) {
        let Some((frontend, endpoint)) = sticky::parse(name) else { return Ok(false) };
        installed.sticky.entry(frontend).or_default().endpoints.extend(endpoint);
    }
    Ok(expected.iter().all(|(chain, count)| rules.get(chain) == Some(count)))
}

struct Reading<'a> {
    nft: &'a mut Nftables,
    layout: &'a Layout,
}

impl Reading<'_> {
    /// Reads a group's frontends and slots; false if they contradict one another.
    fn frontends(&mut self, group: Group, installed: &mut Installed) -> Result<bool, Error> {
        let guarded = self.keys(group.guard(), |key| read_frontend(group, key))?;
        let mut slots: HashMap<Frontend, BTreeMap<usize, _>> = HashMap::new();
        for element in self.nft.elements(&self.layout.table, group.endpoints())? {
            let Some((frontend, slot, endpoint)) = read_slot(group, &element) else { return Ok(false) };
            slots.entry(frontend).or_default().insert(slot, endpoint);
        }
        let mut counted = HashMap::new();
        let counts: Vec<usize> =
            installed.counts.iter().filter(|(of, _)| *of == group).map(|(_, count)| *count).collect();
        for count in counts {
            let members = self.keys(&group.count_set(count), |key| read_frontend(group, key))?;
            counted.extend(members.into_iter().map(|frontend| (frontend, count)));
        }
        let affine = self.keys(group.sticky(), |key| read_frontend(group, key))?;
        let known = installed.sticky.keys().filter(|frontend| Group::of(**frontend) == group).count();
        if affine.len() != known || affine.iter().any(|frontend| !installed.sticky.contains_key(frontend)) {
            return Ok(false);
        }
        let mut consistent = counted.len() == slots.len();
        for frontend in guarded.into_iter().filter(|frontend| !installed.sticky.contains_key(frontend)) {
            let row = slots.remove(&frontend).unwrap_or_default();
            let count = counted.get(&frontend).copied().unwrap_or(0);
            consistent &= count == row.len() && row.keys().copied().eq(0..count);
            installed.slots.insert(frontend, row.into_values().collect());
        }
        Ok(consistent && slots.is_empty())
    }

    fn keys<T>(&mut self, set: &str, read: impl Fn(&mut Reader<'_>) -> Option<T>) -> Result<Vec<T>, Error> {
        let elements = self.nft.elements(&self.layout.table, set)?;
        Ok(elements.iter().filter_map(|element| read(&mut Reader(element.key.bytes()))).collect())
    }
}

fn read_frontend(group: Group, key: &mut Reader<'_>) -> Option<Frontend> {
    let address = if group == Group::Cluster { Some(key.address()?) } else { None };
    let (protocol, port) = (key.protocol()?, key.port()?);
    Some(match (group, address) {
        (Group::Cluster, address) => Frontend::Cluster(address?, protocol, port),
        (Group::Node, _) => Frontend::Node(protocol, port),
        (Group::Local, _) => Frontend::NodeLocal(protocol, port),
    })
}

fn read_slot(group: Group, element: &Element) -> Option<(Frontend, usize, crate::frontend::Endpoint)> {
    let mut key = Reader(element.key.bytes());
    let frontend = read_frontend(group, &mut key)?;
    let slot = key.number()?;
    let endpoint = Reader(element.data.as_ref()?.bytes()).endpoint()?;
    Some((frontend, slot, endpoint))
}
