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
    let mut times: [Vec<Duration>; 6] = Default::default();
    for round in 0..ROUNDS {
        let mut sandbox = node.sandbox(&format!("m{round}"));
        let mut config = script("c", "exec sleep 1000");
        if host_network {
            let context = sandbox.linux.as_mut().unwrap().security_context.as_mut().unwrap();
            context.namespace_options.as_mut().unwrap().network = cri::NamespaceMode::Node.into();
            let context = config.linux.as_mut().unwrap().security_context.as_mut().unwrap();
            context.namespace_options.as_mut().unwrap().network = cri::NamespaceMode::Node.into();
        }
        let mut last = Instant::now();
        let mut lap = |step: usize| {
            times[step].push(last.elapsed());
            last = Instant::now();
        };
        let pod = runtime.run(&sandbox).await;
        lap(0);
        let container = runtime.create(&pod, &sandbox, config).await.unwrap();
        lap(1);
        runtime.begin(&container).await.unwrap();
        lap(2);
        let request =
            cri::ExecSyncRequest { container_id: container.clone(), cmd: vec!["true".into()], timeout: 10 };
        runtime.exec_sync(request).await.unwrap();
        lap(3);
        runtime.stop_pod_sandbox(cri::StopPodSandboxRequest { pod_sandbox_id: pod.clone() }).await.unwrap();
        lap(4);
        runtime.remove_pod_sandbox(cri::RemovePodSandboxRequest { pod_sandbox_id: pod }).await.unwrap();
        lap(5);
    }
    let network = if host_network { "host" } else { "pod" };
    let [run, create, start, exec, stop, remove] = times.map(median);
    println!(
        "{network} network, p50 of {ROUNDS}: run {run:.1?}, create {create:.1?}, start {start:.1?}, exec {exec:.1?}, \
         stop {stop:.1?}, remove {remove:.1?}"
    );
}
