//! Connections through the real rules, in network namespaces of each test's own. Needs root.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failure here is a failed test"
)]

mod cluster;

use std::io::ErrorKind;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cluster::{Cluster, NODE, OUTSIDE, ask, get, ip, key, service, set_endpoints};
use kingpost_netproxy::{EndpointState, Proxy};

const NODE_PORT: u16 = 30_080;
/// Long enough for an answer within one machine, short enough to wait for a packet that is dropped.
const SILENCE: Duration = Duration::from_millis(400);

/// A cluster whose Service `web` at 10.96.0.10 and the node port has all pods.
fn web(name: &str, pods: u8) -> (Cluster, Proxy) {
    let cluster = Cluster::new(name, pods);
    let mut proxy = cluster.proxy();
    proxy.catalog.set_service(key("web"), Some(service(10, NODE_PORT)));
    set_endpoints(&mut proxy, "web", cluster.endpoints(0..pods.into()));
    proxy.sync().unwrap();
    (cluster, proxy)
}

fn assert_even(spread: &[(String, usize)], servers: usize, total: usize) {
    assert_eq!(spread.len(), servers, "{spread:?}");
    let mean = total / servers;
    // Five standard deviations and more, at these numbers.
    assert!(spread.iter().all(|(_, n)| n.abs_diff(mean) < mean * 6 / 10), "{spread:?}");
}

#[test]
fn connections_spread_evenly_from_pod_node_and_outside() {
    let (cluster, _proxy) = web("spread", 3);
    assert_even(&cluster.pods[0].namespace.spread(ip(10), 80, 300), 3, 300);
    assert_even(&cluster.node.spread(ip(10), 80, 300), 3, 300);
    assert_even(&cluster.outside.spread(NODE, NODE_PORT, 300), 3, 300);
    assert_even(&cluster.outside.spread(ip(10), 80, 300), 3, 300);
    assert_even(&cluster.node.spread(NODE, NODE_PORT, 300), 3, 300);
}

#[test]
fn pods_see_who_asks_unless_the_reply_would_get_lost() {
    let (cluster, mut proxy) = web("sources", 2);
    set_endpoints(&mut proxy, "web", cluster.endpoints([1]));
    proxy.sync().unwrap();
    let neighbour = cluster.pods[0].namespace.get(ip(10), 80).unwrap();
    assert_eq!(neighbour.client, IpAddr::V4(cluster.pods[0].address));
    assert_eq!(cluster.node.get(ip(10), 80).unwrap().client, IpAddr::V4(NODE));
    assert_eq!(cluster.outside.get(NODE, NODE_PORT).unwrap().client, IpAddr::V4(NODE));
}

#[test]
fn a_pod_reaches_itself_through_its_service() {
    let (cluster, _proxy) = web("hairpin", 1);
    let answer = cluster.pods[0].namespace.get(ip(10), 80).unwrap();
    assert_eq!(answer.server, "pod1");
    assert_eq!(answer.client, IpAddr::V4(NODE));
    assert_eq!(ask(&cluster.pods[0].namespace.udp(ip(10), 80)).unwrap(), "pod1");
}

#[test]
fn services_work_whatever_the_bridge_and_the_default_route_are() {
    let (cluster, _proxy) = web("variants", 2);
    for default_route in [false, true] {
        if default_route {
            cluster.node.exec(&["ip", "route", "add", "default", "via", &OUTSIDE.to_string()], "");
        }
        for bridged in ["0", "1"] {
            let file = "/proc/sys/net/bridge/bridge-nf-call-iptables";
            cluster.node.run(|| {
                if std::fs::exists(file).unwrap() {
                    std::fs::write(file, bridged).unwrap();
                }
            });
            assert_even(&cluster.pods[0].namespace.spread(ip(10), 80, 100), 2, 100);
            assert_even(&cluster.node.spread(ip(10), 80, 100), 2, 100);
            assert_even(&cluster.outside.spread(NODE, NODE_PORT, 100), 2, 100);
        }
    }
}

#[test]
fn a_service_without_endpoints_is_refused_and_what_nobody_has_is_dropped() {
    let (cluster, mut proxy) = web("refused", 1);
    set_endpoints(&mut proxy, "web", Vec::new());
    proxy.sync().unwrap();
    for (from, to, port) in [
        (&cluster.pods[0].namespace, ip(10), 80),
        (&cluster.node, ip(10), 80),
        (&cluster.outside, NODE, NODE_PORT),
        (&cluster.node, NODE, NODE_PORT),
        // A port that the Service does not have.
        (&cluster.pods[0].namespace, ip(10), 81),
        (&cluster.node, ip(10), 81),
    ] {
        let refused = from.get(to, port).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused, "{to}:{port}");
    }
    for from in [&cluster.pods[0].namespace, &cluster.node] {
        let silence = from.get_within(ip(99), 80, SILENCE).unwrap_err();
        assert_eq!(silence.kind(), ErrorKind::TimedOut);
    }
    // And back again.
    set_endpoints(&mut proxy, "web", cluster.endpoints([0]));
    proxy.sync().unwrap();
    cluster.pods[0].namespace.get(ip(10), 80).unwrap();
    cluster.outside.get(NODE, NODE_PORT).unwrap();
    // A Service that is deleted leaves an unallocated address behind.
    proxy.catalog.set_service(key("web"), None);
    proxy.sync().unwrap();
    let silence = cluster.node.get_within(ip(10), 80, SILENCE).unwrap_err();
    assert_eq!(silence.kind(), ErrorKind::TimedOut);
}

#[test]
fn the_nodes_loopback_is_not_exposed_and_has_no_node_ports() {
    let (cluster, _proxy) = web("loopback", 1);
    let loopback = cluster.node.get(std::net::Ipv4Addr::LOCALHOST, NODE_PORT).unwrap_err();
    assert_eq!(loopback.kind(), ErrorKind::ConnectionRefused);
    let setting = cluster.node.exec(&["cat", "/proc/sys/net/ipv4/conf/all/route_localnet"], "");
    assert_eq!(setting.trim(), "0");
}

/// How often rules change at least while a client connects.
const ROUNDS: u32 = 40;

struct Stopper<'a>(&'a AtomicBool);

impl Drop for Stopper<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Connects over and over from a pod while `change` runs; gives how many answers there were. Every request must be answered.
fn under_traffic(cluster: &Cluster, mut change: impl FnMut()) -> usize {
    let stop = AtomicBool::new(false);
    let stopper = Stopper(&stop);
    let answered = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        // Also when a change fails, or the client would go on for ever.
        let stopper = stopper;
        let client = scope.spawn(|| {
            cluster.pods[0].namespace.run(|| {
                while !stop.load(Ordering::Relaxed) {
                    // No packet may be lost: a second try of TCP would come after a second.
                    let started = Instant::now();
                    get(ip(10), 80, Duration::from_secs(3)).unwrap();
                    assert!(started.elapsed() < Duration::from_millis(900), "a packet was lost");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        });
        let before = answered.load(Ordering::Relaxed);
        change();
        let mut rounds = 1;
        let deadline = Instant::now() + Duration::from_secs(20);
        while (rounds < ROUNDS || answered.load(Ordering::Relaxed) < before + 300)
            && !client.is_finished()
            && Instant::now() < deadline
        {
            change();
            rounds += 1;
        }
        assert!(client.is_finished() || rounds >= ROUNDS, "{rounds} rounds");
        drop(stopper);
        client.join().unwrap();
    });
    answered.into_inner()
}

#[test]
fn endpoints_come_and_go_without_a_lost_request() {
    let (cluster, mut proxy) = web("changes", 4);
    let mut round = 0;
    let answered = under_traffic(&cluster, || {
        round += 1;
        // All sizes from one to four, and every pod leaves at some time.
        let chosen = (0..4).filter(|pod| (round / (pod + 1)) % 2 == 0 || *pod == round % 4);
        set_endpoints(&mut proxy, "web", cluster.endpoints(chosen));
        proxy.sync().unwrap();
    });
    assert!(answered >= 300, "{answered} answers");
}

#[test]
fn a_restarted_proxy_takes_over_without_a_gap() {
    let (cluster, proxy) = web("restart", 3);
    drop(proxy);
    let mut round = 0;
    under_traffic(&cluster, || {
        round += 1;
        let mut proxy = cluster.proxy();
        proxy.catalog.set_service(key("web"), Some(service(10, NODE_PORT)));
        // What changed while nobody watched is part of the first transaction.
        set_endpoints(&mut proxy, "web", cluster.endpoints(if round % 2 == 0 { 0..3 } else { 1..2 }));
        let synced = proxy.sync().unwrap();
        assert!(!synced.rebuilt, "the rules were not taken over");
    });
    let mut proxy = cluster.proxy();
    proxy.catalog.set_service(key("web"), Some(service(10, NODE_PORT)));
    set_endpoints(&mut proxy, "web", cluster.endpoints(0..3));
    proxy.sync().unwrap();
    let mut same = cluster.proxy();
    same.catalog.set_service(key("web"), Some(service(10, NODE_PORT)));
    set_endpoints(&mut same, "web", cluster.endpoints(0..3));
    assert_eq!(same.sync().unwrap().elements, 0, "a restart without changes changes nothing");
}

#[test]
fn a_table_of_another_layout_is_replaced_without_a_gap() {
    let (cluster, proxy) = web("replace", 3);
    drop(proxy);
    let mut round = 0u8;
    under_traffic(&cluster, || {
        round = round.wrapping_add(1);
        let mut config = cluster.config();
        config.service_cidr = format!("10.96.0.0/{}", 16 + round % 2).parse().unwrap();
        let mut proxy = cluster.node.run(|| Proxy::open(&config).unwrap());
        proxy.catalog.set_service(key("web"), Some(service(10, NODE_PORT)));
        set_endpoints(&mut proxy, "web", cluster.endpoints(0..3));
        assert!(proxy.sync().unwrap().rebuilt);
    });
}

#[test]
fn a_table_that_someone_deleted_is_written_anew() {
    let (cluster, mut proxy) = web("tampered", 2);
    cluster.node.exec(&["nft", "flush", "ruleset"], "");
    set_endpoints(&mut proxy, "web", cluster.endpoints([1]));
    assert!(proxy.sync().unwrap().rebuilt);
    assert_eq!(cluster.pods[0].namespace.get(ip(10), 80).unwrap().server, "pod2");
    // Someone empties a set: a restart notices.
    cluster.node.exec(&["nft", "flush", "set", "ip", "kingpost-services", "svc-1"], "");
    let mut next = cluster.proxy();
    next.catalog.set_service(key("web"), Some(service(10, NODE_PORT)));
    set_endpoints(&mut next, "web", cluster.endpoints([1]));
    assert!(next.sync().unwrap().rebuilt);
    assert_eq!(cluster.pods[0].namespace.get(ip(10), 80).unwrap().server, "pod2");
}

#[test]
fn udp_clients_leave_an_endpoint_that_is_gone() {
    let (cluster, mut proxy) = web("udp", 3);
    for (client, to, port) in [
        (&cluster.pods[0].namespace, ip(10), 80),
        (&cluster.node, ip(10), 80),
        (&cluster.outside, NODE, NODE_PORT),
    ] {
        set_endpoints(&mut proxy, "web", cluster.endpoints(0..3));
        proxy.sync().unwrap();
        let socket = client.udp(to, port);
        let first = ask(&socket).unwrap();
        assert_eq!(ask(&socket).unwrap(), first, "a flow stays with its endpoint");
        let gone = cluster.pods.iter().position(|pod| pod.name == first).unwrap();
        set_endpoints(&mut proxy, "web", cluster.endpoints((0..3).filter(|pod| *pod != gone)));
        assert!(proxy.sync().unwrap().flows >= 1);
        assert_ne!(ask(&socket).unwrap(), first, "{to}:{port}");
    }
}

#[test]
fn udp_clients_that_came_before_the_endpoints_reach_them() {
    let (cluster, mut proxy) = web("early", 1);
    set_endpoints(&mut proxy, "web", Vec::new());
    proxy.sync().unwrap();
    let socket = cluster.pods[0].namespace.udp(ip(10), 80);
    assert_eq!(ask(&socket).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    set_endpoints(&mut proxy, "web", cluster.endpoints([0]));
    proxy.sync().unwrap();
    assert_eq!(ask(&socket).unwrap(), "pod1");
}

#[test]
fn local_policies_keep_to_this_node_and_show_the_client() {
    let (cluster, mut proxy) = web("local", 2);
    let mut definition = service(10, NODE_PORT);
    definition.external_local = true;
    definition.internal_local = true;
    proxy.catalog.set_service(key("web"), Some(definition));
    let elsewhere = EndpointState { local: false, maybe_local: false, ..cluster.endpoint(1) };
    set_endpoints(&mut proxy, "web", vec![cluster.endpoint(0), elsewhere]);
    proxy.sync().unwrap();
    for _ in 0..20 {
        let outside = cluster.outside.get(NODE, NODE_PORT).unwrap();
        assert_eq!((outside.server.as_str(), outside.client), ("pod1", IpAddr::V4(OUTSIDE)));
        assert_eq!(cluster.pods[1].namespace.get(ip(10), 80).unwrap().server, "pod1");
    }
    // The node port serves the cluster's own clients from everywhere.
    assert_even(&cluster.pods[0].namespace.spread(NODE, NODE_PORT, 60), 2, 60);
    assert_even(&cluster.node.spread(NODE, NODE_PORT, 60), 2, 60);
    set_endpoints(&mut proxy, "web", vec![elsewhere]);
    proxy.sync().unwrap();
    for (from, to, port) in [(&cluster.outside, NODE, NODE_PORT), (&cluster.pods[0].namespace, ip(10), 80)] {
        assert_eq!(from.get_within(to, port, SILENCE).unwrap_err().kind(), ErrorKind::TimedOut);
    }
}

#[test]
fn clients_with_affinity_stay_until_their_endpoint_goes() {
    let (cluster, mut proxy) = web("affinity", 3);
    let mut definition = service(10, NODE_PORT);
    definition.affinity_seconds = Some(60);
    proxy.catalog.set_service(key("web"), Some(definition.clone()));
    proxy.sync().unwrap();
    let client = &cluster.pods[0].namespace;
    let spread = client.spread(ip(10), 80, 40);
    assert_eq!(spread.len(), 1, "{spread:?}");
    let first = spread[0].0.clone();
    // Other endpoints come and go, and so does the proxy: the client stays.
    let chosen = cluster.pods.iter().position(|pod| pod.name == first).unwrap();
    set_endpoints(&mut proxy, "web", cluster.endpoints([chosen]));
    proxy.sync().unwrap();
    drop(proxy);
    let mut proxy = cluster.proxy();
    proxy.catalog.set_service(key("web"), Some(definition));
    set_endpoints(&mut proxy, "web", cluster.endpoints(0..3));
    assert!(!proxy.sync().unwrap().rebuilt);
    assert_eq!(client.spread(ip(10), 80, 40), [(first.clone(), 40)]);
    set_endpoints(&mut proxy, "web", cluster.endpoints((0..3).filter(|pod| *pod != chosen)));
    proxy.sync().unwrap();
    let after = client.spread(ip(10), 80, 40);
    assert!(after.len() == 1 && after[0].0 != first, "{after:?}");
    // Without affinity again.
    proxy.catalog.set_service(key("web"), Some(service(10, NODE_PORT)));
    proxy.sync().unwrap();
    assert_eq!(client.spread(ip(10), 80, 60).len(), 2);
    let listed = cluster.node.exec(&["nft", "list", "ruleset"], "");
    assert!(!listed.contains("to-10.96"), "{listed}");
}
