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
    const ROUNDS: usize = 50;
    let node = Node::start().await;
    let mut runtime = node.runtime().await;
    let (mut up, mut exec, mut down) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let sandbox = node.sandbox(&format!("m{round}"));
        let start = Instant::now();
        let pod = runtime.run(&sandbox).await;
        let container = runtime.create(&pod, &sandbox, script("c", "exec sleep 1000")).await.unwrap();
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
    println!("p50 of {ROUNDS}: up {:?}, exec {:?}, down {:?}", median(up), median(exec), median(down));
}
