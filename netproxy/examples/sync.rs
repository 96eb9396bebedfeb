//! Measures full synchronisation and one endpoint's change: `sync [SERVICES…]`, as root, in a network namespace of its
//! own (it replaces the table of Services of the one that it runs in).
//!
//! For each number two rounds: two endpoints per Service, and endpoint counts drawn from a Zipf law over 0 to 1,000.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use kingpost_netproxy::{
    Config, Definition, EndpointState, PortDefinition, Protocol, Proxy, ServiceKey, Slice, uninstall,
};

const CHANGES: u32 = 200;

fn main() -> anyhow::Result<()> {
    let mut counts: Vec<u32> = std::env::args()
        .skip(1)
        .map(|text| text.parse().context("number of Services"))
        .collect::<Result<_, _>>()?;
    if counts.is_empty() {
        counts = vec![1000, 5000];
    }
    let state = std::env::temp_dir().join(format!("kingpost-netproxy-bench-{}", std::process::id()));
    let config = Config {
        kubeconfig: "unused".into(),
        node_name: "node".into(),
        node_addresses: Vec::new(),
        pod_cidr: "10.128.0.0/9".parse()?,
        service_cidr: "10.0.0.0/12".parse()?,
        node_port_range: Config::DEFAULT_NODE_PORTS,
        state_dir: state,
        table: "kingpost-bench".into(),
    };
    for services in counts {
        measure(&config, services, "2 endpoints", |_| 2)?;
        measure(&config, services, "Zipf 0..1000", zipf)?;
    }
    Ok(())
}

/// The count of a Service by its rank: 1,000 for the first, then falling as its inverse, to none for the last tenth.
fn zipf(rank: u32) -> u32 {
    if rank % 10 == 9 { 0 } else { (1000 / (rank / 4 + 1)).max(1) }
}

fn measure(config: &Config, services: u32, kind: &str, count: impl Fn(u32) -> u32) -> anyhow::Result<()> {
    let mut proxy = Proxy::open(config)?;
    for number in 0..services {
        proxy.catalog.set_service(key(number), Some(definition(number)));
        proxy.catalog.set_slice("bench", &number.to_string(), Some(slice(number, count(number), 0)));
    }
    let started = Instant::now();
    let synced = proxy.sync()?;
    let full = started.elapsed();
    ensure!(synced.rebuilt, "the table was there before");
    let mut times: Vec<Duration> = Vec::new();
    for change in 1..=CHANGES {
        // Another address for the last endpoint of a Service somewhere in the middle.
        let number = (change * 37) % services;
        proxy.catalog.set_slice(
            "bench",
            &number.to_string(),
            Some(slice(number, count(number).max(1), change)),
        );
        let started = Instant::now();
        proxy.sync()?;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or_default();
    let memory = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let pss = memory.lines().find(|line| line.starts_with("Pss:")).unwrap_or("Pss: unknown");
    println!(
        "{services} Services, {kind}: full {full:.1?} ({} elements); one endpoint p50 {:.1?} p99 {:.1?}; {pss}",
        synced.elements,
        at(50),
        at(99)
    );
    let mut restarted = Proxy::open(config)?;
    restarted.catalog = std::mem::take(&mut proxy.catalog);
    let started = Instant::now();
    let synced = restarted.sync()?;
    println!(
        "  taken over by the next process in {:.1?} ({} elements changed)",
        started.elapsed(),
        synced.elements
    );
    uninstall(config)?;
    Ok(())
}

fn key(number: u32) -> ServiceKey {
    ServiceKey::new("bench", number.to_string())
}

fn definition(number: u32) -> Definition {
    Definition {
        cluster_ips: vec![Ipv4Addr::from(0x0a00_0001 + number)],
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

fn slice(number: u32, count: u32, change: u32) -> Slice {
    let base = 0x0a80_0000 + number * 1024;
    let endpoints = (0..count).map(|n| {
        let moved = if n + 1 == count { change } else { 0 };
        EndpointState {
            address: Ipv4Addr::from(base.wrapping_add(n).wrapping_add(moved << 10)),
            ready: true,
            serving_terminating: false,
            local: n % 50 == 0,
            maybe_local: n % 50 == 0,
        }
    });
    Slice {
        service: number.to_string(),
        ports: vec![(String::new(), Protocol::Tcp, 8080)],
        endpoints: endpoints.collect(),
    }
}
