//! Frontends from the API's objects, as kube-proxy derives them.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::net::Ipv4Addr;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kingpost_netproxy::{
    Backends, Catalog, Config, Definition, Endpoint, Frontend, Notice, Protocol, ServiceKey, Slice,
};
use serde_json::{Value, json};

const FRONTEND: Frontend = Frontend::Cluster(Ipv4Addr::new(10, 96, 0, 10), Protocol::Tcp, 80);
const NODE: Frontend = Frontend::Node(Protocol::Tcp, 30_080);
const NODE_LOCAL: Frontend = Frontend::NodeLocal(Protocol::Tcp, 30_080);

fn read(spec: &Value) -> (Option<Definition>, Vec<Notice>) {
    let service: Service = serde_json::from_value(json!({ "metadata": {}, "spec": spec })).unwrap();
    Definition::read(&service, &Config::DEFAULT_NODE_PORTS)
}

fn spec(extra: Value) -> Value {
    let mut spec = json!({
        "clusterIP": "10.96.0.10",
        "clusterIPs": ["10.96.0.10"],
        "type": "NodePort",
        "ports": [{ "name": "http", "port": 80, "protocol": "TCP", "nodePort": 30080 }],
    });
    spec.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    spec
}

fn endpoint(host: u8, node: &str, conditions: Value) -> Value {
    json!({ "addresses": [format!("10.244.0.{host}")], "nodeName": node, "conditions": conditions })
}

fn slice(endpoints: &[Value]) -> Option<Slice> {
    let slice: EndpointSlice = serde_json::from_value(json!({
        "metadata": { "labels": { "kubernetes.io/service-name": "web" } },
        "addressType": "IPv4",
        "ports": [{ "name": "http", "port": 8080, "protocol": "TCP" }],
        "endpoints": endpoints,
    }))
    .unwrap();
    Slice::read(&slice, "here")
}

fn catalog(extra: Value, endpoints: &[Value]) -> Catalog {
    let mut catalog = Catalog::new();
    catalog.set_service(ServiceKey::new("default", "web"), read(&spec(extra)).0);
    catalog.set_slice("default", "web-1", slice(endpoints));
    catalog.take_changes();
    catalog
}

fn balance(hosts: &[u8]) -> Option<Backends> {
    let endpoint = |host: &u8| Endpoint { address: Ipv4Addr::new(10, 244, 0, *host), port: 8080 };
    Some(Backends::Balance(hosts.iter().map(endpoint).collect()))
}

#[test]
fn missing_conditions_count_as_ready() {
    let catalog = catalog(json!({}), &[endpoint(2, "here", json!({})), endpoint(1, "there", json!(null))]);
    assert_eq!(catalog.backends(FRONTEND).cloned(), balance(&[1, 2]));
    assert_eq!(catalog.backends(NODE).cloned(), balance(&[1, 2]));
    assert_eq!(catalog.backends(NODE_LOCAL), None);
}

#[test]
fn terminating_endpoints_serve_only_while_none_is_ready() {
    let terminating = endpoint(1, "here", json!({ "ready": false, "serving": true, "terminating": true }));
    let failing = endpoint(2, "here", json!({ "ready": false, "serving": false, "terminating": true }));
    let starting = endpoint(3, "here", json!({ "ready": false, "serving": false, "terminating": false }));
    let ready = endpoint(4, "here", json!({ "ready": true }));
    let all = [terminating.clone(), failing.clone(), starting.clone(), ready];
    assert_eq!(catalog(json!({}), &all).backends(FRONTEND).cloned(), balance(&[4]));
    let without = [terminating, failing.clone(), starting.clone()];
    assert_eq!(catalog(json!({}), &without).backends(FRONTEND).cloned(), balance(&[1]));
    let none = catalog(json!({}), &[failing, starting]);
    assert_eq!(none.backends(FRONTEND), Some(&Backends::Reject));
}

#[test]
fn local_policies_choose_by_node_and_never_leave_it() {
    let policies = json!({ "internalTrafficPolicy": "Local", "externalTrafficPolicy": "Local" });
    let endpoints = [endpoint(1, "here", json!({})), endpoint(2, "there", json!({}))];
    let both = catalog(policies.clone(), &endpoints);
    assert_eq!(both.backends(FRONTEND).cloned(), balance(&[1]));
    assert_eq!(both.backends(NODE).cloned(), balance(&[1, 2]));
    assert_eq!(both.backends(NODE_LOCAL).cloned(), balance(&[1]));
    let elsewhere = catalog(policies.clone(), &endpoints[1..]);
    assert_eq!(elsewhere.backends(FRONTEND).cloned(), balance(&[]), "dropped, not refused");
    assert_eq!(elsewhere.backends(NODE_LOCAL).cloned(), balance(&[]));
    let nowhere = catalog(policies, &[]);
    assert_eq!(nowhere.backends(FRONTEND), Some(&Backends::Reject));
    assert_eq!(nowhere.backends(NODE), Some(&Backends::Reject));
}

#[test]
fn affinity_has_upstreams_timeout_unless_set() {
    let endpoints = [endpoint(1, "here", json!({}))];
    for (config, expected) in [(json!(null), 10_800), (json!({ "clientIP": { "timeoutSeconds": 5 } }), 5)] {
        let extra = json!({ "sessionAffinity": "ClientIP", "sessionAffinityConfig": config });
        let catalog = catalog(extra, &endpoints);
        let Some(Backends::Sticky { seconds, .. }) = catalog.backends(FRONTEND) else {
            unreachable!("no affinity")
        };
        assert_eq!(*seconds, expected);
    }
}

#[test]
fn endpoints_of_several_slices_are_joined_and_counted_once() {
    let mut catalog = catalog(json!({}), &[endpoint(1, "here", json!({})), endpoint(2, "here", json!({}))]);
    let second = [endpoint(2, "here", json!({})), endpoint(3, "here", json!({}))];
    catalog.set_slice("default", "web-2", slice(&second));
    catalog.set_slice("other", "web-3", slice(&[endpoint(9, "here", json!({}))]));
    catalog.take_changes();
    assert_eq!(catalog.backends(FRONTEND).cloned(), balance(&[1, 2, 3]));
}

#[test]
fn addresses_of_the_node_itself_and_of_nobody_are_no_endpoints() {
    let address = |text: &str| json!({ "addresses": [text] });
    let refused = ["127.0.0.1", "169.254.169.254", "224.0.0.1", "0.0.0.0", "255.255.255.255", "fe80::1", "x"];
    let endpoints: Vec<_> = refused.iter().map(|text| address(text)).collect();
    assert_eq!(catalog(json!({}), &endpoints).backends(FRONTEND), Some(&Backends::Reject));
}

#[test]
fn ports_match_by_name_and_protocol() {
    let mut spec = spec(json!({}));
    *spec.pointer_mut("/ports/0/protocol").unwrap() = json!("UDP");
    let mut catalog = Catalog::new();
    catalog.set_service(ServiceKey::new("default", "web"), read(&spec).0);
    catalog.set_slice("default", "web-1", slice(&[endpoint(1, "here", json!({}))]));
    catalog.take_changes();
    let udp = Frontend::Cluster(Ipv4Addr::new(10, 96, 0, 10), Protocol::Udp, 80);
    assert_eq!(catalog.backends(udp), Some(&Backends::Reject));
    assert_eq!(catalog.backends(FRONTEND), None);
}

#[test]
fn services_without_cluster_ip_have_no_frontends() {
    for extra in [
        json!({ "clusterIP": "None", "clusterIPs": ["None"] }),
        json!({ "clusterIP": "", "clusterIPs": null }),
        json!({ "type": "ExternalName", "externalName": "example.org" }),
    ] {
        assert_eq!(read(&spec(extra)), (None, Vec::new()));
    }
}

#[test]
fn what_is_not_served_is_named() {
    let (definition, notices) = read(&spec(json!({
        "clusterIPs": ["10.96.0.10", "fd00::1"],
        "externalIPs": ["8.8.8.8"],
        "ports": [{ "name": "ssh", "port": 22, "nodePort": 22 }],
    })));
    assert_eq!(definition.unwrap().ports.first().unwrap().node_port, None);
    assert_eq!(notices, [Notice::Ipv6, Notice::ExternalIps, Notice::NodePort(22)]);
}
