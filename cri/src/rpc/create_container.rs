//! CreateContainer: "creates a new container in specified PodSandbox".

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use kingpost_images::{Image, Snapshot};
use kingpost_proto::cri::{
    ContainerConfig, ContainerEventType, CreateContainerRequest, CreateContainerResponse, NamespaceMode,
    PodSandboxConfig,
};
use kingpost_runtime::{ContainerSpec, LogFile, Pod, Rootfs, Status};

use crate::error::{CriError, Result};
use crate::id;
use crate::lifecycle::container;
use crate::node::Node;
use crate::record::{ContainerPhase, ContainerRecord, Durability, Recorded, SandboxPhase};
use crate::spec::{self, Built, Inputs, rootfs::Layers, signal};
use crate::store::{Container, Sandbox, container_name};

pub(crate) async fn create_container(
    node: Arc<Node>,
    request: CreateContainerRequest,
) -> Result<CreateContainerResponse> {
    let sandbox = node.store.sandboxes.get(&request.pod_sandbox_id)?;
    // A stop of the sandbox waits until the container is there, and then ends it.
    let _turn = sandbox.turn().await;
    let config = request.config.ok_or_else(|| CriError::field("config", "is required"))?;
    let record = sandbox.record.get();
    if record.phase() != SandboxPhase::Ready {
        return Err(CriError::WrongState {
            kind: "sandbox",
            id: record.id.clone(),
            operation: "create container",
            reason: "it is not ready".into(),
        });
    }
    let pod = sandbox.live("create container")?;
    let metadata =
        config.metadata.clone().ok_or_else(|| CriError::field("config.metadata", "is required"))?;
    if metadata.name.is_empty() {
        return Err(CriError::field("config.metadata.name", "is required"));
    }
    let log = log_file(&record.config.clone().unwrap_or_default(), &config)?;
    let image = find_image(&node, &config).await?;
    let stop_signal = stop_signal(&config, &image)?;

    let id = id::new();
    node.store.names.reserve("container", &container_name(&metadata, &record.id), &id)?;
    let created = ContainerRecord {
        id: id.clone(),
        sandbox_id: record.id.clone(),
        image_id: image.id.clone(),
        image_ref: image.repo_digests.first().unwrap_or(&image.id).clone(),
        config: Some(config),
        created_at: id::now(),
        log_path: log
            .as_ref()
            .map(|log| log.directory.join(&log.path).display().to_string())
            .unwrap_or_default(),
        stop_signal,
        ..ContainerRecord::default()
    };
    let recorded = match Recorded::create(node.container_records.clone(), created).await {
        Ok(recorded) => recorded,
        Err(error) => {
            node.store.names.release(&id);
            return Err(error.into());
        }
    };
    let container = Container::new(recorded);
    node.store.containers.insert(&id, Arc::clone(&container));
    if let Err(error) = make(&node, &sandbox, &pod, &container, image, log).await {
        if let Err(left) = container::remove(&node, &container).await {
            tracing::error!(container = %id, error = %crate::error::chain(&left), "cannot remove what failed");
        }
        return Err(error);
    }
    let kind = ContainerEventType::ContainerCreatedEvent;
    node.events.publish(&node.store, &id, &record.id, kind);
    tracing::info!(container = %id, pod = %record.id, name = metadata.name, "container created");
    Ok(CreateContainerResponse { container_id: id })
}

async fn find_image(node: &Node, config: &ContainerConfig) -> Result<Image> {
    let name = config.image.as_ref().map(|image| image.image.as_str()).unwrap_or_default();
    if name.is_empty() {
        return Err(CriError::field("config.image", "is required"));
    }
    let found = node.images.get(name).await.map_err(CriError::images("look up image", name))?;
    found.ok_or_else(|| CriError::NotFound { kind: "image", id: name.to_owned() })
}

fn stop_signal(config: &ContainerConfig, image: &Image) -> Result<i32> {
    if let Some(requested) = signal::from_cri(config.stop_signal()) {
        return Ok(requested);
    }
    let from_image = image.config.config().as_ref().and_then(|config| config.stop_signal().clone());
    match from_image.as_deref() {
        None | Some("") => Ok(signal::TERM),
        Some(name) => signal::parse(name)
            .ok_or_else(|| spec::SpecError::image("StopSignal", format!("{name:?} is no signal")).into()),
    }
}

/// `log_directory` and `log_path` of the request; the shim follows no link below the directory (CVE-2025-0750).
fn log_file(sandbox: &PodSandboxConfig, config: &ContainerConfig) -> Result<Option<LogFile>> {
    if sandbox.log_directory.is_empty() || config.log_path.is_empty() {
        return Ok(None);
    }
    let path = Path::new(&config.log_path);
    let inside = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if !inside || config.log_path.contains(['\0', '\n']) {
        return Err(CriError::field(
            "config.log_path",
            format!("{:?} is no path below the log directory", path),
        ));
    }
    Ok(Some(LogFile { directory: PathBuf::from(&sandbox.log_directory), path: path.components().collect() }))
}

/// Makes the container whose record is written. On failure the caller removes what there is.
async fn make(
    node: &Arc<Node>,
    sandbox: &Sandbox,
    pod: &Pod,
    container: &Container,
    image: Image,
    log: Option<LogFile>,
) -> Result<()> {
    let record = container.record.get();
    let prepared = node.images.prepare_rootfs(&image.id, &record.id).await;
    let snapshot = prepared.map_err(CriError::images("prepare root file system from", &image.id))?;
    let config = record.config.clone().unwrap_or_default();
    let target_pid = target_pid(node, &record.sandbox_id, pod, &config).await?;
    let built = build(node, sandbox, &record, &config, image, &snapshot, target_pid).await?;
    let process = built.spec.process().as_ref().map(serde_json::to_vec);
    let process = process.transpose().map_err(|error| CriError::field("config", error.to_string()))?;
    let spec = ContainerSpec {
        id: record.id.clone(),
        oci: built.spec,
        rootfs: Rootfs::Overlay { lower: snapshot.lower, upper: snapshot.upper, work: snapshot.work },
        log,
        stdin: config.stdin,
        stdin_once: config.stdin_once,
    };
    pod.create_container(spec).await.map_err(CriError::runtime("create container", &record.id))?;
    let user = built.user;
    let change = container.update(Durability::Power, move |record| {
        record.set_phase(ContainerPhase::Created);
        record.user = Some(user);
        record.process = process.unwrap_or_default();
    });
    change.await?;
    Ok(())
}

async fn build(
    node: &Arc<Node>,
    sandbox: &Sandbox,
    record: &ContainerRecord,
    config: &ContainerConfig,
    image: Image,
    snapshot: &Snapshot,
    target_pid: Option<u32>,
) -> Result<Built> {
    let sandbox_record = sandbox.record.get();
    let pod_files = sandbox.record.directory();
    let cgroups_path = Path::new(&sandbox_record.cgroup_parent).join(&record.id);
    let (node, config, layers) = (Arc::clone(node), config.clone(), snapshot.lower.clone());
    let work = move || {
        let inputs = Inputs {
            sandbox: &sandbox_record.config.clone().unwrap_or_default(),
            config: &config,
            image: &image.config,
            rootfs: &Layers(&layers),
            pod_files: &pod_files,
            target_pid,
            cgroups_path,
            host: &node.host,
        };
        spec::build(&inputs)
    };
    Ok(tokio::task::spawn_blocking(work).await??)
}

/// The process whose PID namespace is asked for by mode TARGET: of a running container of the same sandbox.
async fn target_pid(
    node: &Node,
    sandbox_id: &str,
    pod: &Pod,
    config: &ContainerConfig,
) -> Result<Option<u32>> {
    let security = config.linux.as_ref().and_then(|linux| linux.security_context.as_ref());
    let Some(options) = security.and_then(|security| security.namespace_options.as_ref()) else {
        return Ok(None);
    };
    if options.pid() != NamespaceMode::Target {
        return Ok(None);
    }
    let target = node.store.containers.get(&options.target_id)?.record.get();
    if target.sandbox_id != sandbox_id {
        let field = "config.linux.security_context.namespace_options.target_id";
        return Err(CriError::field(field, "is a container of another sandbox"));
    }
    let state = pod.state(&target.id).await.map_err(CriError::runtime("look up container", &target.id))?;
    Ok(match state.status {
        Status::Running { pid, .. } => Some(pid),
        Status::Created | Status::Exited { .. } => None,
    })
}
