//! A runtime in a temporary directory with a busybox root, which cleans up after itself, also on failure.
//!
//! The shim is found by the variable `KINGPOST_RUNTIME`, or built (`cargo build -p kingpost-shim`) into the target
//! directory that the test runs from.

#![allow(dead_code, reason = "each test binary uses its own part of the harness")]

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use kingpost_runtime::{
    ContainerSpec, Error, Exec, ExecIo, ExecSpec, ExitRecord, LogFile, NetMode, NsMode, Pod, PodSpec,
    Reconnected, Rootfs, Runtime, RuntimeConfig,
};
use serde_json::{Value, json};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// The shim's binary.
pub(crate) fn shim_binary() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        if let Some(path) = std::env::var_os("KINGPOST_RUNTIME") {
            return path.into();
        }
        let exe = std::env::current_exe().unwrap();
        let target =
            exe.ancestors().find(|path| path.file_name().is_some_and(|name| name == "debug")).unwrap();
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let status = std::process::Command::new(cargo)
            .args(["build", "--quiet", "-p", "kingpost-shim", "--bin", "kingpost-runtime"])
            .env("CARGO_TARGET_DIR", target.parent().unwrap())
            .status()
            .unwrap();
        assert!(status.success());
        target.join("kingpost-runtime")
    })
}

/// Everything that one test makes.
pub(crate) struct Bench {
    pub(crate) runtime: Runtime,
    pub(crate) dir: tempfile::TempDir,
    pub(crate) name: String,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        assert!(rustix::process::geteuid().is_root(), "these tests need root");
        let dir = tempfile::tempdir().unwrap();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("kptest-{}-{number}", std::process::id());
        let root = dir.path().join("layer");
        make_root(&root);
        let runtime = Runtime::new(config(dir.path(), &name)).await.unwrap();
        Self { runtime, dir, name }
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    pub(crate) fn pod_spec(&self, id: &str) -> PodSpec {
        PodSpec {
            id: id.into(),
            cgroup_parent: Some(format!("/{}/pod-{id}", self.name)),
            net: NetMode::New,
            pid: NsMode::Container,
            ipc: NsMode::Pod,
            uts: NsMode::Pod,
            user: None,
            hostname: Some(format!("host-{id}")),
            sysctls: std::collections::BTreeMap::new(),
            shm_size: None,
            resources: None,
        }
    }

    pub(crate) async fn pod(&self, id: &str) -> Pod {
        self.runtime.create_pod(self.pod_spec(id)).await.unwrap()
    }

    /// A specification as a CRI server makes it.
    pub(crate) fn oci(&self, pod: &str, id: &str, args: &[&str]) -> Value {
        oci(&format!("/{}/pod-{pod}/{id}", self.name), args)
    }

    /// A container with a writable layer of its own on the common root.
    pub(crate) fn container(&self, id: &str, oci: Value) -> ContainerSpec {
        let upper = self.path(&format!("{id}-upper"));
        let work = self.path(&format!("{id}-work"));
        let log = self.path("logs");
        for path in [&upper, &work, &log] {
            fs::create_dir_all(path).unwrap();
        }
        ContainerSpec {
            id: id.into(),
            oci: serde_json::from_value(oci).unwrap(),
            rootfs: Rootfs::Overlay { lower: vec![self.path("layer")], upper, work },
            log: Some(LogFile { directory: log, path: format!("{id}/0.log").into() }),
            stdin: false,
            stdin_once: false,
        }
    }

    /// Runs a container to its end and returns how it ended and what it logged (stdout, then stderr, as text).
    pub(crate) async fn run(&self, pod: &Pod, id: &str, oci: Value) -> (ExitRecord, String, String) {
        pod.create_container(self.container(id, oci)).await.unwrap();
        pod.start(id).await.unwrap();
        let exit = within(pod.wait(id)).await.unwrap();
        (exit, self.output(id, "stdout"), self.output(id, "stderr"))
    }

    pub(crate) async fn sh(&self, pod: &Pod, id: &str, script: &str) -> (ExitRecord, String, String) {
        self.run(pod, id, self.oci(pod.id(), id, &["sh", "-c", script])).await
    }

    /// A long-running container.
    pub(crate) async fn sleeper(&self, pod: &Pod, id: &str) {
        let oci = self.oci(pod.id(), id, &["sleep", "1000"]);
        pod.create_container(self.container(id, oci)).await.unwrap();
        pod.start(id).await.unwrap();
    }

    pub(crate) fn log(&self, id: &str) -> String {
        fs::read_to_string(self.path(&format!("logs/{id}/0.log"))).unwrap_or_default()
    }

    /// One stream of a log, put together again.
    pub(crate) fn output(&self, id: &str, stream: &str) -> String {
        let mut text = String::new();
        for line in self.log(id).lines() {
            let mut fields = line.splitn(4, ' ');
            let (_, name, tag) = (fields.next(), fields.next().unwrap(), fields.next().unwrap());
            if name == stream {
                text.push_str(fields.next().unwrap());
                if tag == "F" {
                    text.push('\n');
                }
            }
        }
        text
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let (config, name) = (config(self.dir.path(), &self.name), self.name.clone());
        let cleaned = std::thread::spawn(move || {
            let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            tokio.block_on(async {
                let runtime = Runtime::new(config).await.unwrap();
                for id in runtime.list().await.unwrap() {
                    match runtime.reconnect(&id).await.unwrap() {
                        Reconnected::Live(pod) => pod.destroy().await.unwrap(),
                        Reconnected::Gone(gone) => drop(gone.clean_up().await.unwrap()),
                    }
                }
                // Shims that were just told to end leave their cgroup when they have.
                for suffix in ["-shims", ""] {
                    for (_, path) in runtime.cgroup_paths(&format!("/{name}{suffix}")).unwrap().iter() {
                        remove_cgroup(path);
                    }
                }
            });
        });
        if cleaned.join().is_err() && !std::thread::panicking() {
            panic!("cleaning up failed");
        }
    }
}

/// Removes a cgroup directory when the processes in it have ended.
fn remove_cgroup(path: &Path) {
    let deadline = std::time::Instant::now() + Duration::from_secs(5);
    while path.exists() && fs::remove_dir(path).is_err() && std::time::Instant::now() < deadline {
        for line in fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default().lines() {
            let pid = rustix::process::Pid::from_raw(line.parse().unwrap()).unwrap();
            if let Ok(pidfd) = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) {
                let mut fds = [rustix::event::PollFd::new(&pidfd, rustix::event::PollFlags::IN)];
                let second = rustix::event::Timespec { tv_sec: 1, tv_nsec: 0 };
                let _ = rustix::event::poll(&mut fds, Some(&second));
            }
        }
    }
}

pub(crate) fn config(dir: &Path, name: &str) -> RuntimeConfig {
    RuntimeConfig {
        shim_binary: shim_binary().into(),
        state_dir: dir.join("state"),
        shim_cgroup: format!("/{name}-shims"),
        ..RuntimeConfig::default()
    }
}

pub(crate) fn make_root(root: &Path) {
    for directory in ["bin", "etc", "proc", "sys", "dev", "tmp", "data"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
    for applet in [
        "sh", "sleep", "cat", "echo", "id", "ls", "true", "false", "kill", "mount", "mkdir", "touch", "dd",
        "yes", "head", "hostname", "stat", "grep", "sync", "ps", "readlink", "pwd", "stty", "tr", "seq",
        "chmod", "ln", "wc", "printf", "env", "unshare",
    ] {
        let _ = std::os::unix::fs::symlink("busybox", root.join("bin").join(applet));
    }
    fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nweb:x:33:33::/var/www:/bin/sh\n")
        .unwrap();
}

pub(crate) const CAPABILITIES: [&str; 14] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

pub(crate) fn oci(cgroup: &str, args: &[&str]) -> Value {
    json!({
        "ociVersion": "1.2.0",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": args,
            "env": ["PATH=/bin"],
            "cwd": "/",
            "capabilities": {"bounding": CAPABILITIES, "permitted": CAPABILITIES, "effective": CAPABILITIES},
            "noNewPrivileges": false,
        },
        "root": {"path": "rootfs"},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
            {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"]},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev"]},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
            {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["nosuid", "noexec", "nodev", "relatime", "ro"]},
        ],
        "linux": {
            "cgroupsPath": cgroup,
            "namespaces": [
                {"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}, {"type": "cgroup"},
            ],
            "resources": {"devices": [{"allow": false, "access": "rwm"}]},
            "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/scsi", "/sys/firmware", "/nowhere"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        },
    })
}

pub(crate) fn exec_spec(id: &str, args: &[&str]) -> ExecSpec {
    let process = json!({
        "user": {"uid": 0, "gid": 0},
        "args": args,
        "env": ["PATH=/bin"],
        "cwd": "/",
        "capabilities": {"bounding": CAPABILITIES, "permitted": CAPABILITIES, "effective": CAPABILITIES},
    });
    ExecSpec {
        id: id.into(),
        process: serde_json::from_value(process).unwrap(),
        stdin: false,
        stdout: true,
        stderr: true,
        size: None,
    }
}

/// Runs an exec to its end: exit and standard output and error.
pub(crate) async fn exec(
    pod: &Pod,
    container: &str,
    spec: ExecSpec,
) -> Result<(ExitRecord, String, String), Error> {
    let mut exec: Exec = pod.exec(container, spec).await?;
    let ExecIo::Pipes { stdout, stderr, .. } = exec.io() else { panic!("a terminal") };
    let (stdout, stderr) = (stdout.take(), stderr.take());
    let (stdout, stderr) = tokio::join!(read_all(stdout), read_all(stderr));
    Ok((within(exec.wait()).await?, stdout, stderr))
}

/// Reads to the end.
pub(crate) async fn read_all(fd: Option<OwnedFd>) -> String {
    let Some(fd) = fd else { return String::new() };
    within(tokio::task::spawn_blocking(move || {
        rustix::io::ioctl_fionbio(&fd, false).unwrap();
        let mut text = Vec::new();
        let mut chunk = [0; 4096];
        // A terminal ends with an error.
        while let Ok(count @ 1..) = rustix::io::read(&fd, &mut chunk) {
            text.extend_from_slice(&chunk[..count]);
        }
        String::from_utf8_lossy(&text).into_owned()
    }))
    .await
    .unwrap()
}

/// No test waits for ever.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("timed out")
}
