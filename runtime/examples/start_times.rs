//! Measures the steps of a pod's life: `start_times <kingpost-runtime> <static busybox> [rounds]`, as root.
//!
//! Prints the median and the least of each step in microseconds, and the shim's PSS while a container runs. The pod has a
//! fresh network namespace and the container full namespaces, all OCI mounts, a seccomp profile and limits.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kingpost_runtime::{
    ContainerSpec, ExecSpec, LogFile, NetMode, NsMode, PodSpec, Rootfs, Runtime, RuntimeConfig, SignalTarget,
};
use serde_json::{Value, json};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let usage = "start_times <kingpost-runtime> <static busybox> [rounds]";
    let shim = PathBuf::from(arguments.next().ok_or(usage)?);
    let busybox = PathBuf::from(arguments.next().ok_or(usage)?);
    let rounds: usize = arguments.next().map_or(Ok(100), |text| text.parse())?;
    let dir = tempfile::tempdir()?;
    let layer = dir.path().join("layer");
    for directory in ["bin", "proc", "sys", "dev"] {
        std::fs::create_dir_all(layer.join(directory))?;
    }
    std::fs::copy(busybox, layer.join("bin/busybox"))?;
    let name = format!("kpbench-{}", std::process::id());
    let runtime = Runtime::new(RuntimeConfig {
        shim_binary: shim,
        state_dir: dir.path().join("state"),
        shim_cgroup: format!("/{name}-shims"),
        ..RuntimeConfig::default()
    })
    .await?;
    let mut steps: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
    let mut pss = [0; 2];
    for round in 0..rounds {
        pss = cycle(&runtime, dir.path(), &name, round, &mut steps).await?;
    }
    for (step, mut times) in steps {
        times.sort_unstable();
        let median = times.get(times.len() / 2).copied().unwrap_or_default();
        println!(
            "{step:24} median {:6} µs   least {:6} µs",
            median.as_micros(),
            times.first().map_or(0, Duration::as_micros)
        );
    }
    let [all, own] = pss;
    println!("shim PSS {all} KiB with one pod, {own} KiB without the program that all shims share");
    for (_, path) in runtime
        .cgroup_paths(&format!("/{name}"))?
        .iter()
        .chain(runtime.cgroup_paths(&format!("/{name}-shims"))?.iter())
    {
        // The last shim may be about to end still; its empty cgroup is all that would be left.
        let _ = std::fs::remove_dir(path);
    }
    Ok(())
}

async fn cycle(
    runtime: &Runtime,
    dir: &Path,
    name: &str,
    round: usize,
    steps: &mut BTreeMap<&'static str, Vec<Duration>>,
) -> Result<[u64; 2]> {
    let mut last = Instant::now();
    let mut lap = |step: &'static str| {
        steps.entry(step).or_default().push(last.elapsed());
        last = Instant::now();
    };
    let id = format!("pod-{round}");
    let pod = runtime.create_pod(pod_spec(&id, name)).await?;
    lap("1 create pod");
    let (upper, work) = (dir.join(format!("upper-{round}")), dir.join(format!("work-{round}")));
    std::fs::create_dir(&upper)?;
    std::fs::create_dir(&work)?;
    let container = |id: &str, args: &[&str], upper: PathBuf, work: PathBuf| -> Result<ContainerSpec> {
        Ok(ContainerSpec {
            id: id.into(),
            oci: serde_json::from_value(oci(&format!("/{name}/pod-{round}/{id}"), args))?,
            rootfs: Rootfs::Overlay { lower: vec![dir.join("layer")], upper, work },
            log: Some(LogFile { directory: dir.into(), path: format!("{id}.log").into() }),
            stdin: false,
            stdin_once: false,
        })
    };
    let spec = container("c", &["/bin/busybox", "sleep", "1000"], upper, work)?;
    lap("(preparing directories)");
    pod.create_container(spec).await?;
    lap("2 create container");
    pod.start("c").await?;
    lap("3 start container");
    let process = json!({"user": {"uid": 0, "gid": 0}, "args": ["/bin/busybox", "true"], "cwd": "/"});
    let spec = ExecSpec {
        id: "e".into(),
        process: serde_json::from_value(process)?,
        stdin: false,
        stdout: true,
        stderr: true,
        size: None,
    };
    pod.exec("c", spec).await?.wait().await?;
    lap("4 exec true");
    let pss = pss(pod.shim_pid())?;
    lap("(reading PSS)");
    pod.signal("c", 9, SignalTarget::Init).await?;
    pod.wait("c").await?;
    lap("5 kill and wait");
    pod.delete_container("c").await?;
    lap("6 delete container");
    pod.destroy().await?;
    lap("7 destroy pod");
    Ok(pss)
}

fn pod_spec(id: &str, name: &str) -> PodSpec {
    PodSpec {
        id: id.into(),
        cgroup_parent: Some(format!("/{name}/{id}")),
        net: NetMode::New,
        pid: NsMode::Container,
        ipc: NsMode::Pod,
        uts: NsMode::Pod,
        user: None,
        hostname: Some(id.into()),
        sysctls: BTreeMap::new(),
        shm_size: None,
        resources: None,
    }
}

/// All, and what is the shim's alone whatever the number of pods: the rest is its program, shared by all shims.
fn pss(pid: u32) -> Result<[u64; 2]> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let number = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).ok_or("no PSS")
    };
    Ok([number("Pss:")?, number("Pss_Anon:")?])
}

fn oci(cgroup: &str, args: &[&str]) -> Value {
    let own = ["nosuid", "noexec", "nodev"];
    json!({
        "ociVersion": "1.2.0",
        "process": {"user": {"uid": 0, "gid": 0}, "args": args, "env": ["PATH=/bin"], "cwd": "/", "noNewPrivileges": true},
        "root": {"path": "rootfs"},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc", "options": own},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=65536k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
            {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": own},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": own},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
            {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["nosuid", "noexec", "nodev", "ro"]},
        ],
        "linux": {
            "cgroupsPath": cgroup,
            "namespaces": [{"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}, {"type": "cgroup"}],
            "resources": {"devices": [{"allow": false, "access": "rwm"}], "memory": {"limit": 134_217_728}, "cpu": {"shares": 512, "quota": 50_000, "period": 100_000}, "pids": {"limit": 100}},
            "seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
                "syscalls": [{"names": ["mount", "umount2", "reboot", "kexec_load", "init_module", "ptrace"], "action": "SCMP_ACT_ERRNO"}]},
            "maskedPaths": ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        },
    })
}
