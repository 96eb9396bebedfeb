//! Containers from their start to their end, as a CRI server runs them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a step that fails fails the test"
)]

mod support;

use kingpost_runtime::{Error, Event, ExecIo, SignalTarget, StartFailure, Status};
use serde_json::json;
use support::{Bench, exec, exec_spec, read_all, within};

#[tokio::test]
async fn a_container_runs_logs_and_exits_with_its_code() {
    let bench = Bench::new().await;
    let pod = bench.pod("a").await;
    let mut events = pod.events();
    let script = "echo out; echo err >&2; hostname; printf unfinished; exit 7";
    let (exit, stdout, stderr) = bench.sh(&pod, "c", script).await;
    assert_eq!((exit.code, exit.signal, exit.oom), (7, None, false));
    assert_eq!((stdout.as_str(), stderr.as_str()), ("out\nhost-a\nunfinished", "err\n"));
    assert!(matches!(within(events.recv()).await.unwrap(), Event::Started { .. }));
    let Event::Exited { container, exec: None, exit } = within(events.recv()).await.unwrap() else {
        panic!()
    };
    assert_eq!((container.as_str(), exit.code), ("c", 7));
    pod.delete_container("c").await.unwrap();
    assert!(pod.states().await.unwrap().is_empty());
    pod.destroy().await.unwrap();
    assert!(!bench.path("state/a").exists());
}

#[tokio::test]
async fn a_signal_ends_it_with_128_and_the_signal() {
    let bench = Bench::new().await;
    let pod = bench.pod("a").await;
    bench.sleeper(&pod, "c").await;
    assert!(matches!(pod.state("c").await.unwrap().status, Status::Running { .. }));
    pod.signal("c", 9, SignalTarget::Init).await.unwrap();
    let exit = within(pod.wait("c")).await.unwrap();
    assert_eq!((exit.code, exit.signal), (137, Some(9)));
    // It is no error to signal what has ended.
    pod.signal("c", 15, SignalTarget::Init).await.unwrap();
}

#[tokio::test]
async fn a_program_that_is_missing_or_not_executable_is_told_as_by_runc() {
    let bench = Bench::new().await;
    let pod = bench.pod("a").await;
    let cases = [
        (
            "a",
            "nonesuch",
            StartFailure::NotFound,
            "exec: \"nonesuch\": executable file not found in $PATH",
            127,
        ),
        (
            "b",
            "/nonesuch",
            StartFailure::NotFound,
            "exec: \"/nonesuch\": stat /nonesuch: no such file or directory",
            127,
        ),
        ("c", "/etc/passwd", StartFailure::PermissionDenied, "exec /etc/passwd: permission denied", 126),
    ];
    for (id, program, failure, message, code) in cases {
        pod.create_container(bench.container(id, bench.oci("a", id, &[program]))).await.unwrap();
        let Err(Error::Start(error)) = pod.start(id).await else { panic!("{program} started") };
        assert_eq!((error.failure, error.to_string().as_str(), error.exit_code()), (failure, message, code));
        let Status::Exited { started_at: None, exit } = pod.state(id).await.unwrap().status else { panic!() };
        assert_eq!(exit.code, code);
        assert!(matches!(pod.start(id).await, Err(Error::WrongState { .. })));
    }
}

#[tokio::test]
async fn execs_run_beside_it_with_their_own_exit_codes() {
    let bench = Bench::new().await;
    let pod = bench.pod("a").await;
    bench.sleeper(&pod, "c").await;
    let (exit, stdout, stderr) =
        exec(&pod, "c", exec_spec("1", &["sh", "-c", "echo $$ $HOME; echo e >&2; ls /proc/self/fd; exit 3"]))
            .await
            .unwrap();
    assert_eq!(exit.code, 3);
    assert_eq!(stderr, "e\n");
    let lines: Vec<&str> = stdout.lines().collect();
    assert!(lines[0].ends_with(" /root"), "{stdout}");
    // ls opens the directory itself as 3.
    assert_eq!(lines[1..], ["0", "1", "2", "3"]);
    let Err(Error::Start(error)) = exec(&pod, "c", exec_spec("2", &["nope"])).await else { panic!() };
    assert_eq!(error.exit_code(), 127);
    // A thousand lines arrive whole.
    let (_, stdout, _) = exec(&pod, "c", exec_spec("3", &["seq", "20000"])).await.unwrap();
    assert_eq!(stdout.lines().count(), 20000);
}

#[tokio::test]
async fn an_exec_gets_its_input() {
    let bench = Bench::new().await;
    let pod = bench.pod("a").await;
    bench.sleeper(&pod, "c").await;
    let mut spec = exec_spec("1", &["cat"]);
    spec.stdin = true;
    let mut exec = pod.exec("c", spec).await.unwrap();
    let ExecIo::Pipes { stdin, stdout, .. } = exec.io() else { panic!() };
    rustix::io::write(stdin.take().unwrap(), b"hello").unwrap();
    let stdout = stdout.take();
    assert_eq!(read_all(stdout).await, "hello");
    assert_eq!(within(exec.wait()).await.unwrap().code, 0);
}

#[tokio::test]
async fn a_terminal_is_the_containers_own() {
    let bench = Bench::new().await;
    let pod = bench.pod("a").await;
    let mut oci = bench.oci("a", "c", &["sh", "-c", "stty size; readlink /proc/self/fd/0; echo line"]);
    oci["process"]["terminal"] = json!(true);
    oci["process"]["consoleSize"] = json!({"height": 33, "width": 77});
    let (exit, stdout, _) = bench.run(&pod, "c", oci).await;
    assert_eq!(exit.code, 0, "{stdout}");
    assert_eq!(stdout, "33 77\n/dev/pts/0\nline\n");
    bench.sleeper(&pod, "d").await;
    let mut spec = exec_spec("1", &["stty", "size"]);
    spec.process.set_terminal(Some(true));
    spec.size = Some(kingpost_runtime::TerminalSize { rows: 11, columns: 22 });
    let mut exec = pod.exec("d", spec).await.unwrap();
    let master = match std::mem::replace(exec.io(), ExecIo::Pipes { stdin: None, stdout: None, stderr: None })
    {
        ExecIo::Terminal(master) => master,
        ExecIo::Pipes { .. } => panic!("no terminal"),
    };
    assert_eq!(read_all(Some(master)).await, "11 22\n");
    assert_eq!(within(exec.wait()).await.unwrap().code, 0);
}

#[tokio::test]
async fn memory_above_the_limit_ends_it_with_an_oom_mark() {
    let bench = Bench::new().await;
    let pod = bench.pod("a").await;
    let mut oci = bench.oci("a", "c", &["sh", "-c", "x=$(yes | head -c 200000000); echo survived"]);
    oci["linux"]["resources"]["memory"] = json!({"limit": 33554432});
    let mut events = pod.events();
    let (exit, stdout, _) = bench.run(&pod, "c", oci).await;
    assert!(exit.oom, "{exit:?} {stdout}");
    let mut oom = false;
    loop {
        match within(events.recv()).await.unwrap() {
            Event::Oom { .. } => oom = true,
            Event::Exited { .. } => break,
            _ => {}
        }
    }
    assert!(oom, "the mark must come before the end");
}

#[tokio::test]
async fn long_lines_are_partial_and_none_is_lost() {
    let bench = Bench::new().await;
    let pod = bench.pod("a").await;
    let (_, stdout, _) = bench.sh(&pod, "c", "head -c 40000 /dev/zero | tr '\\0' x; echo; seq 100000").await;
    let tags: Vec<String> =
        bench.log("c").lines().take(3).map(|line| line.split(' ').nth(2).unwrap().to_owned()).collect();
    assert_eq!(tags, ["P", "P", "F"]);
    let mut lines = stdout.lines();
    assert_eq!(lines.next().unwrap().len(), 40000);
    assert!(lines.map(|line| line.parse::<u32>().unwrap()).eq(1..=100_000));
}

#[tokio::test]
async fn attached_clients_see_output_and_feed_input() {
    let bench = Bench::new().await;
    let pod = bench.pod("a").await;
    let mut spec = bench.container("c", bench.oci("a", "c", &["cat"]));
    (spec.stdin, spec.stdin_once) = (true, true);
    pod.create_container(spec).await.unwrap();
    pod.start("c").await.unwrap();
    let attach = kingpost_runtime::AttachSpec { stdin: true, stdout: true, stderr: true };
    let attachment = pod.attach("c", attach).await.unwrap();
    rustix::io::write(attachment.stdin.as_ref().unwrap(), b"ping\n").unwrap();
    drop(attachment.stdin);
    assert_eq!(read_all(attachment.stdout).await, "ping\n");
    assert_eq!(within(pod.wait("c")).await.unwrap().code, 0);
    assert_eq!(bench.output("c", "stdout"), "ping\n");
}

#[tokio::test]
async fn logs_are_reopened() {
    let bench = Bench::new().await;
    let pod = bench.pod("a").await;
    let mut spec = bench.container("c", bench.oci("a", "c", &["cat"]));
    spec.stdin = true;
    pod.create_container(spec).await.unwrap();
    pod.start("c").await.unwrap();
    let attach = kingpost_runtime::AttachSpec { stdin: true, stdout: true, stderr: false };
    let attachment = pod.attach("c", attach).await.unwrap();
    let (stdin, stdout) = (attachment.stdin.unwrap(), attachment.stdout.unwrap());
    let say = |text: &'static str| {
        rustix::io::write(&stdin, text.as_bytes()).unwrap();
        rustix::io::ioctl_fionbio(&stdout, false).unwrap();
        rustix::io::read(&stdout, &mut [0; 64]).unwrap();
    };
    say("before\n");
    std::fs::rename(bench.path("logs/c/0.log"), bench.path("logs/c/0.log.old")).unwrap();
    pod.reopen_log("c").await.unwrap();
    say("after\n");
    pod.signal("c", 9, SignalTarget::Init).await.unwrap();
    within(pod.wait("c")).await.unwrap();
    let all = std::fs::read_to_string(bench.path("logs/c/0.log.old")).unwrap() + &bench.log("c");
    assert!(all.contains("before") && bench.log("c").contains("after"), "{all}");
}

#[tokio::test]
async fn the_nodes_namespaces_are_used_where_asked_for_and_all_ends_with_the_container() {
    let bench = Bench::new().await;
    let mut spec = bench.pod_spec("a");
    spec.net = kingpost_runtime::NetMode::Host;
    (spec.pid, spec.ipc, spec.uts) =
        (kingpost_runtime::NsMode::Node, kingpost_runtime::NsMode::Node, kingpost_runtime::NsMode::Node);
    spec.hostname = None;
    let pod = bench.runtime.create_pod(spec).await.unwrap();
    assert!(pod.network_namespace().await.unwrap().is_none());
    let script = "for ns in net ipc uts pid mnt; do readlink /proc/self/ns/$ns; done; sleep 1234 & echo $!";
    let mut oci = bench.oci("a", "c", &["sh", "-c", script]);
    oci["linux"]["namespaces"] = json!([{"type": "mount"}, {"type": "cgroup"}]);
    let (exit, out, err) = bench.run(&pod, "c", oci).await;
    assert_eq!(exit.code, 0, "{err}");
    let mut lines = out.lines();
    for namespace in ["net", "ipc", "uts", "pid"] {
        let own = std::fs::read_link(format!("/proc/self/ns/{namespace}")).unwrap();
        assert_eq!(lines.next().unwrap(), own.to_str().unwrap());
    }
    assert_ne!(lines.next().unwrap(), std::fs::read_link("/proc/self/ns/mnt").unwrap().to_str().unwrap());
    let left: i32 = lines.next().unwrap().parse().unwrap();
    pod.delete_container("c").await.unwrap();
    let pid = rustix::process::Pid::from_raw(left).unwrap();
    let alive = std::fs::read_to_string(format!("/proc/{}/cmdline", pid.as_raw_nonzero()));
    assert!(!alive.unwrap_or_default().contains("1234"), "an orphan is left");
}

#[tokio::test]
async fn a_network_namespace_is_taken_by_descriptor_and_gets_its_sysctls() {
    let bench = Bench::new().await;
    // A namespace of another pod stands for one that the pod network made.
    let maker = bench.pod("m").await;
    let netns = maker.network_namespace().await.unwrap().unwrap();
    let inode = rustix::fs::fstat(&netns).unwrap().st_ino;
    let mut spec = bench.pod_spec("a");
    spec.net = kingpost_runtime::NetMode::Fd(netns);
    spec.sysctls.insert("net.ipv4.ip_unprivileged_port_start".into(), "77".into());
    spec.sysctls.insert("kernel.msgmax".into(), "12345".into());
    let pod = bench.runtime.create_pod(spec).await.unwrap();
    let script = "readlink /proc/self/ns/net; cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/msgmax";
    let (_, out, err) = bench.sh(&pod, "c", script).await;
    assert_eq!(out, format!("net:[{inode}]\n77\n12345\n"), "{err}");
}

#[tokio::test]
async fn a_log_that_does_not_take_anything_holds_up_nothing_else() {
    let bench = Bench::new().await;
    let pod = bench.pod("a").await;
    // A directory that fills up: the file's limit stands for a full disk.
    let spec = bench.container("c", bench.oci("a", "c", &["sh", "-c", "yes | head -c 20000000; exit 5"]));
    let log = spec.log.clone().unwrap();
    let tmpfs = log.directory.join("small");
    std::fs::create_dir_all(&tmpfs).unwrap();
    let mounted =
        std::process::Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "x"]).arg(&tmpfs).status();
    assert!(mounted.unwrap().success());
    let spec = kingpost_runtime::ContainerSpec {
        log: Some(kingpost_runtime::LogFile { directory: tmpfs.clone(), path: "0.log".into() }),
        ..spec
    };
    pod.create_container(spec).await.unwrap();
    pod.start("c").await.unwrap();
    let exit = within(pod.wait("c")).await.unwrap();
    let lost = pod.state("c").await.unwrap().log_bytes_lost;
    pod.delete_container("c").await.unwrap();
    let unmounted = std::process::Command::new("umount").arg(&tmpfs).status();
    assert!(unmounted.unwrap().success());
    assert_eq!(exit.code, 5);
    assert!(lost > 10_000_000, "{lost}");
}
