//! What a container may see and do: identity, capabilities, mounts, devices, seccomp, user namespaces, and the classes of
//! attacks that container runtimes have had.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a step that fails fails the test"
)]

mod support;

use std::os::fd::AsFd;

use kingpost_runtime::{Error, IdMapping, IdMappings, NsMode, SignalTarget};
use serde_json::json;
use support::{Bench, exec, exec_spec, within};

#[tokio::test]
async fn identity_and_capabilities_are_exactly_what_was_asked_for() {
    let bench = Bench::new().await;
    let pod = bench.pod("a").await;
    let mut oci = bench.oci(
        "a",
        "c",
        &["sh", "-c", "id -u; id -G; grep -E 'Cap|NoNew|Groups' /proc/self/status; echo $HOME"],
    );
    oci["process"]["user"] = json!({"uid": 33, "gid": 34, "additionalGids": [35, 36]});
    oci["process"]["noNewPrivileges"] = json!(true);
    oci["process"]["capabilities"] = json!({"bounding": ["CAP_KILL", "CAP_CHOWN"], "permitted": ["CAP_KILL"],
        "effective": ["CAP_KILL"], "inheritable": ["CAP_KILL"], "ambient": ["CAP_KILL"]});
    let (_, out, err) = bench.run(&pod, "c", oci).await;
    assert_eq!(err, "");
    let has = |text: &str| assert!(out.contains(text), "no {text:?} in {out}");
    has("33\n34 35 36\n");
    has("Groups:\t35 36");
    has("CapInh:\t0000000000000020");
    has("CapPrm:\t0000000000000020");
    has("CapEff:\t0000000000000020");
    has("CapBnd:\t0000000000000021");
    has("CapAmb:\t0000000000000020");
    has("NoNewPrivs:\t1");
    has("/var/www\n");
}

#[tokio::test]
async fn an_exec_is_confined_like_the_container() {
    let bench = Bench::new().await;
    let pod = bench.pod("a").await;
    let mut oci = bench.oci("a", "c", &["sleep", "1000"]);
    oci["process"]["noNewPrivileges"] = json!(true);
    oci["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]});
    pod.create_container(bench.container("c", oci)).await.unwrap();
    pod.start("c").await.unwrap();
    let script =
        "grep -E 'NoNew|CapBnd|Seccomp:' /proc/self/status; mkdir /x; cat /proc/1/cgroup /proc/self/cgroup";
    let (_, out, err) = exec(&pod, "c", exec_spec("1", &["sh", "-c", script])).await.unwrap();
    assert!(out.contains("NoNewPrivs:\t1") && out.contains("CapBnd:\t00000000a80425fb"), "{out}");
    assert!(out.contains("Seccomp:\t2"), "{out}");
    assert!(err.contains("No space left"), "{err}");
    // Its own cgroup is the root that it sees.
    assert!(
        out.lines()
            .filter(|line| line.contains(":memory:") || line.contains(":pids:"))
            .all(|line| line.ends_with(":/")),
        "{out}"
    );
}

#[tokio::test]
async fn a_seccomp_filter_gives_its_errno() {
    let bench = Bench::new().await;
    let pod = bench.pod("a").await;
    let mut oci = bench.oci("a", "c", &["sh", "-c", "mkdir /x; echo done"]);
    oci["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 122}]});
    let (_, out, err) = bench.run(&pod, "c", oci).await;
    assert_eq!(out, "done\n");
    assert!(err.contains("uota"), "{err}");
}

#[tokio::test]
async fn paths_are_masked_read_only_and_bound_as_asked_for() {
    let bench = Bench::new().await;
    let pod = bench.pod("a").await;
    std::fs::create_dir(bench.path("source")).unwrap();
    std::fs::write(bench.path("source/file"), "bound").unwrap();
    let script = "cat /data/file; touch /data/x; touch /rw/made; wc -c < /etc/passwd; touch /proc/sys/kernel/x; \
        ls /sys/firmware | wc -l; touch /new; touch /sys/fs/cgroup/pids/x; cat /data/file > /dev/null; ls /dev; \
        grep -c cgroup /proc/mounts; stat -c %a /dev/shm";
    let mut oci = bench.oci("a", "c", &["sh", "-c", script]);
    let source = bench.path("source");
    let mounts = oci["mounts"].as_array_mut().unwrap();
    mounts.push(json!({"destination": "/data", "type": "bind", "source": source, "options": ["rbind", "ro", "rprivate"]}));
    mounts.push(json!({"destination": "/rw", "type": "bind", "source": source, "options": ["rbind", "rw"]}));
    oci["root"]["readonly"] = json!(true);
    oci["linux"]["maskedPaths"].as_array_mut().unwrap().push(json!("/etc/passwd"));
    let (_, out, err) = bench.run(&pod, "c", oci).await;
    assert!(out.starts_with("bound"), "{out} {err}");
    assert!(out.contains("0\n0\n"), "{out}");
    assert!(bench.path("source/made").exists());
    for refused in ["/data/x", "/new", "/sys/fs/cgroup/pids/x"] {
        assert!(err.contains(&format!("{refused}: Read-only file system")), "{refused}: {err}");
    }
    for device in
        ["null", "zero", "full", "random", "urandom", "tty", "ptmx", "fd", "stdin", "pts", "shm", "mqueue"]
    {
        assert!(out.lines().any(|line| line == device), "{device}: {out}");
    }
    assert!(out.ends_with("1777\n"), "{out}");
}

#[tokio::test]
async fn devices_that_are_not_allowed_cannot_be_opened() {
    let bench = Bench::new().await;
    let pod = bench.pod("a").await;
    let mut oci = bench.oci("a", "c", &["sh", "-c", "head -c 1 /dev/zero | wc -c; head -c 1 /dev/kmsg"]);
    oci["linux"]["devices"] =
        json!([{"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11, "fileMode": 438}]);
    let (_, out, err) = bench.run(&pod, "c", oci).await;
    assert_eq!(out, "1\n");
    assert!(err.contains("Operation not permitted"), "{err}");
}

#[tokio::test]
async fn limits_reach_the_cgroup_and_can_be_changed() {
    let bench = Bench::new().await;
    let pod = bench.pod("a").await;
    let mut oci = bench.oci("a", "c", &["sleep", "1000"]);
    oci["linux"]["resources"]["memory"] = json!({"limit": 67108864});
    oci["linux"]["resources"]["cpu"] = json!({"shares": 512, "quota": 20000, "period": 100000, "cpus": "0"});
    oci["linux"]["resources"]["pids"] = json!({"limit": 50});
    oci["process"]["rlimits"] = json!([{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}, {"type": "RLIMIT_CORE", "soft": 1u64 << 40, "hard": 1u64 << 40}]);
    oci["process"]["oomScoreAdj"] = json!(500);
    pod.create_container(bench.container("c", oci)).await.unwrap();
    let started = pod.start("c").await.unwrap();
    let cgroup = pod.container_cgroup("c").await.unwrap();
    let read = |controller: &str, v1: &str, v2: &str| {
        let directory = cgroup.controller(controller).unwrap();
        std::fs::read_to_string(directory.join(v1))
            .or_else(|_| std::fs::read_to_string(directory.join(v2)))
            .unwrap()
    };
    assert_eq!(read("memory", "memory.limit_in_bytes", "memory.max").trim(), "67108864");
    assert_eq!(read("pids", "pids.max", "pids.max").trim(), "50");
    assert!(read("cpu", "cpu.cfs_quota_us", "cpu.max").starts_with("20000"));
    assert_eq!(
        std::fs::read_to_string(format!("/proc/{}/oom_score_adj", started.pid)).unwrap().trim(),
        "500"
    );
    let resources =
        serde_json::from_value(json!({"memory": {"limit": 134217728}, "pids": {"limit": 70}})).unwrap();
    pod.update_resources("c", &resources).await.unwrap();
    assert_eq!(read("memory", "memory.limit_in_bytes", "memory.max").trim(), "134217728");
    assert_eq!(read("pids", "pids.max", "pids.max").trim(), "70");
    let (_, out, _) =
        exec(&pod, "c", exec_spec("1", &["grep", "open files", "/proc/1/limits"])).await.unwrap();
    assert!(out.split_whitespace().any(|word| word == "200"), "{out}");
}

#[tokio::test]
async fn a_user_namespace_maps_root_away() {
    let bench = Bench::new().await;
    let mut spec = bench.pod_spec("a");
    let map = vec![IdMapping { container_id: 0, host_id: 700_000, size: 65_536 }];
    spec.user = Some(IdMappings { uids: map.clone(), gids: map });
    let pod = bench.runtime.create_pod(spec).await.unwrap();
    let script = "id -u; cat /proc/self/uid_map; stat -c %u /bin/busybox /; touch /mine; stat -c %u /mine; hostname; echo $$; touch /dev/shm/x; hostname changed && hostname";
    let mut oci = bench.oci("a", "c", &["sh", "-c", script]);
    oci["process"]["capabilities"]["bounding"].as_array_mut().unwrap().push(json!("CAP_SYS_ADMIN"));
    oci["process"]["capabilities"]["permitted"].as_array_mut().unwrap().push(json!("CAP_SYS_ADMIN"));
    oci["process"]["capabilities"]["effective"].as_array_mut().unwrap().push(json!("CAP_SYS_ADMIN"));
    let (exit, out, err) = bench.run(&pod, "c", oci).await;
    assert_eq!((exit.code, err.as_str()), (0, ""), "{out}");
    let words: Vec<&str> = out.split_whitespace().collect();
    assert_eq!(words, ["0", "0", "700000", "65536", "0", "0", "0", "host-a", "1", "changed"]);
    use std::os::unix::fs::MetadataExt;
    assert_eq!(std::fs::metadata(bench.path("c-upper/mine")).unwrap().uid(), 700_000);
    bench.sleeper(&pod, "d").await;
    let (_, out, err) =
        exec(&pod, "d", exec_spec("1", &["sh", "-c", "id -u; cat /proc/self/uid_map"])).await.unwrap();
    assert_eq!(out.split_whitespace().collect::<Vec<_>>(), ["0", "0", "700000", "65536"], "{err}");
}

#[tokio::test]
async fn a_shared_pid_namespace_has_the_reaper_as_its_first() {
    let bench = Bench::new().await;
    let mut spec = bench.pod_spec("a");
    spec.pid = NsMode::Pod;
    let pod = bench.runtime.create_pod(spec).await.unwrap();
    bench.sleeper(&pod, "c").await;
    let script = "ps | grep -v ps; readlink /proc/1/exe; readlink /proc/1/root; (sleep 1000 &) ; echo end";
    let (_, out, err) = bench.sh(&pod, "d", script).await;
    assert!(out.contains("kingpost-reaper") && out.contains("sleep 1000") && out.contains("end"), "{out}");
    assert!(!out.lines().any(|line| line.starts_with('/')), "the reaper can be looked into: {out} {err}");
    // What a container leaves in the shared namespace ends with it.
    let (_, out, _) = exec(&pod, "c", exec_spec("1", &["ps"])).await.unwrap();
    assert_eq!(out.matches("sleep 1000").count(), 1, "{out}");
}

#[tokio::test]
async fn s1_the_runtime_cannot_be_written_from_inside() {
    let bench = Bench::new().await;
    let pod = bench.pod("a").await;
    let before = std::fs::read(support::shim_binary()).unwrap();
    let mut oci = bench.oci("a", "c", &["/proc/self/exe"]);
    oci["process"]["capabilities"] = json!(null);
    pod.create_container(bench.container("c", oci)).await.unwrap();
    // It would execute the runtime itself, which knows no such command line; nothing more.
    if pod.start("c").await.is_ok() {
        assert_ne!(within(pod.wait("c")).await.unwrap().code, 0);
    }
    bench.sleeper(&pod, "d").await;
    let _ = exec(&pod, "d", exec_spec("1", &["/proc/self/exe"])).await;
    // The shim runs from a copy that nobody can open for writing.
    let exe = format!("/proc/{}/exe", pod.shim_pid());
    let flags = rustix::fs::OFlags::WRONLY;
    let opened = rustix::fs::open(&exe, flags, rustix::fs::Mode::empty());
    let written = opened.and_then(|fd| rustix::io::write(fd, b"x"));
    assert!(written.is_err(), "{written:?}");
    assert!(std::fs::read_link(&exe).unwrap().to_string_lossy().starts_with("/memfd:"));
    assert!(std::fs::read(support::shim_binary()).unwrap() == before);
}

#[tokio::test]
async fn s2_no_descriptor_of_the_host_leads_out() {
    let bench = Bench::new().await;
    // A careless daemon.
    let mut stray = Vec::new();
    for _ in 0..20 {
        let fd = rustix::fs::open("/", rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty()).unwrap();
        rustix::io::fcntl_setfd(fd.as_fd(), rustix::io::FdFlags::empty()).unwrap();
        stray.push(fd);
    }
    let pod = bench.pod("a").await;
    let (_, out, _) = bench.sh(&pod, "c", "ls /proc/self/fd").await;
    assert_eq!(out, "0\n1\n2\n3\n");
    bench.sleeper(&pod, "d").await;
    for number in 0..65 {
        let mut spec = exec_spec("1", &["pwd"]);
        let cwd = format!("/proc/self/fd/{number}");
        spec.process.set_cwd(cwd.clone().into());
        assert!(matches!(exec(&pod, "d", spec).await, Err(Error::Start(_))), "{cwd}");
        if number % 8 == 0 {
            let id = format!("n{number}");
            let mut oci = bench.oci("a", &id, &["pwd"]);
            oci["process"]["cwd"] = json!(cwd);
            pod.create_container(bench.container(&id, oci)).await.unwrap();
            assert!(matches!(pod.start(&id).await, Err(Error::Start(_))), "{cwd}");
        }
    }
}

#[tokio::test]
async fn s3_links_in_the_root_lead_nowhere_outside() {
    let bench = Bench::new().await;
    let pod = bench.pod("a").await;
    let outside = bench.path("outside");
    std::fs::create_dir(&outside).unwrap();
    for (index, target) in
        [outside.to_str().unwrap(), "../../../../../../../../../tmp/kp-none", "/nowhere"].iter().enumerate()
    {
        for path in ["proc", "sys", "dev", "data"] {
            let id = format!("{path}{index}");
            let spec = bench.container(&id, {
                let mut oci = bench.oci("a", &id, &["true"]);
                let mount = json!({"destination": "/data/deep", "type": "bind", "source": bench.path("layer/etc"), "options": ["rbind"]});
                oci["mounts"].as_array_mut().unwrap().push(mount);
                oci
            });
            std::os::unix::fs::symlink(target, bench.path(&format!("{id}-upper/{path}"))).unwrap();
            pod.create_container(spec).await.unwrap();
            let started = pod.start(&id).await;
            if matches!(path, "proc" | "sys") {
                assert!(matches!(started, Err(Error::Start(_))), "{id}: mounted on a link");
            } else if started.is_ok() {
                within(pod.wait(&id)).await.unwrap();
            }
        }
    }
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    assert!(!std::path::Path::new("/tmp/kp-none").exists());
}

#[tokio::test]
async fn s4_a_terminal_is_not_taken_from_what_stands_in_its_place() {
    let bench = Bench::new().await;
    let pod = bench.pod("a").await;
    let mut oci = bench.oci("a", "c", &["sleep", "1000"]);
    let caps = &mut oci["process"]["capabilities"];
    for set in ["bounding", "permitted", "effective"] {
        caps[set].as_array_mut().unwrap().push(json!("CAP_SYS_ADMIN"));
    }
    pod.create_container(bench.container("c", oci)).await.unwrap();
    pod.start("c").await.unwrap();
    // The container covers its devpts with a directory where ptmx is a plain file.
    let mut spec = exec_spec("1", &["sh", "-c", "mount -t tmpfs x /dev/pts && touch /dev/pts/ptmx"]);
    spec.process = serde_json::from_value({
        let mut process = serde_json::to_value(&spec.process).unwrap();
        for set in ["bounding", "permitted", "effective"] {
            process["capabilities"][set].as_array_mut().unwrap().push(json!("CAP_SYS_ADMIN"));
        }
        process
    })
    .unwrap();
    let (exit, _, err) = exec(&pod, "c", spec).await.unwrap();
    assert_eq!(exit.code, 0, "{err}");
    let mut spec = exec_spec("2", &["true"]);
    spec.process.set_terminal(Some(true));
    let Err(Error::Start(error)) = pod.exec("c", spec).await else { panic!("took a false terminal") };
    assert!(error.to_string().contains("ptmx"), "{error}");
    // Its null device replaced by a link: what is masked is still hidden.
    let mut oci = bench.oci("a", "d", &["sh", "-c", "cat /secret"]);
    oci["linux"]["maskedPaths"] = json!(["/secret"]);
    let spec = bench.container("d", oci);
    std::fs::write(bench.path("d-upper/secret"), "secret").unwrap();
    std::fs::create_dir_all(bench.path("d-upper/dev")).unwrap();
    std::os::unix::fs::symlink("/secret", bench.path("d-upper/dev/null")).unwrap();
    pod.create_container(spec).await.unwrap();
    pod.start("d").await.unwrap();
    within(pod.wait("d")).await.unwrap();
    assert_eq!(bench.output("d", "stdout"), "");
    pod.signal("c", 9, SignalTarget::Init).await.unwrap();
}

#[tokio::test]
async fn a_user_namespace_goes_with_a_shared_pid_namespace_and_the_nodes_network() {
    let bench = Bench::new().await;
    let mut spec = bench.pod_spec("a");
    let map = vec![IdMapping { container_id: 0, host_id: 900_000, size: 65_536 }];
    spec.user = Some(IdMappings { uids: map.clone(), gids: map });
    spec.pid = NsMode::Pod;
    spec.net = kingpost_runtime::NetMode::Host;
    let pod = bench.runtime.create_pod(spec).await.unwrap();
    let mut oci = bench.oci("a", "c", &["sh", "-c", "ps; touch /sys/x; readlink /proc/self/ns/net"]);
    oci["linux"]["namespaces"] =
        json!([{"type": "pid"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}, {"type": "cgroup"}]);
    let (exit, out, err) = bench.run(&pod, "c", oci).await;
    assert_eq!(exit.code, 0, "{err}");
    assert!(out.contains("kingpost-reaper"), "{out}");
    assert!(err.contains("/sys/x: "), "{err}");
    assert!(out.contains(std::fs::read_link("/proc/self/ns/net").unwrap().to_str().unwrap()), "{out}");
}
