//! What stands in the table whatever Services there are.
//!
//! ```text
//! prerouting, output (nat)     dispatch ──@services──▶ cluster ─────────────▶ balance ──@svc-K──▶ nK
//!                                  └──────@node-ports─▶ node ──────▶ node-any ─▶ balance-node ──▶ npK
//!                                                        └@local-ports▶ local ─▶ balance-local ─▶ lpK
//! input, forward, output       what a Service without endpoints, or no Service, has: refuse or drop
//! postrouting (nat)            hairpin and marked connections: masquerade
//! ```
//!
//! A `balance` chain knows from the sets `svc-K` how many slots a frontend has; chain `nK` draws one of K and looks the endpoint
//! up. A commit may come between two look-ups of the same packet: what no `svc-K` claimed goes to `n1`, and each `nK` tries
//! slot 0 when the drawn one is missing. Slot 0 is there as long as there is any endpoint.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::Ipv4Addr;
use std::num::NonZeroU32;

use ipnet::{IpNet, Ipv4Net};
use kingpost_nftables::{
    Address, Batch, Chain, ChainKind, Change, Compare, CtState, Family, Field, Hook, NatTarget, Reject, Rule,
    Set, Statement, Table, TableBatch, Verdict, priority,
};

use crate::config::Config;
use crate::frontend::Frontend;

/// Bit of the packet mark that asks for masquerading: the same as kube-proxy's `masqueradeBit` 14.
const MASQUERADE_MARK: u32 = 1 << 14;

/// Set of Services without endpoints, by cluster IP, protocol and port.
pub(crate) const REFUSED: &str = "refused";
/// The same by protocol and node port.
pub(crate) const REFUSED_PORTS: &str = "refused-ports";
/// Set of cluster IPs.
pub(crate) const CLUSTER_IPS: &str = "cluster-ips";
/// Set of pairs of the same address: endpoints that may reach themselves through a Service.
pub(crate) const HAIRPIN: &str = "hairpin";

/// A kind of frontend: each has its own sets, map and chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Group {
    /// [`Frontend::Cluster`].
    Cluster,
    /// [`Frontend::Node`].
    Node,
    /// [`Frontend::NodeLocal`].
    Local,
}

impl Group {
    pub(crate) const ALL: [Self; 3] = [Self::Cluster, Self::Node, Self::Local];

    pub(crate) fn of(frontend: Frontend) -> Self {
        match frontend {
            Frontend::Cluster(..) => Self::Cluster,
            Frontend::Node(..) => Self::Node,
            Frontend::NodeLocal(..) => Self::Local,
        }
    }

    /// Set of all frontends that are served, and those whose connections are dropped.
    pub(crate) fn guard(self) -> &'static str {
        self.pick(["services", "node-ports", "local-ports"])
    }

    /// Map from frontend and slot to endpoint.
    pub(crate) fn endpoints(self) -> &'static str {
        self.pick(["endpoints", "node-endpoints", "local-endpoints"])
    }

    /// Chain that finds the number of slots.
    pub(crate) fn balance(self) -> &'static str {
        self.pick(["balance", "balance-node", "balance-local"])
    }

    /// Verdict map of the few frontends with session affinity.
    pub(crate) fn sticky(self) -> &'static str {
        self.pick(["sticky", "sticky-node", "sticky-local"])
    }

    fn count_prefix(self) -> &'static str {
        self.pick(["svc-", "np-", "lp-"])
    }

    fn chain_prefix(self) -> &'static str {
        self.pick(["n", "np", "lp"])
    }

    /// Set of frontends with so many slots.
    pub(crate) fn count_set(self, slots: usize) -> String {
        format!("{}{slots}", self.count_prefix())
    }

    /// Number of slots in the name of such a set.
    pub(crate) fn parse_count_set(self, name: &str) -> Option<usize> {
        name.strip_prefix(self.count_prefix())?.parse().ok()
    }

    /// Chain that draws one of so many slots.
    pub(crate) fn slot_chain(self, slots: usize) -> String {
        format!("{}{slots}", self.chain_prefix())
    }

    /// Fields of a frontend.
    pub(crate) fn key(self) -> &'static [Field] {
        match self {
            Self::Cluster => &[Field::Ip4Daddr, Field::L4Proto, Field::Dport],
            Self::Node | Self::Local => &[Field::L4Proto, Field::Dport],
        }
    }

    fn slot_key(self, slots: usize) -> Vec<Field> {
        let modulus = u32::try_from(slots).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
        [self.key(), &[Field::Random(modulus)]].concat()
    }

    fn pick<T: Copy>(self, [cluster, node, local]: [T; 3]) -> T {
        match self {
            Self::Cluster => cluster,
            Self::Node => node,
            Self::Local => local,
        }
    }

    /// Number of rules that chain `nK` has.
    pub(crate) fn slot_rules(slots: usize) -> usize {
        if slots == 1 { 2 } else { 3 }
    }

    /// Adds set `svc-K`, chain `nK` and the rule that leads from one to the other.
    pub(crate) fn add_count(self, table: &mut TableBatch<'_>, slots: usize) {
        table.add_set(Set::new(self.count_set(slots), self.key()));
        let chain = self.slot_chain(slots);
        if slots > 1 {
            self.add_slot_chain(table, slots);
        }
        let statements = [self.in_set(&self.count_set(slots)), Verdict::Goto(chain).into()];
        table.prepend_rule(self.balance(), Rule::new(statements));
    }

    fn add_slot_chain(self, table: &mut TableBatch<'_>, slots: usize) {
        let chain = self.slot_chain(slots);
        table.add_chain(Chain::regular(&chain));
        let moduli = if slots == 1 { vec![1] } else { vec![slots, 1] };
        for modulus in moduli {
            let target = NatTarget::Map { key: self.slot_key(modulus), map: self.endpoints().to_owned() };
            table.append_rule(&chain, Rule::new([Statement::DestinationNat(Family::Ip, target)]));
        }
        table.append_rule(&chain, Rule::new([Verdict::Drop.into()]));
    }

    fn in_set(self, set: &str) -> Statement {
        in_set(self.key(), set)
    }
}

/// The table of one node.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Its name.
    pub table: Table,
    pod_cidr: IpNet,
    service_cidr: IpNet,
}

impl Layout {
    /// The layout for a configuration.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self { table: config.table(), pod_cidr: config.pod_cidr, service_cidr: config.service_cidr }
    }

    /// Text that the table carries: it differs when this program or its configuration would build other rules.
    #[must_use]
    pub fn comment(&self) -> String {
        let mut batch = Batch::new();
        self.skeleton(&mut batch.table(&self.table));
        for group in Group::ALL {
            group.add_count(&mut batch.table(&self.table), 2);
        }
        let mut hasher = DefaultHasher::new();
        batch.to_string().hash(&mut hasher);
        format!("kingpost services, layout {:016x}", hasher.finish())
    }

    /// Begins the table anew, with everything that does not depend on Services.
    pub fn replace(&self, batch: &mut Batch) {
        let mut table = batch.table(&self.table);
        table.replace(Some(self.comment()));
        self.skeleton(&mut table);
    }

    /// Number of rules that each chain of the skeleton has without any Service.
    pub(crate) fn rule_counts(&self) -> Vec<(String, usize)> {
        let mut batch = Batch::new();
        self.skeleton(&mut batch.table(&self.table));
        let mut counts: Vec<(String, usize)> = Vec::new();
        for (_, change) in batch.changes() {
            match change {
                Change::AddChain(chain) => counts.push((chain.name.clone(), 0)),
                Change::AppendRule(chain, _) => {
                    if let Some((_, count)) = counts.iter_mut().find(|(name, _)| name == chain) {
                        *count += 1;
                    }
                }
                _ => {}
            }
        }
        counts
    }

    /// Names of the skeleton's sets and maps.
    pub(crate) fn sets(&self) -> Vec<String> {
        let mut batch = Batch::new();
        self.skeleton(&mut batch.table(&self.table));
        let name = |change: &Change| match change {
            Change::AddSet(set) => Some(set.name.clone()),
            _ => None,
        };
        batch.changes().filter_map(|(_, change)| name(change)).collect()
    }

    fn skeleton(&self, table: &mut TableBatch<'_>) {
        for group in Group::ALL {
            table.add_set(Set::new(group.guard(), group.key()));
            // The modulus in the key's type is only a name for "a number".
            let data = [Field::Ip4Daddr, Field::Dport];
            table.add_set(Set::map(group.endpoints(), &group.slot_key(2), &data));
            table.add_set(Set::verdict_map(group.sticky(), group.key()));
        }
        table.add_set(Set::new(REFUSED, Group::Cluster.key()));
        table.add_set(Set::new(REFUSED_PORTS, Group::Node.key()));
        table.add_set(Set::new(CLUSTER_IPS, &[Field::Ip4Daddr]));
        table.add_set(Set::new(HAIRPIN, &[Field::Ip4Saddr, Field::Ip4Daddr]));
        for group in Group::ALL {
            group.add_slot_chain(table, 1);
            table.add_chain(Chain::regular(group.balance()));
            let map = Statement::VerdictMap { key: group.key().to_vec(), map: group.sticky().to_owned() };
            table.append_rule(group.balance(), Rule::new([map]));
            table.append_rule(group.balance(), Rule::new([goto(&group.slot_chain(1))]));
        }
        self.dispatch(table);
        self.refuse(table);
        masquerade(table);
    }

    fn dispatch(&self, table: &mut TableBatch<'_>) {
        let mark = Statement::SetMark { keep: !MASQUERADE_MARK, flip: MASQUERADE_MARK };
        for chain in ["node-any", "local", "node", "cluster", "dispatch"] {
            table.add_chain(Chain::regular(chain));
        }
        let from_pods = |compare| Statement::Network(Address::Source, compare, self.pod_cidr);
        let mut rule = |chain: &str, statements: Vec<Statement>| {
            table.append_rule(chain, Rule::new(statements));
        };
        rule("node-any", vec![mark.clone()]);
        rule("node-any", vec![goto(Group::Node.balance())]);
        // Pods and this node itself reach a Service by its node port wherever its endpoints run.
        rule("local", vec![from_pods(Compare::Equal), goto("node-any")]);
        rule("local", vec![Statement::Local(Address::Source, Compare::Equal), goto("node-any")]);
        rule("local", vec![goto(Group::Local.balance())]);
        rule("node", vec![Group::Local.in_set(Group::Local.guard()), goto("local")]);
        rule("node", vec![goto("node-any")]);
        // Replies to clients outside the cluster have to come back through this node.
        rule("cluster", vec![from_pods(Compare::NotEqual), mark]);
        rule("cluster", vec![goto(Group::Cluster.balance())]);
        rule("dispatch", vec![Group::Cluster.in_set(Group::Cluster.guard()), goto("cluster")]);
        let mut node = vec![Group::Node.in_set(Group::Node.guard())];
        node.extend(to_this_node());
        node.push(goto("node"));
        rule("dispatch", node);
        // Debian 12's nft refuses the name `dstnat` in an output hook.
        for (chain, hook) in [("nat-prerouting", Hook::Prerouting), ("nat-output", Hook::Output)] {
            table.add_chain(Chain::base(chain, ChainKind::Nat, hook, priority::DSTNAT));
            table.append_rule(chain, Rule::new([goto("dispatch")]));
        }
    }

    fn refuse(&self, table: &mut TableBatch<'_>) {
        let reject = Statement::Reject(Reject::PortUnreachable);
        table.add_chain(Chain::regular("service-check"));
        let mut rule = |statements: Vec<Statement>| {
            table.append_rule("service-check", Rule::new(statements));
        };
        rule(vec![Group::Cluster.in_set(REFUSED), reject.clone()]);
        rule(vec![in_set(&[Field::Ip4Daddr], CLUSTER_IPS), reject.clone()]);
        // A cluster IP that nobody has must not leave for the default gateway, nor come back from it.
        let unallocated = Statement::Network(Address::Destination, Compare::Equal, self.service_cidr);
        rule(vec![unallocated, Verdict::Drop.into()]);
        let new = Statement::CtState(CtState::NEW);
        let check = Rule::new([new.clone(), Verdict::Jump("service-check".into()).into()]);
        // Before other tables' filters; in output after the translation, so that what is served has left.
        for (chain, hook, priority) in [
            ("filter-input", Hook::Input, priority::DSTNAT - 10),
            ("filter-forward", Hook::Forward, priority::DSTNAT - 10),
            ("filter-output", Hook::Output, priority::DSTNAT + 10),
        ] {
            table.add_chain(Chain::base(chain, ChainKind::Filter, hook, priority));
        }
        let mut refused_ports = vec![new, Group::Node.in_set(REFUSED_PORTS)];
        refused_ports.extend(to_this_node());
        refused_ports.push(reject);
        table.append_rule("filter-input", Rule::new(refused_ports));
        // An endpoint's packet that belongs to no known connection would leave untranslated, and its client answer with a
        // reset (kubernetes/kubernetes#74839).
        table.append_rule(
            "filter-forward",
            Rule::new([
                Statement::CtState(CtState::INVALID),
                Statement::Network(Address::Source, Compare::Equal, self.pod_cidr),
                Verdict::Drop.into(),
            ]),
        );
        table.append_rule("filter-forward", check.clone());
        table.append_rule("filter-output", check);
    }
}

fn masquerade(table: &mut TableBatch<'_>) {
    let chain = "masquerade-marked";
    table.add_chain(Chain::base(chain, ChainKind::Nat, Hook::Postrouting, priority::SRCNAT));
    let hairpin = in_set(&[Field::Ip4Saddr, Field::Ip4Daddr], HAIRPIN);
    let random = Statement::Masquerade { fully_random: true };
    let plain = Statement::Masquerade { fully_random: false };
    let unmarked = Statement::Mark { mask: MASQUERADE_MARK, compare: Compare::Equal, value: 0 };
    let clear = Statement::SetMark { keep: u32::MAX, flip: MASQUERADE_MARK };
    table.append_rule(chain, Rule::new([Statement::CtDestinationTranslated, hairpin, plain]));
    table.append_rule(chain, Rule::new([unmarked, Verdict::Return.into()]));
    // A packet that is encapsulated comes by again: the mark must not outlive its purpose.
    table.append_rule(chain, Rule::new([clear]));
    table.append_rule(chain, Rule::new([random]));
}

/// To an address of this node, but not to its loopback (CVE-2020-8558).
fn to_this_node() -> [Statement; 2] {
    let loopback = IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8));
    [
        Statement::Local(Address::Destination, Compare::Equal),
        Statement::Network(Address::Destination, Compare::NotEqual, loopback),
    ]
}

pub(crate) fn goto(chain: &str) -> Statement {
    Verdict::Goto(chain.to_owned()).into()
}

fn in_set(key: &[Field], set: &str) -> Statement {
    Statement::InSet { key: key.to_vec(), compare: Compare::Equal, set: set.to_owned() }
}
