//! What survives whose death, and what is left after all is gone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a step that fails fails the test"
)]

mod support;

use std::io::BufRead;
use std::path::Path;
use std::time::Duration;

use kingpost_runtime::{Error, Event, Reconnected, Runtime, SignalTarget, Status};
use rustix::process::{Pid, Signal, kill_process};
use support::{Bench, config, within};

/// Not a test by itself: the daemon that `the_death_of_the_client_loses_nothing` kills.
#[tokio::test]
async fn helper_client() {
    let Ok(dir) = std::env::var("KINGPOST_TEST_CLIENT_DIR") else { return };
    let name = std::env::var("KINGPOST_TEST_CLIENT_NAME").unwrap();
    let runtime = Runtime::new(config(Path::new(&dir), &name)).await.unwrap();
    let Reconnected::Live(pod) = runtime.reconnect("a").await.unwrap() else { panic!() };
    pod.start("c").await.unwrap();
    println!("started");
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn the_death_of_the_client_loses_nothing() {
    let bench = Bench::new().await;
    let pod = bench.pod("a").await;
    let script = "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; exit 9";
    pod.create_container(bench.container("c", bench.oci("a", "c", &["sh", "-c", script]))).await.unwrap();
    drop(pod);
    let mut client = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "helper_client", "--nocapture"])
        .env("KINGPOST_TEST_CLIENT_DIR", bench.dir.path())
        .env("KINGPOST_TEST_CLIENT_NAME", &bench.name)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufReader::new(client.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("started")));
    client.kill().unwrap();
    client.wait().unwrap();
    let Reconnected::Live(pod) = bench.runtime.reconnect("a").await.unwrap() else {
        panic!("the shim died too")
    };
    let exit = within(pod.wait("c")).await.unwrap();
    assert_eq!(exit.code, 9);
    let expected: Vec<String> = (0..3000).map(|number| format!("line {number}")).collect();
    assert_eq!(bench.output("c", "stdout").lines().collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn several_clients_hear_the_same() {
    let bench = Bench::new().await;
    let pod = bench.pod("a").await;
    let Reconnected::Live(second) = bench.runtime.reconnect("a").await.unwrap() else { panic!() };
    let mut events = second.events();
    bench.sleeper(&pod, "c").await;
    assert!(matches!(within(events.recv()).await.unwrap(), Event::Started { .. }));
    second.signal("c", 15, SignalTarget::Init).await.unwrap();
    second.signal("c", 9, SignalTarget::All).await.unwrap();
    assert!(matches!(within(events.recv()).await.unwrap(), Event::Exited { .. }));
    assert_eq!(within(pod.wait("c")).await.unwrap().signal, Some(9));
}

#[tokio::test]
async fn a_killed_shim_is_noticed_and_cleaned_up_after() {
    let bench = Bench::new().await;
    let pod = bench.pod("a").await;
    let mut events = pod.events();
    let (exit, _, _) = bench.sh(&pod, "done", "exit 4").await;
    assert_eq!(exit.code, 4);
    bench.sleeper(&pod, "c").await;
    let Status::Running { pid, .. } = pod.state("c").await.unwrap().status else { panic!() };
    let cgroup = pod.container_cgroup("c").await.unwrap();
    let process = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    let pidfd = rustix::process::pidfd_open(process, rustix::process::PidfdFlags::empty()).unwrap();
    let shim = Pid::from_raw(i32::try_from(pod.shim_pid()).unwrap()).unwrap();
    kill_process(shim, Signal::KILL).unwrap();
    while !matches!(within(events.recv()).await.unwrap(), Event::Gone) {}
    assert!(matches!(pod.states().await, Err(Error::Gone { .. })));
    let Reconnected::Gone(gone) = bench.runtime.reconnect("a").await.unwrap() else { panic!() };
    let states = gone.clean_up().await.unwrap();
    let code = |id: &str| match &states.iter().find(|state| state.id == id).unwrap().status {
        Status::Exited { exit, .. } => exit.code,
        other => panic!("{other:?}"),
    };
    assert_eq!((code("done"), code("c")), (4, 255));
    let mut fds = [rustix::event::PollFd::new(&pidfd, rustix::event::PollFlags::IN)];
    let seconds = rustix::event::Timespec { tv_sec: 5, tv_nsec: 0 };
    assert_eq!(rustix::event::poll(&mut fds, Some(&seconds)), Ok(1), "the container still runs");
    assert!(cgroup.iter().all(|(_, path)| !path.exists()));
    assert!(matches!(bench.runtime.reconnect("a").await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn what_fails_leaves_nothing() {
    let bench = Bench::new().await;
    let pod = bench.pod("a").await;
    let mut oci = bench.oci("a", "c", &["true"]);
    let mount =
        serde_json::json!({"destination": "/x", "type": "bind", "source": "/nonesuch", "options": ["rbind"]});
    oci["mounts"].as_array_mut().unwrap().push(mount);
    assert!(pod.create_container(bench.container("c", oci)).await.is_err());
    let paths = bench.runtime.cgroup_paths(&format!("/{}/pod-a/c", bench.name)).unwrap();
    assert!(paths.iter().all(|(_, path)| !path.exists()));
    assert!(pod.states().await.unwrap().is_empty());
    let mut spec = bench.pod_spec("b");
    spec.sysctls.insert("net.ipv4.nonesuch".into(), "1".into());
    assert!(bench.runtime.create_pod(spec).await.is_err());
    assert_eq!(bench.runtime.list().await.unwrap(), ["a"]);
    assert!(matches!(bench.runtime.create_pod(bench.pod_spec("a")).await, Err(Error::AlreadyExists { .. })));
    assert!(pod.states().await.is_ok(), "the pod that exists is unharmed");
}

/// What one process holds and what the machine has.
fn inventory(name: &str) -> (usize, usize, usize) {
    let fds = std::fs::read_dir("/proc/self/fd").unwrap().count();
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap().lines().count();
    let mut cgroups = 0;
    for hierarchy in std::fs::read_dir("/sys/fs/cgroup").unwrap() {
        let children = std::fs::read_dir(hierarchy.unwrap().path().join(name));
        cgroups += children
            .map_or(0, |entries| entries.filter(|entry| entry.as_ref().unwrap().path().is_dir()).count());
    }
    (fds, mounts, cgroups)
}

#[tokio::test]
async fn fifty_cycles_leak_nothing() {
    // Other tests of this process make and remove mounts: run this one in a process of its own.
    if std::env::var_os("KINGPOST_TEST_CYCLES").is_none() {
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "fifty_cycles_leak_nothing", "--nocapture"])
            .env("KINGPOST_TEST_CYCLES", "1")
            .status()
            .unwrap();
        assert!(status.success());
        return;
    }
    let bench = Bench::new().await;
    let cycle = async |number: usize| {
        let pod = bench.pod("a").await;
        let (exit, out, _) = bench.sh(&pod, "c", "echo hello").await;
        assert_eq!((exit.code, out.as_str()), (0, "hello\n"), "cycle {number}");
        bench.sleeper(&pod, "d").await;
        support::exec(&pod, "d", support::exec_spec("1", &["true"])).await.unwrap();
        pod.delete_container("d").await.unwrap();
        pod.destroy().await.unwrap();
        std::fs::remove_dir_all(bench.path("logs")).unwrap();
    };
    cycle(0).await;
    let before = inventory(&bench.name);
    for number in 1..=50 {
        cycle(number).await;
    }
    let shims = bench.runtime.cgroup_paths(&format!("/{}-shims", bench.name)).unwrap();
    let tasks = shims.controller("pids").unwrap().join("cgroup.procs");
    let deadline = std::time::Instant::now() + Duration::from_secs(5);
    // The last shim has answered and is about to end.
    while !std::fs::read_to_string(&tasks).unwrap().is_empty() && std::time::Instant::now() < deadline {
        tokio::task::yield_now().await;
    }
    assert_eq!(std::fs::read_to_string(&tasks).unwrap(), "");
    let after = inventory(&bench.name);
    assert!(after.0 <= before.0 && after.1 == before.1 && after.2 == before.2, "{before:?} → {after:?}");
}
