//! Times of a pod's life over gRPC; run with `--ignored --nocapture`.

use std::time::{Duration, Instant};

use kingpost_proto::cri;

use crate::harness::{Node, Requests as _, able, script};

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn times_of_a_pod() {
    if !able() {
        return;
    }
    let node = Node::start().await;
    for host_network in [false, true] {
        rounds(&node, host_network).await;
    }
}

async fn rounds(node: &Node, host_network: bool) {
    const ROUNDS: usize = 50;
    let mut runtime = node.runtime().await;
    let (mut up, mut exec, mut down) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let mut sandbox = node.sandbox(&format!("m{round}"));
        let mut config = script("c", "exec sleep 1000");
        if host_network {
            let context = sandbox.linux.as_mut().unwrap().security_context.as_mut().unwrap();
            context.namespace_options.as_mut().unwrap().network = cri::NamespaceMode::Node.into();
            let context = config.linux.as_mut().unwrap().security_context.as_mut().unwrap();
            context.namespace_options.as_mut().unwrap().network = cri::NamespaceMode::Node.into();
        }
        let start = Instant::now();
        let pod = runtime.run(&sandbox).await;
        let container = runtime.create(&pod, &sandbox, config).await.unwrap();
        runtime.begin(&container).await.unwrap();
        up.push(start.elapsed());
        let start = Instant::now();
        let request =
            cri::ExecSyncRequest { container_id: container.clone(), cmd: vec!["true".into()], timeout: 10 };
        runtime.exec_sync(request).await.unwrap();
        exec.push(start.elapsed());
        let start = Instant::now();
        runtime.remove_pod(&pod).await;
        down.push(start.elapsed());
    }
    let network = if host_network { "host" } else { "pod" };
    let (up, exec, down) = (median(up), median(exec), median(down));
    println!("{network} network, p50 of {ROUNDS}: up {up:?}, exec {exec:?}, down {down:?}");
}
