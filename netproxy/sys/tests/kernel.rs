//! Batches against the kernel's nf_tables, in network namespaces of their own, read back by Debian's `nft`. Needs root.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod namespace;

use std::net::Ipv4Addr;
use std::num::NonZeroU32;
use std::time::Duration;

use ipnet::IpNet;
use kingpost_nftables::{
    Address, Batch, Chain, ChainKind, Compare, CtState, Element, Error, Family, Field, Hook, NatTarget,
    Nftables, Reject, Rule, Set, Statement, Table, Value, Verdict, priority,
};
use namespace::Namespace;

const SERVICE: [Field; 3] = [Field::Ip4Daddr, Field::L4Proto, Field::Dport];

fn random(modulus: u32) -> Field {
    Field::Random(NonZeroU32::new(modulus).unwrap())
}

fn service(last: u8, port: u16) -> Value {
    Value::address(Ipv4Addr::new(10, 96, 0, last)).and(Value::protocol(6)).and(Value::port(port))
}

fn endpoint(last: u8) -> Value {
    Value::address(Ipv4Addr::new(10, 244, 0, last)).and(Value::port(8080))
}

fn in_set(key: &[Field], set: &str) -> Statement {
    Statement::InSet { key: key.to_vec(), compare: Compare::Equal, set: set.into() }
}

/// A table with every kind of object and statement.
fn everything(table: &Table) -> Batch {
    let mut batch = Batch::new();
    let mut t = batch.table(table);
    let slots = [&SERVICE[..], &[random(2)]].concat();
    t.replace(Some("layout 1".into()));
    t.add_set(Set::new("services", &SERVICE).with_comment("all of them"));
    t.add_set(Set::map("endpoints", &slots, &[Field::Ip4Daddr, Field::Dport]));
    t.add_set(Set::verdict_map("chains", &SERVICE));
    t.add_set(Set::new("ranges", &[Field::Ip4Daddr]).with_intervals());
    t.add_set(Set::new("sources", &[Field::IifName, Field::Ip4Saddr]));
    t.add_set(Set::new("clients", &[Field::Ip4Saddr]).dynamic(1000, Duration::from_secs(10_800)));
    t.add_set(Set::new("ports", &[Field::Sport]));
    t.add_set(Set::new("marks", &[Field::Mark]));
    t.add_set(Set::new("links", &[Field::Iif, Field::Oif, Field::OifName]));
    t.add_chain(Chain::base("pre", ChainKind::Nat, Hook::Prerouting, priority::DSTNAT));
    t.add_chain(Chain::base("out", ChainKind::Nat, Hook::Output, -100));
    t.add_chain(Chain::base("post", ChainKind::Nat, Hook::Postrouting, priority::SRCNAT));
    t.add_chain(Chain::base("forward", ChainKind::Filter, Hook::Forward, priority::FILTER));
    t.add_chain(Chain::regular("n2"));
    t.append_rule(
        "pre",
        Rule::new([in_set(&SERVICE, "services"), Verdict::Goto("n2".into()).into()]).with_comment("hello"),
    );
    t.append_rule(
        "pre",
        Rule::new([
            Statement::Local(Address::Destination, Compare::Equal),
            Verdict::Jump("n2".into()).into(),
        ]),
    );
    t.append_rule("out", Rule::new([Statement::VerdictMap { key: SERVICE.to_vec(), map: "chains".into() }]));
    for modulus in [2, 1] {
        let key = [&SERVICE[..], &[random(modulus)]].concat();
        let target = NatTarget::Map { key, map: "endpoints".into() };
        t.append_rule("n2", Rule::new([Statement::DestinationNat(Family::Ip, target)]));
    }
    t.append_rule(
        "n2",
        Rule::new([
            Statement::Field(Field::L4Proto, Compare::Equal, Value::protocol(6)),
            Statement::Update {
                set: "clients".into(),
                key: vec![Field::Ip4Saddr],
                data: None,
                timeout: Some(Duration::from_secs(10)),
            },
            Statement::DestinationNat(
                Family::Ip,
                NatTarget::Fixed(Ipv4Addr::new(10, 0, 0, 1).into(), Some(80)),
            ),
        ]),
    );
    t.append_rule("n2", Rule::new([Verdict::Drop.into()]));
    let network = |text: &str| text.parse::<IpNet>().unwrap();
    t.append_rule(
        "post",
        Rule::new([
            Statement::CtDestinationTranslated,
            Statement::Network(Address::Source, Compare::NotEqual, network("10.244.0.0/16")),
            Statement::SetMark { keep: !0x4000, flip: 0x4000 },
        ]),
    );
    t.append_rule(
        "post",
        Rule::new([
            Statement::Mark { mask: 0x4000, compare: Compare::Equal, value: 0 },
            Verdict::Return.into(),
        ]),
    );
    t.append_rule(
        "post",
        Rule::new([
            Statement::Network(Address::Source, Compare::Equal, network("192.168.4.0/22")),
            Statement::SourceNat(Ipv4Addr::new(10, 0, 0, 9).into()),
        ]),
    );
    t.append_rule("post", Rule::new([Statement::Masquerade { fully_random: true }]));
    t.append_rule(
        "forward",
        Rule::new([
            Statement::CtState(CtState::NEW.or(CtState::RELATED)),
            in_set(&[Field::Ip4Daddr], "ranges"),
            Statement::Counter,
            Statement::Reject(Reject::PortUnreachable),
        ]),
    );
    t.prepend_rule(
        "forward",
        Rule::new([
            Statement::InSet {
                key: vec![Field::IifName, Field::Ip4Saddr],
                compare: Compare::NotEqual,
                set: "sources".into(),
            },
            Verdict::Drop.into(),
        ]),
    );
    t.add_elements("services", vec![Element::key(service(1, 80)), Element::key(service(2, 80))]);
    t.add_elements(
        "endpoints",
        (0..2u8)
            .map(|slot| Element::pair(service(1, 80).and(Value::number(slot.into())), endpoint(slot + 2)))
            .collect(),
    );
    t.add_elements("chains", vec![Element::verdict(service(1, 80), Verdict::Goto("n2".into()))]);
    let range = Element::range(
        Value::address(Ipv4Addr::new(172, 16, 0, 0)),
        Some(Value::address(Ipv4Addr::new(172, 32, 0, 0))),
    );
    t.add_elements("ranges", vec![range]);
    let source = Value::interface("eth0").and(Value::address(Ipv4Addr::new(10, 244, 0, 2)));
    t.add_elements("sources", vec![Element::key(source)]);
    batch
}

#[test]
fn nft_lists_exports_and_reloads_everything() {
    let namespace = Namespace::new("list");
    let table = Table::new(Family::Ip, "everything");
    namespace.run(|| Nftables::open().unwrap().commit(&everything(&table)).unwrap());
    let listed = namespace.exec(&["nft", "list", "ruleset"]);
    for expected in [
        "comment \"layout 1\"",
        "typeof ip daddr . meta l4proto . th dport . numgen random mod 2 : ip daddr . th dport",
        "10.96.0.1 . tcp . 80 . 0 : 10.244.0.2 . 8080",
        "ip daddr . meta l4proto . th dport @services goto n2 comment \"hello\"",
        "dnat ip to ip daddr . meta l4proto . th dport . numgen random mod 2 map @endpoints",
        "elements = { 172.16.0.0/12 }",
        "\"eth0\" . 10.244.0.2",
        "meta l4proto tcp update @clients { ip saddr timeout 10s } dnat to 10.0.0.1:80",
        "ct status dnat ip saddr != 10.244.0.0/16 meta mark set meta mark | 0x00004000",
        "ip saddr 192.168.4.0/22 snat to 10.0.0.9",
        "ct state related,new ip daddr @ranges counter packets 0 bytes 0 reject",
        "iifname . ip saddr != @sources drop",
        "ip daddr . meta l4proto . th dport vmap @chains",
        "fib daddr type local jump n2",
        "masquerade fully-random",
    ] {
        assert!(listed.contains(expected), "missing {expected:?} in:\n{listed}");
    }
    let json = namespace.exec(&["nft", "-j", "list", "ruleset"]);
    assert!(json.starts_with("{\"nftables\":"), "{json}");
    namespace.exec(&["nft", "flush", "ruleset"]);
    namespace.feed(&["nft", "-f", "-"], &listed);
    assert_eq!(namespace.exec(&["nft", "list", "ruleset"]), listed);
}

#[test]
fn inet_and_ip6_tables_are_listed() {
    let namespace = Namespace::new("inet");
    let table = Table::new(Family::Inet, "both");
    let mut batch = Batch::new();
    let mut t = batch.table(&table);
    t.add();
    t.add_set(Set::new("six", &[Field::Iif, Field::Ip6Saddr]));
    t.add_chain(Chain::base("in", ChainKind::Filter, Hook::Input, priority::FILTER));
    let six = [Field::Iif, Field::Ip6Saddr];
    t.append_rule(
        "in",
        Rule::new([
            Statement::Protocol(Family::Ip6),
            in_set(&six, "six"),
            Statement::Reject(Reject::PortUnreachable),
        ]),
    );
    namespace.run(|| Nftables::open().unwrap().commit(&batch).unwrap());
    let listed = namespace.exec(&["nft", "list", "ruleset"]);
    assert!(listed.contains("iif . ip6 saddr @six reject"), "{listed}");
}

#[test]
fn a_refused_change_is_named_and_nothing_is_applied() {
    let namespace = Namespace::new("refuse");
    let table = Table::new(Family::Ip, "refused");
    let mut batch = Batch::new();
    let mut t = batch.table(&table);
    t.add();
    t.add_set(Set::new("services", &SERVICE));
    t.delete_elements("services", vec![Element::key(service(1, 80))]);
    t.append_rule("nowhere", Rule::new([Verdict::Drop.into()]));
    namespace.run(|| {
        let mut nft = Nftables::open().unwrap();
        let Err(Error::Refused(refusals)) = nft.commit(&batch) else { panic!("committed") };
        let indices: Vec<_> = refusals.iter().map(|refusal| refusal.index).collect();
        assert_eq!(indices, [Some(2), Some(3)], "{refusals:?}");
        assert_eq!(refusals[0].change, "delete element services (table ip refused)");
        assert!(nft.tables(Family::Ip).unwrap().is_empty());
        // The connection is usable afterwards.
        nft.commit(&everything(&table)).unwrap();
    });
}

#[test]
fn dumps_give_back_what_was_installed() {
    let namespace = Namespace::new("dump");
    let table = Table::new(Family::Ip, "everything");
    namespace.run(|| {
        let mut nft = Nftables::open().unwrap();
        assert!(nft.sets(&table).unwrap().is_empty());
        assert!(nft.rules(&table).unwrap().is_empty());
        nft.commit(&everything(&table)).unwrap();
        let tables = nft.tables(Family::Ip).unwrap();
        assert_eq!(tables[0].comment.as_deref(), Some("layout 1"));
        let chains: Vec<_> = nft.chains(&table).unwrap().into_iter().map(|c| (c.name, c.base)).collect();
        assert!(chains.contains(&("n2".into(), false)) && chains.contains(&("pre".into(), true)));
        assert_eq!(nft.sets(&table).unwrap().len(), 9);
        let rules = nft.rules(&table).unwrap();
        assert!(rules.iter().any(|rule| rule.chain == "pre" && rule.comment.as_deref() == Some("hello")));
        let mut elements = nft.elements(&table, "endpoints").unwrap();
        elements.sort_by(|a, b| a.key.cmp(&b.key));
        assert_eq!(elements[1], Element::pair(service(1, 80).and(Value::number(1)), endpoint(3)));
        let mut change = Batch::new();
        let mut t = change.table(&table);
        // The same key leaves and comes back with another value within one transaction.
        t.delete_elements("endpoints", vec![Element::key(elements[1].key.clone())]);
        t.add_elements("endpoints", vec![Element::pair(elements[1].key.clone(), endpoint(9))]);
        nft.commit(&change).unwrap();
        let now = nft.elements(&table, "endpoints").unwrap();
        assert!(now.contains(&Element::pair(elements[1].key.clone(), endpoint(9))) && now.len() == 2);
    });
}

#[test]
fn a_large_batch_is_one_transaction() {
    let namespace = Namespace::new("large");
    let table = Table::new(Family::Ip, "large");
    let key = |n: u32| {
        Value::address(Ipv4Addr::from(0x0a60_0000 + n)).and(Value::protocol(17)).and(Value::port(53))
    };
    let mut batch = Batch::new();
    let mut t = batch.table(&table);
    t.add();
    t.add_set(Set::new("services", &SERVICE));
    t.add_elements("services", (0..30_000).map(|n| Element::key(key(n))).collect());
    namespace.run(|| {
        let mut nft = Nftables::open().unwrap();
        nft.commit(&batch).unwrap();
        assert_eq!(nft.elements(&table, "services").unwrap().len(), 30_000);
    });
}
