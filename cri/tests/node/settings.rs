//! Settings of requests, seen from inside the container.

use kingpost_proto::cri::{self, security_profile::ProfileType};

use crate::harness::{Node, Requests as _, Runtime, able, script, until};

fn security(config: &mut cri::ContainerConfig) -> &mut cri::LinuxContainerSecurityContext {
    config.linux.as_mut().unwrap().security_context.as_mut().unwrap()
}

async fn started(
    runtime: &mut Runtime,
    pod: &str,
    sandbox: &cri::PodSandboxConfig,
    config: cri::ContainerConfig,
) -> String {
    let container = runtime.create(pod, sandbox, config).await.unwrap();
    runtime.begin(&container).await.unwrap();
    container
}

async fn says(runtime: &mut Runtime, container: &str, text: &str) -> String {
    let answer = runtime.sync(container, text).await;
    let errors = String::from_utf8_lossy(&answer.stderr).into_owned();
    format!("{}{errors}", String::from_utf8_lossy(&answer.stdout))
}

#[tokio::test]
async fn identity_and_confinement_hold_inside() {
    if !able() {
        return;
    }
    let node = Node::start().await;
    let mut runtime = node.runtime().await;
    let sandbox = node.sandbox("confined");
    let pod = runtime.run(&sandbox).await;
    let mut config = script("c", "sleep 1000");
    let context = security(&mut config);
    context.run_as_user = Some(cri::Int64Value { value: 1234 });
    context.run_as_group = Some(cri::Int64Value { value: 5678 });
    context.supplemental_groups = vec![77];
    context.readonly_rootfs = true;
    context.no_new_privs = true;
    context.seccomp = Some(cri::SecurityProfile {
        profile_type: ProfileType::RuntimeDefault.into(),
        localhost_ref: String::new(),
    });
    context.capabilities =
        Some(cri::Capability { drop_capabilities: vec!["ALL".into()], ..cri::Capability::default() });
    let container = started(&mut runtime, &pod, &sandbox, config).await;
    let status = says(
        &mut runtime,
        &container,
        "grep -E '^(Uid|Gid|Groups|Cap...|NoNewPrivs|Seccomp):' /proc/1/status",
    )
    .await;
    let fields: Vec<Vec<&str>> = status.lines().map(|line| line.split_whitespace().collect()).collect();
    let field = |name: &str| match fields.iter().find(|field| field[0] == name) {
        Some(field) => field[1..].join(" "),
        None => panic!("no {name} in {status:?}"),
    };
    assert_eq!(field("Uid:"), "1234 1234 1234 1234");
    assert_eq!(field("Gid:"), "5678 5678 5678 5678");
    assert_eq!(field("Groups:"), "77 5678");
    assert_eq!(field("NoNewPrivs:"), "1");
    assert_eq!(field("Seccomp:"), "2");
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:"] {
        assert_eq!(field(set), "0000000000000000", "{set}");
    }
    // The command that looks is confined as the container is.
    assert_eq!(says(&mut runtime, &container, "grep -c . /proc/keys; id -u").await, "0\n1234\n");
    assert!(says(&mut runtime, &container, "touch /x").await.contains("Read-only file system"));
    assert!(says(&mut runtime, &container, "unshare -m true").await.contains("not permitted"));
    let user = runtime.status_of(&container).await.user.unwrap().linux.unwrap();
    assert_eq!((user.uid, user.gid, user.supplemental_groups), (1234, 5678, vec![77, 5678]));
    runtime.remove_pod(&pod).await;
}

#[tokio::test]
async fn mounts_and_shared_memory() {
    if !able() {
        return;
    }
    let node = Node::start().await;
    let mut runtime = node.runtime().await;
    let sandbox = node.sandbox("mounts");
    let pod = runtime.run(&sandbox).await;
    let host = node.directory.path().join("volume");
    std::fs::create_dir(&host).unwrap();
    std::fs::write(host.join("file"), "content\n").unwrap();
    let mount = |path: &str| cri::Mount {
        container_path: path.into(),
        host_path: host.display().to_string(),
        ..cri::Mount::default()
    };
    let mut config = script("one", "sleep 1000");
    config.mounts = vec![
        mount("/rw"),
        cri::Mount { readonly: true, ..mount("/ro") },
        cri::Mount { readonly: true, recursive_read_only: true, ..mount("/rro") },
        cri::Mount { mount_options: vec!["noexec".into(), "nosuid".into()], ..mount("/noexec") },
    ];
    let one = started(&mut runtime, &pod, &sandbox, config).await;
    let two = started(&mut runtime, &pod, &sandbox, script("two", "sleep 1000")).await;
    assert_eq!(says(&mut runtime, &one, "cat /ro/file; touch /rw/new; ls /ro").await, "content\nfile\nnew\n");
    for path in ["/ro", "/rro"] {
        assert!(says(&mut runtime, &one, &format!("touch {path}/x")).await.contains("Read-only"), "{path}");
    }
    let script_file = "printf '#!/bin/sh\\necho ran\\n' >/rw/s; chmod +x /rw/s; /rw/s; /noexec/s";
    let answer = says(&mut runtime, &one, script_file).await;
    assert!(answer.starts_with("ran\n") && answer.contains("ermission denied"), "{answer}");
    says(&mut runtime, &one, "echo shared >/dev/shm/f").await;
    assert_eq!(says(&mut runtime, &two, "cat /dev/shm/f").await, "shared\n");
    runtime.remove_pod(&pod).await;
    assert!(host.join("new").exists());
}

#[tokio::test]
async fn privileged_and_host_namespaces() {
    if !able() {
        return;
    }
    let node = Node::start().await;
    let mut runtime = node.runtime().await;
    let mut sandbox = node.sandbox("host");
    let options = cri::NamespaceOption {
        network: cri::NamespaceMode::Node.into(),
        pid: cri::NamespaceMode::Node.into(),
        ipc: cri::NamespaceMode::Node.into(),
        ..cri::NamespaceOption::default()
    };
    let context = sandbox.linux.as_mut().unwrap().security_context.as_mut().unwrap();
    context.namespace_options = Some(options.clone());
    context.privileged = true;
    sandbox.hostname.clear();
    let pod = runtime.run(&sandbox).await;
    let mut config = script("c", "sleep 1000");
    security(&mut config).namespace_options = Some(options);
    security(&mut config).privileged = true;
    let container = started(&mut runtime, &pod, &sandbox, config).await;
    let answer =
        says(&mut runtime, &container, "ip -4 address show dev lo; ls -d /proc/1; ls /dev/null /dev/zero")
            .await;
    assert!(answer.contains("192.0.2.1"), "the node's network: {answer}");
    let own = format!("test -d /proc/{} && echo seen", std::process::id());
    assert_eq!(says(&mut runtime, &container, &own).await, "seen\n");
    let request = cri::PodSandboxStatusRequest { pod_sandbox_id: pod.clone(), verbose: false };
    let status = runtime.pod_sandbox_status(request).await.unwrap().into_inner().status.unwrap();
    assert_eq!(status.network.unwrap().ip, "", "none of its own");
    runtime.remove_pod(&pod).await;
}

#[tokio::test]
async fn limits_are_set_changed_and_measured() {
    if !able() {
        return;
    }
    let node = Node::start().await;
    let mut runtime = node.runtime().await;
    let sandbox = node.sandbox("limits");
    let pod = runtime.run(&sandbox).await;
    let mut config = script("c", "while :; do :; done");
    config.linux.as_mut().unwrap().resources = Some(cri::LinuxContainerResources {
        memory_limit_in_bytes: 64 << 20,
        cpu_quota: 20_000,
        cpu_period: 100_000,
        oom_score_adj: 500,
        ..cri::LinuxContainerResources::default()
    });
    let container = started(&mut runtime, &pod, &sandbox, config).await;
    assert_eq!(says(&mut runtime, &container, "cat /proc/1/oom_score_adj").await, "500\n");
    let limit = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null";
    assert_eq!(says(&mut runtime, &container, limit).await, format!("{}\n", 64 << 20));
    let update = cri::UpdateContainerResourcesRequest {
        container_id: container.clone(),
        linux: Some(cri::LinuxContainerResources {
            memory_limit_in_bytes: 128 << 20,
            ..cri::LinuxContainerResources::default()
        }),
        ..cri::UpdateContainerResourcesRequest::default()
    };
    runtime.update_container_resources(update).await.unwrap();
    assert_eq!(says(&mut runtime, &container, limit).await, format!("{}\n", 128 << 20));
    let resources = runtime.status_of(&container).await.resources.unwrap().linux.unwrap();
    assert_eq!((resources.memory_limit_in_bytes, resources.cpu_quota), (128 << 20, 20_000));

    let request = cri::ContainerStatsRequest { container_id: container.clone() };
    until("CPU time and a rate", || {
        let (mut runtime, request) = (runtime.clone(), request.clone());
        async move {
            let stats = runtime.container_stats(request).await.unwrap().into_inner().stats.unwrap();
            let cpu = stats.cpu.unwrap();
            let memory = stats.memory.unwrap();
            assert_eq!(memory.available_bytes.unwrap().value >> 20, 127);
            cpu.usage_core_nano_seconds.unwrap().value > 0
                && cpu.usage_nano_cores.is_some_and(|rate| (1..1_000_000_000).contains(&rate.value))
        }
    })
    .await;
    let request = cri::PodSandboxStatsRequest { pod_sandbox_id: pod.clone() };
    let stats = runtime.pod_sandbox_stats(request).await.unwrap().into_inner().stats.unwrap().linux.unwrap();
    assert!(stats.cpu.unwrap().usage_core_nano_seconds.unwrap().value > 0);
    assert_eq!(stats.containers.len(), 1);
    runtime.remove_pod(&pod).await;
}

#[tokio::test]
async fn a_rotated_log_is_opened_anew_without_losing_a_line() {
    if !able() {
        return;
    }
    let node = Node::start().await;
    let mut runtime = node.runtime().await;
    let sandbox = node.sandbox("rotate");
    let pod = runtime.run(&sandbox).await;
    let text = "i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo $i; sleep 0.005; done";
    let container = started(&mut runtime, &pod, &sandbox, script("c", text)).await;
    let log = std::path::PathBuf::from(runtime.status_of(&container).await.log_path);
    let rotated = log.with_extension("1");
    until("lines", || async { std::fs::metadata(&log).is_ok_and(|metadata| metadata.len() > 500) }).await;
    std::fs::rename(&log, &rotated).unwrap();
    let request = cri::ReopenContainerLogRequest { container_id: container.clone() };
    runtime.reopen_container_log(request.clone()).await.unwrap();
    runtime.exited(&container).await;
    let all = std::fs::read_to_string(&rotated).unwrap() + &std::fs::read_to_string(&log).unwrap();
    let numbers: Vec<u32> =
        all.lines().map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
    assert_eq!(numbers, (1..=300).collect::<Vec<_>>());
    let error = runtime.reopen_container_log(request).await.unwrap_err();
    assert_eq!(error.code(), tonic::Code::FailedPrecondition);
    runtime.remove_pod(&pod).await;
}
