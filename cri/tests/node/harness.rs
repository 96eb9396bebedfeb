//! A CRI server for one test, and requests to it.

use std::collections::HashMap;
use std::fs;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use hyper_util::rt::TokioIo;
use kingpost_cri::Config;
use kingpost_proto::cri;
use kingpost_proto::cri::image_service_client::ImageServiceClient;
use kingpost_proto::cri::runtime_service_client::RuntimeServiceClient;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint, Uri};

pub(crate) type Runtime = RuntimeServiceClient<Channel>;
pub(crate) type Images = ImageServiceClient<Channel>;

pub(crate) const IMAGE: &str = "docker.io/library/busybox:latest";
const NODE_ADDRESS: &str = "192.0.2.1";
const POD_CIDR: &str = "10.213.7.0/24";
/// How long anything may take that a test waits for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Whether this process may do what the tests need; says so if not.
pub(crate) fn able() -> bool {
    let able = rustix::process::geteuid().is_root();
    if !able {
        eprintln!("skipped: needs root");
    }
    able
}

/// A server with all that is its own. Dropping it removes every trace.
pub(crate) struct Node {
    pub(crate) directory: tempfile::TempDir,
    name: String,
    server: Option<Child>,
}

impl Node {
    pub(crate) async fn start() -> Self {
        let name = format!("kpcri{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let directory = tempfile::Builder::new().prefix(&name).tempdir().unwrap();
        run("ip", &["netns", "add", &name]);
        let inside = |args: &[&str]| run("ip", &[&["-n", &name], args].concat());
        inside(&["link", "set", "lo", "up"]);
        inside(&["address", "add", &format!("{NODE_ADDRESS}/32"), "dev", "lo"]);
        let mut node = Self { directory, name, server: None };
        node.launch(Some(&archive()));
        node.ready().await;
        node
    }

    fn launch(&mut self, archive: Option<&Path>) {
        let netns = format!("--net=/run/netns/{}", self.name);
        let mut command = Command::new("nsenter");
        command
            .arg(netns)
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "serve", "--ignored", "--nocapture"])
            .env("KINGPOST_TEST_DIRECTORY", self.directory.path())
            .env("KINGPOST_TEST_NAME", &self.name)
            .env("KINGPOST_TEST_RUNTIME", runtime_binary())
            .stdin(Stdio::null());
        if let Some(archive) = archive {
            command.env("KINGPOST_TEST_ARCHIVE", archive);
        }
        self.server = Some(command.spawn().unwrap());
    }

    /// Waits until the server answers.
    async fn ready(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Ok(channel) = self.channel().await
                && RuntimeServiceClient::new(channel).version(cri::VersionRequest::default()).await.is_ok()
            {
                return;
            }
            let ended = self.server.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "the server ended: {ended:?}");
            assert!(Instant::now() < deadline, "the server does not answer");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill().unwrap();
            server.wait().unwrap();
        }
    }

    /// Starts the server again.
    pub(crate) async fn restart(&mut self) {
        self.kill();
        self.launch(None);
        self.ready().await;
    }

    /// Resident memory of the server, in bytes.
    pub(crate) fn server_memory(&self) -> u64 {
        let pid = self.server.as_ref().unwrap().id();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("cri.sock")
    }

    async fn channel(&self) -> Result<Channel, tonic::transport::Error> {
        let socket = self.socket();
        let connect = move |_: Uri| {
            let socket = socket.clone();
            async move { UnixStream::connect(socket).await.map(TokioIo::new) }
        };
        Endpoint::from_static("http://cri").connect_with_connector(tower::service_fn(connect)).await
    }

    pub(crate) async fn runtime(&self) -> Runtime {
        RuntimeServiceClient::new(self.channel().await.unwrap()).max_decoding_message_size(16 << 20)
    }

    pub(crate) async fn images(&self) -> Images {
        ImageServiceClient::new(self.channel().await.unwrap())
    }

    /// A connection to a TCP port of the node's loopback.
    pub(crate) async fn connect(&self, port: u16) -> tokio::net::TcpStream {
        let netns = fs::File::open(format!("/run/netns/{}", self.name)).unwrap();
        // A socket belongs to the network namespace of the thread that makes it.
        let stream = std::thread::spawn(move || {
            rustix::thread::move_into_link_name_space(netns.as_fd(), None).unwrap();
            std::net::TcpStream::connect(("127.0.0.1", port)).unwrap()
        });
        let stream = stream.join().unwrap();
        stream.set_nonblocking(true).unwrap();
        tokio::net::TcpStream::from_std(stream).unwrap()
    }

    /// Configuration of a sandbox with a log directory of its own.
    pub(crate) fn sandbox(&self, name: &str) -> cri::PodSandboxConfig {
        cri::PodSandboxConfig {
            metadata: Some(cri::PodSandboxMetadata {
                name: name.into(),
                uid: format!("{name}-uid"),
                namespace: "default".into(),
                attempt: 0,
            }),
            hostname: name.into(),
            log_directory: self.directory.path().join("logs").join(name).display().to_string(),
            labels: HashMap::from([("app".into(), name.into())]),
            annotations: HashMap::from([("example.com/note".into(), "two\nlines \u{2603}".into())]),
            linux: Some(cri::LinuxPodSandboxConfig {
                security_context: Some(cri::LinuxSandboxSecurityContext {
                    namespace_options: Some(cri::NamespaceOption {
                        pid: cri::NamespaceMode::Container.into(),
                        ..cri::NamespaceOption::default()
                    }),
                    ..cri::LinuxSandboxSecurityContext::default()
                }),
                ..cri::LinuxPodSandboxConfig::default()
            }),
            ..cri::PodSandboxConfig::default()
        }
    }

    /// Names of the pods' cgroups that exist.
    pub(crate) fn cgroups(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for hierarchy in fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
            let pods = hierarchy.path().join(format!("{}-pods", self.name));
            found.extend(
                fs::read_dir(pods)
                    .into_iter()
                    .flatten()
                    .flatten()
                    .map(|entry| entry.path())
                    .filter(|path| path.is_dir()),
            );
        }
        found
    }

    /// Takes away all mounts below the test's directory.
    pub(crate) fn unmount(&self) {
        let prefix = self.directory.path().display().to_string();
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        for mount in
            mounts.lines().filter_map(|line| line.split(' ').nth(1)).filter(|path| path.starts_with(&prefix))
        {
            let _ = Command::new("umount").args(["-l", mount]).status();
        }
    }

    /// Kills all processes of all pods, shims first, and removes their cgroups.
    pub(crate) fn end_pods(&self) {
        for kind in ["shims", "pods"] {
            for hierarchy in fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
                remove_cgroup(&hierarchy.path().join(format!("{}-{kind}", self.name)));
            }
            remove_cgroup(&PathBuf::from(format!("/sys/fs/cgroup/{}-{kind}", self.name)));
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
        self.end_pods();
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).status();
        self.unmount();
    }
}

/// Kills what is in a cgroup and those below it, and removes them.
fn remove_cgroup(path: &Path) {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            remove_cgroup(&entry.path());
        }
    }
    let deadline = Instant::now() + Duration::from_secs(5);
    while path.exists() && Instant::now() < deadline {
        for pid in fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default().lines() {
            if let Some(pid) = pid.parse().ok().and_then(rustix::process::Pid::from_raw) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
        if fs::remove_dir(path).is_ok() {
            return;
        }
        std::thread::yield_now();
    }
}

pub(crate) fn config_from_environment() -> Config {
    let directory = PathBuf::from(std::env::var_os("KINGPOST_TEST_DIRECTORY").unwrap());
    let name = std::env::var("KINGPOST_TEST_NAME").unwrap();
    Config {
        socket: directory.join("cri.sock"),
        root_dir: directory.join("root"),
        state_dir: directory.join("run"),
        runtime_binary: std::env::var_os("KINGPOST_TEST_RUNTIME").unwrap().into(),
        pod_cidr: Some(POD_CIDR.parse().unwrap()),
        node_address: Some(NODE_ADDRESS.parse().unwrap()),
        pod_cgroup: format!("/{name}-pods"),
        shim_cgroup: format!("/{name}-shims"),
        ..Config::default()
    }
}

pub(crate) fn archive_from_environment() -> Option<PathBuf> {
    std::env::var_os("KINGPOST_TEST_ARCHIVE").map(PathBuf::from)
}

/// The root of the workspace.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The runtime binary beside this test, built if it is missing.
fn runtime_binary() -> PathBuf {
    let profile = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().to_owned();
    let binary = profile.join("kingpost-runtime");
    if !binary.exists() {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "-p", "kingpost-shim", "--target-dir"]).arg(profile.parent().unwrap());
        assert!(build.current_dir(workspace()).status().unwrap().success());
    }
    binary
}

/// The busybox image of the end-to-end tests.
fn archive() -> PathBuf {
    static BUILT: std::sync::Once = std::sync::Once::new();
    let images = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("images");
    BUILT.call_once(|| {
        let script = workspace().join("tests/images/build.sh");
        let mut build = Command::new(script);
        assert!(build.arg(&images).args(["/bin/true", "busybox"]).status().unwrap().success());
    });
    images.join("busybox.tar")
}

fn run(program: &str, args: &[&str]) {
    let status = Command::new(program).args(args).status().unwrap();
    assert!(status.success(), "{program} {args:?}");
}

/// Waits until a condition holds.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A container that runs a shell script.
pub(crate) fn script(name: &str, text: &str) -> cri::ContainerConfig {
    cri::ContainerConfig {
        metadata: Some(cri::ContainerMetadata { name: name.into(), attempt: 0 }),
        image: Some(cri::ImageSpec { image: IMAGE.into(), ..cri::ImageSpec::default() }),
        command: vec!["sh".into(), "-c".into(), text.into()],
        log_path: format!("{name}/0.log"),
        linux: Some(cri::LinuxContainerConfig {
            resources: None,
            security_context: Some(cri::LinuxContainerSecurityContext {
                namespace_options: Some(cri::NamespaceOption {
                    pid: cri::NamespaceMode::Container.into(),
                    ..cri::NamespaceOption::default()
                }),
                ..cri::LinuxContainerSecurityContext::default()
            }),
        }),
        ..cri::ContainerConfig::default()
    }
}

/// The requests that most tests make.
pub(crate) trait Requests {
    async fn run(&mut self, config: &cri::PodSandboxConfig) -> String;
    async fn create(
        &mut self,
        pod: &str,
        sandbox: &cri::PodSandboxConfig,
        config: cri::ContainerConfig,
    ) -> Result<String, tonic::Status>;
    async fn begin(&mut self, container: &str) -> Result<(), tonic::Status>;
    async fn status_of(&mut self, container: &str) -> cri::ContainerStatus;
    async fn exited(&mut self, container: &str) -> cri::ContainerStatus;
    async fn remove_pod(&mut self, pod: &str);
    async fn sync(&mut self, container: &str, text: &str) -> cri::ExecSyncResponse;
}

impl Requests for Runtime {
    async fn run(&mut self, config: &cri::PodSandboxConfig) -> String {
        let request =
            cri::RunPodSandboxRequest { config: Some(config.clone()), runtime_handler: String::new() };
        self.run_pod_sandbox(request).await.unwrap().into_inner().pod_sandbox_id
    }

    async fn create(
        &mut self,
        pod: &str,
        sandbox: &cri::PodSandboxConfig,
        config: cri::ContainerConfig,
    ) -> Result<String, tonic::Status> {
        let request = cri::CreateContainerRequest {
            pod_sandbox_id: pod.into(),
            config: Some(config),
            sandbox_config: Some(sandbox.clone()),
        };
        Ok(self.create_container(request).await?.into_inner().container_id)
    }

    async fn begin(&mut self, container: &str) -> Result<(), tonic::Status> {
        self.start_container(cri::StartContainerRequest { container_id: container.into() }).await.map(|_| ())
    }

    async fn status_of(&mut self, container: &str) -> cri::ContainerStatus {
        let request = cri::ContainerStatusRequest { container_id: container.into(), verbose: false };
        self.container_status(request).await.unwrap().into_inner().status.unwrap()
    }

    async fn exited(&mut self, container: &str) -> cri::ContainerStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = self.status_of(container).await;
            if status.state() == cri::ContainerState::ContainerExited {
                return status;
            }
            assert!(Instant::now() < deadline, "container does not end: {status:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn remove_pod(&mut self, pod: &str) {
        self.stop_pod_sandbox(cri::StopPodSandboxRequest { pod_sandbox_id: pod.into() }).await.unwrap();
        self.remove_pod_sandbox(cri::RemovePodSandboxRequest { pod_sandbox_id: pod.into() }).await.unwrap();
    }

    async fn sync(&mut self, container: &str, text: &str) -> cri::ExecSyncResponse {
        let request = cri::ExecSyncRequest {
            container_id: container.into(),
            cmd: vec!["sh".into(), "-c".into(), text.into()],
            timeout: 10,
        };
        self.exec_sync(request).await.unwrap().into_inner()
    }
}
