//! RunPodSandbox: "creates and starts a pod-level sandbox. Runtimes must ensure the sandbox is in the ready state on
//! success."

use std::net::IpAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Component, Path};
use std::sync::Arc;

use kingpost_podnet::PortMapping;
use kingpost_proto::cri::{
    ContainerEventType, NamespaceMode, NamespaceOption, PodSandboxConfig, PortMapping as PortRequest,
    Protocol, RunPodSandboxRequest, RunPodSandboxResponse,
};
use kingpost_runtime::{NetMode, NsMode, PodSpec};

use crate::error::{CriError, Result};
use crate::lifecycle::{follow, sandbox as pods};
use crate::node::Node;
use crate::record::{Durability, Recorded, SandboxPhase, SandboxRecord};
use crate::spec::{check_sandbox, sandbox_options, sysctls};
use crate::store::{Sandbox, sandbox_name};
use crate::{id, pod_files};

pub(crate) async fn run_pod_sandbox(
    node: Arc<Node>,
    request: RunPodSandboxRequest,
) -> Result<RunPodSandboxResponse> {
    let config = request.config.ok_or_else(|| CriError::field("config", "is required"))?;
    if !request.runtime_handler.is_empty() {
        let reason = format!("no runtime handler {:?}", request.runtime_handler);
        return Err(CriError::field("runtime_handler", reason));
    }
    let name = check(&node, &config)?;
    let id = id::new();
    node.store.names.reserve("sandbox", &name, &id)?;
    let record = SandboxRecord {
        id: id.clone(),
        cgroup_parent: cgroup_parent(&node, &config, &id),
        config: Some(config),
        runtime_handler: request.runtime_handler,
        created_at: id::now(),
        phase: SandboxPhase::Preparing.into(),
        ips: Vec::new(),
    };
    let recorded = match Recorded::create(node.sandbox_records.clone(), record).await {
        Ok(recorded) => recorded,
        Err(error) => {
            node.store.names.release(&id);
            return Err(error.into());
        }
    };
    let sandbox = Sandbox::new(recorded);
    node.store.sandboxes.insert(&id, Arc::clone(&sandbox));
    let _turn = sandbox.turn().await;
    if let Err(error) = set_up(&node, &sandbox).await {
        if let Err(left) = pods::remove(&node, &sandbox).await {
            tracing::error!(pod = %id, error = %crate::error::chain(&left), "cannot remove a sandbox that failed");
        }
        return Err(error);
    }
    tracing::info!(pod = %id, name, "sandbox ready");
    Ok(RunPodSandboxResponse { pod_sandbox_id: id })
}

/// Checks all that can be checked before anything is made; returns the sandbox's name.
fn check(node: &Node, config: &PodSandboxConfig) -> Result<String> {
    let metadata =
        config.metadata.as_ref().ok_or_else(|| CriError::field("config.metadata", "is required"))?;
    if metadata.name.is_empty() || metadata.uid.is_empty() {
        return Err(CriError::field("config.metadata", "name and uid are required"));
    }
    check_sandbox(config, &node.host)?;
    pod_files::check(config)?;
    let options = sandbox_options(config);
    namespace_mode("pid", options.pid())?;
    namespace_mode("ipc", options.ipc())?;
    if matches!(options.network(), NamespaceMode::Container | NamespaceMode::Target) {
        return Err(bad_mode("network", options.network()));
    }
    let linux = config.linux.clone().unwrap_or_default();
    sysctls::check(&linux.sysctls, &options)?;
    ports(&config.port_mappings)?;
    check_path("cgroup_parent", &linux.cgroup_parent)?;
    check_path("log_directory", &config.log_directory)?;
    Ok(sandbox_name(metadata))
}

fn check_path(field: &'static str, path: &str) -> Result<()> {
    let parents = Path::new(path).components().any(|part| part == Component::ParentDir);
    if path.is_empty() || (path.starts_with('/') && !parents && !path.contains('\0')) {
        return Ok(());
    }
    Err(CriError::field(field, format!("{path:?} is no absolute path without ..")))
}

fn bad_mode(name: &str, mode: NamespaceMode) -> CriError {
    let field = format!("linux.security_context.namespace_options.{name}");
    CriError::field(field, format!("{} is not for a sandbox", mode.as_str_name()))
}

fn namespace_mode(name: &str, mode: NamespaceMode) -> Result<NsMode> {
    match mode {
        NamespaceMode::Pod => Ok(NsMode::Pod),
        NamespaceMode::Container if name == "pid" => Ok(NsMode::Container),
        NamespaceMode::Node => Ok(NsMode::Node),
        mode => Err(bad_mode(name, mode)),
    }
}

fn cgroup_parent(node: &Node, config: &PodSandboxConfig, id: &str) -> String {
    let requested = config.linux.as_ref().map(|linux| linux.cgroup_parent.as_str()).unwrap_or_default();
    if requested.is_empty() { format!("{}/{id}", node.config.pod_cgroup) } else { requested.to_owned() }
}

fn ports(requests: &[PortRequest]) -> Result<Vec<PortMapping>> {
    let mut mappings = Vec::new();
    for (index, request) in requests.iter().enumerate() {
        let fail =
            |field: &str, reason: &str| CriError::field(format!("port_mappings[{index}].{field}"), reason);
        // Zero means explicitly: no host port.
        if request.host_port == 0 {
            continue;
        }
        let port = |field: &str, port: i32| {
            u16::try_from(port)
                .ok()
                .filter(|port| *port != 0)
                .ok_or_else(|| fail(field, "not within 1 and 65535"))
        };
        let host_ip = match request.host_ip.as_str() {
            "" => None,
            ip => Some(ip.parse::<IpAddr>().map_err(|_| fail("host_ip", "no address"))?),
        };
        mappings.push(PortMapping {
            protocol: match request.protocol() {
                Protocol::Tcp => kingpost_podnet::Protocol::Tcp,
                Protocol::Udp => kingpost_podnet::Protocol::Udp,
                Protocol::Sctp => kingpost_podnet::Protocol::Sctp,
            },
            container_port: port("container_port", request.container_port)?,
            host_port: port("host_port", request.host_port)?,
            host_ip,
        });
    }
    Ok(mappings)
}

/// Makes the sandbox whose record is written. On failure the caller removes what there is.
async fn set_up(node: &Arc<Node>, sandbox: &Arc<Sandbox>) -> Result<()> {
    let record = sandbox.record.get();
    let config = record.config.clone().unwrap_or_default();
    let options = sandbox_options(&config);
    let (net, ips) = if options.network() == NamespaceMode::Node {
        (NetMode::Host, Vec::new())
    } else {
        let ports = ports(&config.port_mappings)?;
        let attached = node.network.attach(&record.id, &ports).await;
        let attachment = attached.map_err(CriError::network("attach network of", &record.id))?;
        (NetMode::Fd(attachment.netns), attachment.ips)
    };
    write_files(sandbox.record.directory(), config.clone(), ips.clone()).await?;
    let spec = pod_spec(&record, &config, &options, net)?;
    let pod = node.runtime.create_pod(spec).await.map_err(CriError::runtime("create pod", &record.id))?;
    sandbox.set_pod(Some(pod.clone()));
    follow::follow(node, sandbox, pod);
    let change = sandbox.record.update(Durability::Power, move |record| {
        record.set_phase(SandboxPhase::Ready);
        record.ips = ips.iter().map(ToString::to_string).collect();
    });
    change.await?;
    for kind in [ContainerEventType::ContainerCreatedEvent, ContainerEventType::ContainerStartedEvent] {
        node.events.publish(&node.store, &record.id, &record.id, kind);
    }
    Ok(())
}

/// The log directory and the pod's files in `/etc`.
async fn write_files(
    directory: std::path::PathBuf,
    config: PodSandboxConfig,
    ips: Vec<IpAddr>,
) -> Result<()> {
    tokio::task::spawn_blocking(move || {
        if !config.log_directory.is_empty() {
            let path = Path::new(&config.log_directory);
            let made = std::fs::DirBuilder::new().recursive(true).mode(0o755).create(path);
            made.map_err(|error| CriError::io("make log directory", path, error))?;
        }
        pod_files::write(&directory, &config, &ips)
    })
    .await?
}

/// `resources` and `overhead` of the configuration are what the caller has set on the pod's cgroup already; they
/// are for runtimes that size a virtual machine by them.
fn pod_spec(
    record: &SandboxRecord,
    config: &PodSandboxConfig,
    options: &NamespaceOption,
    net: NetMode,
) -> Result<PodSpec> {
    let host_network = matches!(net, NetMode::Host);
    let linux = config.linux.clone().unwrap_or_default();
    Ok(PodSpec {
        id: record.id.clone(),
        cgroup_parent: Some(record.cgroup_parent.clone()),
        net,
        pid: namespace_mode("pid", options.pid())?,
        ipc: namespace_mode("ipc", options.ipc())?,
        uts: if host_network { NsMode::Node } else { NsMode::Pod },
        user: None,
        hostname: (!host_network).then(|| config.hostname.clone()),
        sysctls: sysctls::check(&linux.sysctls, options)?,
        shm_size: None,
        resources: None,
    })
}
