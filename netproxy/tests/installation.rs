//! What others see of the rules, and what is put back. Needs root.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failure here is a failed test"
)]

mod cluster;

use cluster::{Cluster, ip, key, ready, service, set_endpoints};

#[test]
fn nft_lists_exports_and_reloads_the_rules() {
    let cluster = Cluster::new("list", 1);
    let mut proxy = cluster.proxy();
    for (name, last, endpoints) in [("web", 10, 3), ("none", 11, 0), ("many", 12, 40), ("sticky", 13, 2)] {
        let mut definition = service(last, 30_000 + u16::from(last));
        definition.external_local = last == 10;
        definition.affinity_seconds = (last == 13).then_some(10);
        proxy.catalog.set_service(key(name), Some(definition));
        let addresses = (1..=endpoints).map(|n| ready([10, 244, last, n].into()));
        set_endpoints(&mut proxy, name, addresses.collect());
    }
    proxy.sync().unwrap();
    let listed = cluster.node.exec(&["nft", "list", "ruleset"], "");
    for expected in [
        "set svc-3",
        "set svc-256",
        "10.96.0.10 . tcp . 80 . 2 : 10.244.10.3 . 8080",
        "ip daddr . meta l4proto . th dport @svc-3 goto n3",
        "dnat ip to ip daddr . meta l4proto . th dport . numgen random mod 3 map @endpoints",
        "10.96.0.11 . tcp . 80",
    ] {
        assert!(listed.contains(expected), "missing {expected:?} in:\n{listed}");
    }
    let json = cluster.node.exec(&["nft", "-j", "list", "ruleset"], "");
    assert!(json.starts_with("{\"nftables\":"), "{json}");
    cluster.node.exec(&["nft", "flush", "ruleset"], "");
    cluster.node.exec(&["nft", "-f", "-"], &listed);
    assert_eq!(cluster.node.exec(&["nft", "list", "ruleset"], ""), listed);
}

#[test]
fn uninstall_puts_everything_back() {
    let cluster = Cluster::new("uninstall", 0);
    let before = || cluster.node.exec(&["ip", "route"], "");
    let routes = before();
    let forwarding = || cluster.node.exec(&["cat", "/proc/sys/net/ipv4/ip_forward"], "");
    cluster.node.exec(&["sh", "-c", "echo 0 > /proc/sys/net/ipv4/ip_forward"], "");
    let mut proxy = cluster.proxy();
    proxy.catalog.set_service(key("web"), Some(service(10, 0)));
    proxy.sync().unwrap();
    // A second start must not take what the first one set for what was there before.
    drop(cluster.proxy());
    assert_eq!(forwarding().trim(), "1");
    assert!(
        before().contains("10.96.0.0/16 dev uplink proto static scope link src 192.0.2.1"),
        "{}",
        before()
    );
    let config = cluster.config();
    for _ in 0..2 {
        cluster.node.run(|| kingpost_netproxy::uninstall(&config).unwrap());
        assert_eq!(forwarding().trim(), "0");
        assert_eq!(before(), routes);
        assert_eq!(cluster.node.exec(&["nft", "list", "ruleset"], ""), "");
    }
    assert_eq!(std::fs::read_dir(cluster.state.path()).unwrap().count(), 0);
}

#[test]
fn a_node_with_a_default_route_keeps_its_routes() {
    let cluster = Cluster::new("routes", 0);
    cluster.node.exec(&["ip", "route", "add", "default", "via", &cluster::OUTSIDE.to_string()], "");
    let routes = cluster.node.exec(&["ip", "route"], "");
    drop(cluster.proxy());
    assert_eq!(cluster.node.exec(&["ip", "route"], ""), routes);
    assert!(!routes.contains(&ip(0).to_string()));
}
