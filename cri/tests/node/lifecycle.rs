//! Sandboxes and containers from their making to their removal.

use kingpost_proto::cri;

use crate::harness::{Node, Requests as _, able, script};

#[tokio::test]
async fn a_pod_runs_and_goes_without_a_trace() {
    if !able() {
        return;
    }
    let node = Node::start().await;
    let mut runtime = node.runtime().await;
    let sandbox = node.sandbox("web");
    let pod = runtime.run(&sandbox).await;
    assert_eq!(pod.len(), 64);

    let request = cri::PodSandboxStatusRequest { pod_sandbox_id: pod.clone(), verbose: true };
    let answer = runtime.pod_sandbox_status(request).await.unwrap().into_inner();
    let status = answer.status.unwrap();
    assert_eq!(status.state(), cri::PodSandboxState::SandboxReady);
    assert!(status.network.unwrap().ip.starts_with("10.213.7."));
    assert_eq!(status.annotations, sandbox.annotations, "annotations come back unchanged");
    assert_eq!(status.labels, sandbox.labels);
    assert!(answer.info["info"].contains("shimPid"));

    let text = "echo out; echo err >&2; hostname; cat /etc/resolv.conf >/dev/null; exit 7";
    let container = runtime.create(&pod, &sandbox, script("main", text)).await.unwrap();
    let status = runtime.status_of(&container).await;
    assert_eq!(status.state(), cri::ContainerState::ContainerCreated);
    assert_eq!((status.started_at, status.finished_at), (0, 0));
    runtime.begin(&container).await.unwrap();
    let status = runtime.exited(&container).await;
    assert_eq!((status.exit_code, status.reason.as_str()), (7, "Error"));
    assert!(status.created_at <= status.started_at && status.started_at <= status.finished_at);
    let log = std::fs::read_to_string(&status.log_path).unwrap();
    let mut lines: Vec<_> = log.lines().map(|line| line.split_once(' ').unwrap().1).collect();
    lines.sort_unstable();
    assert_eq!(lines, ["stderr F err", "stdout F out", "stdout F web"]);

    runtime.remove_pod(&pod).await;
    // Idempotent, all of it.
    runtime.remove_pod(&pod).await;
    let stop = cri::StopContainerRequest { container_id: container.clone(), timeout: 1 };
    runtime.stop_container(stop).await.unwrap();
    runtime.remove_container(cri::RemoveContainerRequest { container_id: container }).await.unwrap();
    let left = runtime.list_containers(cri::ListContainersRequest::default()).await.unwrap().into_inner();
    assert!(left.containers.is_empty());
    assert!(node.cgroups().is_empty(), "{:?}", node.cgroups());
}

#[tokio::test]
async fn stop_signals_then_kills_and_is_idempotent() {
    if !able() {
        return;
    }
    let node = Node::start().await;
    let mut runtime = node.runtime().await;
    let sandbox = node.sandbox("stop");
    let pod = runtime.run(&sandbox).await;
    let polite = "trap 'exit 3' TERM; echo up; while :; do sleep 0.05; done";
    let polite = runtime.create(&pod, &sandbox, script("polite", polite)).await.unwrap();
    let deaf = "trap '' TERM; echo up; while :; do sleep 0.05; done";
    let deaf = runtime.create(&pod, &sandbox, script("deaf", deaf)).await.unwrap();
    for container in [&polite, &deaf] {
        runtime.begin(container).await.unwrap();
        let log = runtime.status_of(container).await.log_path;
        // Its trap is set once it has said so.
        crate::harness::until("output of the container", || async {
            std::fs::read_to_string(&log).is_ok_and(|log| log.contains("up"))
        })
        .await;
    }
    for _ in 0..2 {
        let stop = cri::StopContainerRequest { container_id: polite.clone(), timeout: 10 };
        runtime.stop_container(stop).await.unwrap();
        assert_eq!(runtime.status_of(&polite).await.exit_code, 3);
    }
    let stop = cri::StopContainerRequest { container_id: deaf.clone(), timeout: 1 };
    runtime.stop_container(stop).await.unwrap();
    let status = runtime.status_of(&deaf).await;
    assert_eq!((status.exit_code, status.reason.as_str()), (137, "Error"));
    runtime.remove_pod(&pod).await;
}

#[tokio::test]
async fn what_cannot_start_ends_with_start_error() {
    if !able() {
        return;
    }
    let node = Node::start().await;
    let mut runtime = node.runtime().await;
    let sandbox = node.sandbox("bad");
    let pod = runtime.run(&sandbox).await;
    let mut config = script("bad", "");
    config.command = vec!["/no/such/program".into()];
    let container = runtime.create(&pod, &sandbox, config).await.unwrap();
    let error = runtime.begin(&container).await.unwrap_err();
    assert!(error.message().contains("no such file or directory"), "{error}");
    let status = runtime.status_of(&container).await;
    assert_eq!(status.state(), cri::ContainerState::ContainerExited);
    assert_eq!((status.exit_code, status.reason.as_str()), (128, "StartError"));
    assert!(!status.message.is_empty());
    assert_eq!(runtime.begin(&container).await.unwrap_err().code(), tonic::Code::FailedPrecondition);
    runtime.remove_pod(&pod).await;
}

#[tokio::test]
async fn an_out_of_memory_kill_is_told_apart() {
    if !able() {
        return;
    }
    let node = Node::start().await;
    let mut runtime = node.runtime().await;
    let sandbox = node.sandbox("oom");
    let pod = runtime.run(&sandbox).await;
    let mut config = script("hog", "tail /dev/zero");
    config.linux.as_mut().unwrap().resources = Some(cri::LinuxContainerResources {
        memory_limit_in_bytes: 16 << 20,
        ..cri::LinuxContainerResources::default()
    });
    let container = runtime.create(&pod, &sandbox, config).await.unwrap();
    runtime.begin(&container).await.unwrap();
    let status = runtime.exited(&container).await;
    assert_eq!((status.exit_code, status.reason.as_str()), (137, "OOMKilled"));
    runtime.remove_pod(&pod).await;
}

#[tokio::test]
async fn containers_of_a_pod_share_its_network_and_see_its_files() {
    if !able() {
        return;
    }
    let node = Node::start().await;
    let mut runtime = node.runtime().await;
    let mut sandbox = node.sandbox("pair");
    sandbox.dns_config = Some(cri::DnsConfig {
        servers: vec!["10.96.0.10".into()],
        searches: vec!["default.svc.cluster.local".into()],
        options: vec!["ndots:5".into()],
    });
    let pod = runtime.run(&sandbox).await;
    let server = runtime.create(&pod, &sandbox, script("server", "nc -l -p 8080 -e cat")).await.unwrap();
    let client = runtime.create(&pod, &sandbox, script("client", "sleep 1000")).await.unwrap();
    runtime.begin(&server).await.unwrap();
    runtime.begin(&client).await.unwrap();
    let answer = runtime.sync(&client, "until echo hi | nc -w 1 127.0.0.1 8080; do sleep 0.1; done").await;
    assert_eq!(answer.stdout, b"hi\n");
    let answer = runtime.sync(&client, "cat /etc/resolv.conf; cat /etc/hostname").await;
    assert_eq!(
        String::from_utf8(answer.stdout).unwrap(),
        "search default.svc.cluster.local\nnameserver 10.96.0.10\noptions ndots:5\npair\n"
    );
    let request = cri::PodSandboxStatusRequest { pod_sandbox_id: pod.clone(), verbose: false };
    let status = runtime.pod_sandbox_status(request).await.unwrap().into_inner().status.unwrap();
    let ip = status.network.unwrap().ip;
    let answer = runtime.sync(&client, "cat /etc/hosts; ip -4 address show dev eth0").await;
    let text = String::from_utf8(answer.stdout).unwrap();
    assert!(text.contains(&format!("{ip}\tpair")) && text.contains(&format!("inet {ip}")), "{text}");
    runtime.remove_pod(&pod).await;
}

#[tokio::test]
async fn names_are_unique_and_free_again_after_removal() {
    if !able() {
        return;
    }
    let node = Node::start().await;
    let mut runtime = node.runtime().await;
    let sandbox = node.sandbox("name");
    let pod = runtime.run(&sandbox).await;
    let request = cri::RunPodSandboxRequest { config: Some(sandbox.clone()), runtime_handler: String::new() };
    let error = runtime.run_pod_sandbox(request).await.unwrap_err();
    assert_eq!(error.code(), tonic::Code::AlreadyExists);
    assert!(error.message().contains(&pod), "{error}");
    let container = runtime.create(&pod, &sandbox, script("c", "true")).await.unwrap();
    let error = runtime.create(&pod, &sandbox, script("c", "true")).await.unwrap_err();
    assert_eq!(error.code(), tonic::Code::AlreadyExists);
    runtime.remove_container(cri::RemoveContainerRequest { container_id: container }).await.unwrap();
    runtime.create(&pod, &sandbox, script("c", "true")).await.unwrap();
    runtime.remove_pod(&pod).await;
    let pod = runtime.run(&sandbox).await;
    runtime.remove_pod(&pod).await;
}
