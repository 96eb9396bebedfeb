//! Transactions as values: what changes costs no more than what it changes.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::net::Ipv4Addr;

use kingpost_netproxy::{
    Catalog, Config, Definition, EndpointState, Installed, Layout, PortDefinition, Protocol, ServiceKey,
    Slice,
};
use kingpost_nftables::Batch;

fn layout() -> Layout {
    Layout::new(&Config {
        kubeconfig: "unused".into(),
        node_name: "node".into(),
        node_addresses: Vec::new(),
        pod_cidr: "10.244.0.0/16".parse().unwrap(),
        service_cidr: "10.96.0.0/16".parse().unwrap(),
        node_port_range: Config::DEFAULT_NODE_PORTS,
        state_dir: "/nonexistent".into(),
        table: "services".into(),
    })
}

fn definition(last: u8) -> Definition {
    Definition {
        cluster_ips: vec![Ipv4Addr::new(10, 96, 0, last)],
        ports: vec![PortDefinition {
            name: String::new(),
            protocol: Protocol::Tcp,
            port: 80,
            node_port: None,
        }],
        internal_local: false,
        external_local: false,
        affinity_seconds: None,
    }
}

fn slice(service: &str, hosts: &[u8]) -> Slice {
    let endpoints = hosts.iter().map(|host| EndpointState {
        address: Ipv4Addr::new(10, 244, 0, *host),
        ready: true,
        serving_terminating: false,
        local: *host < 10,
        maybe_local: *host < 10,
    });
    Slice {
        service: service.into(),
        ports: vec![(String::new(), Protocol::Tcp, 8080)],
        endpoints: endpoints.collect(),
    }
}

/// The transaction for what has changed in the catalog.
fn plan(catalog: &mut Catalog, installed: &mut Installed) -> String {
    let mut batch = Batch::new();
    installed.plan(&layout(), &catalog.take_changes(), &mut batch);
    batch.to_string()
}

fn web(hosts: &[u8]) -> (Catalog, Installed) {
    let mut catalog = Catalog::new();
    catalog.set_service(ServiceKey::new("default", "web"), Some(definition(10)));
    catalog.set_slice("default", "web-1", Some(slice("web", hosts)));
    let mut installed = Installed::empty();
    plan(&mut catalog, &mut installed);
    (catalog, installed)
}

#[test]
fn the_first_service_adds_its_count_and_elements() {
    let mut catalog = Catalog::new();
    catalog.set_service(ServiceKey::new("default", "web"), Some(definition(10)));
    catalog.set_slice("default", "web-1", Some(slice("web", &[2, 20])));
    let expected = "\
add set svc-2 [Ip4Daddr, L4Proto, Dport]
add chain n2
add rule n2 dnat to [Ip4Daddr, L4Proto, Dport, Random(2)] map @endpoints
add rule n2 dnat to [Ip4Daddr, L4Proto, Dport, Random(1)] map @endpoints
add rule n2 drop
insert rule balance [Ip4Daddr, L4Proto, Dport] == @svc-2 goto n2
add element cluster-ips
    0a60000a
add element endpoints
    0a60000a.06000000.00500000.00000000 : 0af40002.1f900000
    0a60000a.06000000.00500000.01000000 : 0af40014.1f900000
add element hairpin
    0af40002.0af40002
add element services
    0a60000a.06000000.00500000
add element svc-2
    0a60000a.06000000.00500000
";
    assert_eq!(plan(&mut catalog, &mut Installed::empty()), expected);
}

#[test]
fn a_removed_endpoint_makes_room_for_the_last_one() {
    let (mut catalog, mut installed) = web(&[20, 21, 22]);
    catalog.set_slice("default", "web-1", Some(slice("web", &[21, 22])));
    let expected = "\
add set svc-2 [Ip4Daddr, L4Proto, Dport]
add chain n2
add rule n2 dnat to [Ip4Daddr, L4Proto, Dport, Random(2)] map @endpoints
add rule n2 dnat to [Ip4Daddr, L4Proto, Dport, Random(1)] map @endpoints
add rule n2 drop
insert rule balance [Ip4Daddr, L4Proto, Dport] == @svc-2 goto n2
delete element endpoints
    0a60000a.06000000.00500000.00000000
    0a60000a.06000000.00500000.02000000
add element endpoints
    0a60000a.06000000.00500000.00000000 : 0af40016.1f900000
add element svc-2
    0a60000a.06000000.00500000
delete element svc-3
    0a60000a.06000000.00500000
";
    assert_eq!(plan(&mut catalog, &mut installed), expected);
    // Another Service may change the same way without a new chain.
    catalog.set_slice("default", "web-1", Some(slice("web", &[21, 22, 23])));
    assert!(!plan(&mut catalog, &mut installed).contains("chain"));
}

#[test]
fn a_replaced_endpoint_touches_one_slot() {
    let (mut catalog, mut installed) = web(&[20, 21, 22]);
    catalog.set_slice("default", "web-1", Some(slice("web", &[20, 22, 23])));
    let expected = "\
delete element endpoints
    0a60000a.06000000.00500000.01000000
add element endpoints
    0a60000a.06000000.00500000.01000000 : 0af40017.1f900000
";
    assert_eq!(plan(&mut catalog, &mut installed), expected);
    assert_eq!(plan(&mut catalog, &mut installed), "", "nothing has changed since");
}

#[test]
fn the_last_endpoint_leaves_a_refusal_and_a_deleted_service_nothing() {
    let (mut catalog, mut installed) = web(&[2]);
    catalog.set_slice("default", "web-1", None);
    let expected = "\
delete element endpoints
    0a60000a.06000000.00500000.00000000
add element refused
    0a60000a.06000000.00500000
delete element services
    0a60000a.06000000.00500000
delete element svc-1
    0a60000a.06000000.00500000
";
    assert_eq!(plan(&mut catalog, &mut installed), expected);
    catalog.set_service(ServiceKey::new("default", "web"), None);
    let expected = "\
delete element cluster-ips
    0a60000a
delete element refused
    0a60000a.06000000.00500000
";
    assert_eq!(plan(&mut catalog, &mut installed), expected);
    assert!(installed.is_unsettled());
    let mut batch = Batch::new();
    installed.settle(&layout(), &mut batch);
    assert_eq!(batch.to_string(), "delete element hairpin\n    0af40002.0af40002\n");
    assert!(!installed.is_unsettled());
}

#[test]
fn a_local_endpoint_that_comes_back_at_once_keeps_its_hairpin() {
    let (mut catalog, mut installed) = web(&[2]);
    catalog.set_slice("default", "web-1", None);
    plan(&mut catalog, &mut installed);
    catalog.set_slice("default", "web-1", Some(slice("web", &[2])));
    assert!(!plan(&mut catalog, &mut installed).contains("hairpin"));
    assert!(!installed.is_unsettled());
}

#[test]
fn a_cluster_ip_that_moves_to_another_service_in_one_transaction_is_served_by_it() {
    let (mut catalog, mut installed) = web(&[20]);
    catalog.set_service(ServiceKey::new("default", "new"), Some(definition(10)));
    catalog.set_slice("default", "new-1", Some(slice("new", &[30])));
    catalog.set_service(ServiceKey::new("default", "web"), None);
    let expected = "\
delete element endpoints
    0a60000a.06000000.00500000.00000000
add element endpoints
    0a60000a.06000000.00500000.00000000 : 0af4001e.1f900000
";
    assert_eq!(plan(&mut catalog, &mut installed), expected);
}

#[test]
fn the_difference_to_what_is_installed_is_empty_or_complete() {
    let (catalog, installed) = web(&[2, 20]);
    let mut same = Batch::new();
    installed.clone().plan(&layout(), &installed.difference(catalog.everything()), &mut same);
    assert_eq!(same.to_string(), "");
    let mut gone = Batch::new();
    let mut state = installed.clone();
    state.plan(&layout(), &installed.difference(Catalog::new().everything()), &mut gone);
    let text = gone.to_string();
    for set in ["cluster-ips", "endpoints", "services", "svc-2"] {
        assert!(text.contains(&format!("delete element {set}\n")), "{text}");
    }
    assert!(!text.contains("add "), "{text}");
}
