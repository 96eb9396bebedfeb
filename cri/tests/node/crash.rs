//! `kill -9` of the server: nothing that it answered for is lost.

use kingpost_proto::cri;

use crate::harness::{Node, Requests as _, able, script};

#[tokio::test]
async fn containers_run_on_and_their_ends_are_known_afterwards() {
    if !able() {
        return;
    }
    let mut node = Node::start().await;
    let sandbox = node.sandbox("crash");
    let directory = node.directory.path().join("flag");
    std::fs::create_dir(&directory).unwrap();
    let (pod, lasting, ending, before) = {
        let mut runtime = node.runtime().await;
        let pod = runtime.run(&sandbox).await;
        let shared = cri::Mount {
            container_path: "/flag".into(),
            host_path: directory.display().to_string(),
            ..cri::Mount::default()
        };
        let with_flag = |name: &str, text: &str| {
            let mut config = script(name, text);
            config.mounts.push(shared.clone());
            config
        };
        let counting = "i=0; while :; do i=$((i+1)); echo line $i; sleep 0.01; done";
        let lasting = runtime.create(&pod, &sandbox, script("lasting", counting)).await.unwrap();
        let waiting = "until [ -e /flag/end ]; do sleep 0.01; done; exit 9";
        let ending = runtime.create(&pod, &sandbox, with_flag("ending", waiting)).await.unwrap();
        runtime.begin(&lasting).await.unwrap();
        runtime.begin(&ending).await.unwrap();
        let pid =
            runtime.sync(&lasting, "stat -c %Y /proc/1; cat /proc/1/stat | cut -d' ' -f22").await.stdout;
        (pod, lasting, ending, pid)
    };

    node.kill();
    std::fs::write(directory.join("end"), "").unwrap();
    node.restart().await;

    let mut runtime = node.runtime().await;
    let status = runtime.exited(&ending).await;
    assert_eq!((status.exit_code, status.reason.as_str()), (9, "Error"));
    let status = runtime.status_of(&lasting).await;
    assert_eq!(status.state(), cri::ContainerState::ContainerRunning);
    let after = runtime.sync(&lasting, "stat -c %Y /proc/1; cat /proc/1/stat | cut -d' ' -f22").await.stdout;
    assert_eq!(before, after, "the same process");
    let stop = cri::StopContainerRequest { container_id: lasting.clone(), timeout: 0 };
    runtime.stop_container(stop).await.unwrap();
    let log = std::fs::read_to_string(status.log_path).unwrap();
    let numbers: Vec<u64> =
        log.lines().map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "no line is missing");

    node.restart().await;
    let mut runtime = node.runtime().await;
    assert_eq!(runtime.status_of(&lasting).await.exit_code, 137);
    runtime.remove_pod(&pod).await;
    assert!(node.cgroups().is_empty(), "{:?}", node.cgroups());
}

#[tokio::test]
async fn after_a_reboot_pods_are_not_ready_and_containers_unknown() {
    if !able() {
        return;
    }
    let mut node = Node::start().await;
    let sandbox = node.sandbox("reboot");
    let (pod, done, running) = {
        let mut runtime = node.runtime().await;
        let pod = runtime.run(&sandbox).await;
        let done = runtime.create(&pod, &sandbox, script("done", "exit 0")).await.unwrap();
        runtime.begin(&done).await.unwrap();
        runtime.exited(&done).await;
        let running = runtime.create(&pod, &sandbox, script("running", "sleep 1000")).await.unwrap();
        runtime.begin(&running).await.unwrap();
        (pod, done, running)
    };
    // A reboot, as far as the server can tell: every process of the pod is gone, and so is the run directory.
    node.kill();
    node.end_pods();
    node.unmount();
    std::fs::remove_dir_all(node.directory.path().join("run")).unwrap();
    node.restart().await;

    let mut runtime = node.runtime().await;
    let request = cri::PodSandboxStatusRequest { pod_sandbox_id: pod.clone(), verbose: false };
    let status = runtime.pod_sandbox_status(request).await.unwrap().into_inner().status.unwrap();
    assert_eq!(status.state(), cri::PodSandboxState::SandboxNotready);
    let status = runtime.status_of(&done).await;
    assert_eq!((status.exit_code, status.reason.as_str()), (0, "Completed"));
    let status = runtime.status_of(&running).await;
    assert_eq!(status.state(), cri::ContainerState::ContainerExited);
    assert_eq!((status.exit_code, status.reason.as_str()), (255, "Unknown"));
    runtime.remove_pod(&pod).await;
}

#[tokio::test]
async fn a_dead_shim_ends_its_pod_alone() {
    if !able() {
        return;
    }
    let node = Node::start().await;
    let mut runtime = node.runtime().await;
    let (one, two) = (node.sandbox("one"), node.sandbox("two"));
    let first = runtime.run(&one).await;
    let second = runtime.run(&two).await;
    let lost = runtime.create(&first, &one, script("c", "sleep 1000")).await.unwrap();
    let kept = runtime.create(&second, &two, script("c", "sleep 1000")).await.unwrap();
    runtime.begin(&lost).await.unwrap();
    runtime.begin(&kept).await.unwrap();
    let request = cri::PodSandboxStatusRequest { pod_sandbox_id: first.clone(), verbose: true };
    let info = runtime.pod_sandbox_status(request.clone()).await.unwrap().into_inner().info;
    let info: serde_json::Value = serde_json::from_str(&info["info"]).unwrap();
    let shim = i32::try_from(info["shimPid"].as_i64().unwrap()).unwrap();
    let shim = rustix::process::Pid::from_raw(shim).unwrap();
    rustix::process::kill_process(shim, rustix::process::Signal::KILL).unwrap();

    let status = runtime.exited(&lost).await;
    assert_ne!(status.exit_code, 0);
    let ready = cri::PodSandboxState::SandboxReady;
    crate::harness::until("sandbox not ready", || {
        let (mut runtime, request) = (runtime.clone(), request.clone());
        async move {
            runtime.pod_sandbox_status(request).await.unwrap().into_inner().status.unwrap().state() != ready
        }
    })
    .await;
    assert_eq!(runtime.status_of(&kept).await.state(), cri::ContainerState::ContainerRunning);
    runtime.remove_pod(&first).await;
    runtime.remove_pod(&second).await;
    assert!(node.cgroups().is_empty(), "{:?}", node.cgroups());
}

/// The server is killed at random moments while pods come and go. What it answered for is there, what it did not is
/// there whole or not at all, and at the end nothing is left.
#[tokio::test(flavor = "multi_thread")]
async fn kills_at_random_moments_lose_and_leak_nothing() {
    if !able() {
        return;
    }
    const KILLS: u32 = 12;
    let mut node = Node::start().await;
    let mut answered = std::collections::BTreeMap::new();
    for round in 0..KILLS {
        let mut runtime = node.runtime().await;
        let sandboxes: Vec<_> = (0..3).map(|pod| node.sandbox(&format!("r{round}-{pod}"))).collect();
        let churn = tokio::spawn(async move {
            let mut done = Vec::new();
            for sandbox in sandboxes {
                let request = cri::RunPodSandboxRequest {
                    config: Some(sandbox.clone()),
                    runtime_handler: String::new(),
                };
                let Ok(pod) = runtime.run_pod_sandbox(request).await else { break };
                let pod = pod.into_inner().pod_sandbox_id;
                let Ok(container) = runtime.create(&pod, &sandbox, script("c", "exit 11")).await else {
                    break;
                };
                if runtime.begin(&container).await.is_err() {
                    break;
                }
                done.push(container);
                let stop = cri::StopPodSandboxRequest { pod_sandbox_id: pod };
                if round % 2 == 0 && runtime.stop_pod_sandbox(stop).await.is_err() {
                    break;
                }
            }
            done
        });
        tokio::time::sleep(std::time::Duration::from_micros(rand::random_range(0..120_000))).await;
        node.kill();
        for container in churn.await.unwrap() {
            answered.insert(container, round);
        }
        node.restart().await;
    }
    let mut runtime = node.runtime().await;
    for (container, round) in answered {
        let status = runtime.exited(&container).await;
        // Stopping a pod may have been faster than the container.
        assert!(status.exit_code == 11 || (round % 2 == 0 && status.exit_code == 137), "{status:?}");
    }
    let pods =
        runtime.list_pod_sandbox(cri::ListPodSandboxRequest::default()).await.unwrap().into_inner().items;
    for pod in pods {
        runtime.remove_pod(&pod.id).await;
    }
    let left = runtime.list_containers(cri::ListContainersRequest::default()).await.unwrap().into_inner();
    assert!(left.containers.is_empty());
    assert!(node.cgroups().is_empty(), "{:?}", node.cgroups());
    let entries = |path: &str| std::fs::read_dir(node.directory.path().join(path)).unwrap().count();
    assert_eq!((entries("root/sandboxes"), entries("root/containers")), (0, 0));
    let runtime_state: Vec<_> = std::fs::read_dir(node.directory.path().join("run/shim"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name.len() == 64)
        .collect();
    assert!(runtime_state.is_empty(), "{runtime_state:?}");
}
