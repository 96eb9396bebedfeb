//! Making pods and their containers.

use std::os::fd::AsFd;
use std::sync::Arc;

use kingpost_shim::{IdMapLine, PodPlan, Reply, Request};
use tokio::sync::broadcast;

use super::Pod;
use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::gone::remove_all;
use crate::plan::{
    self, ContainerInput, NEWIPC, NEWNET, NEWPID, NEWUSER, NEWUTS, PlanFds, PodNamespaces, sysctls,
};
use crate::records::{ContainerRecord, PodDirectory, PodRecord, check_id};
use crate::runtime::{EVENTS, Shared, blocking};
use crate::spec::{ContainerSpec, IdMapping, IdMappings, NetMode, NsMode, PodSpec};
use crate::{cgroup, launch, logs, shm, wire};

/// Makes a pod. Whatever fails, nothing is left.
pub(crate) async fn create(shared: &Arc<Shared>, mut spec: PodSpec) -> Result<Pod> {
    check_id("pod", &spec.id)?;
    let net = std::mem::replace(&mut spec.net, NetMode::Host);
    let (plan, fds) = plan(&spec, net)?;
    let directory = PodDirectory::new(&shared.config.state_dir, &spec.id);
    let record = record(shared, &spec, &plan)?;
    let prepared = {
        let (shared, directory, record) = (shared.clone(), directory.clone(), record.clone());
        let (id, size, resources) = (spec.id.clone(), spec.shm_size, spec.resources.clone());
        blocking(move || prepare(&shared, &directory, &record, &id, size, resources.as_ref())).await
    };
    let made = match prepared {
        Ok(()) => start(shared, &directory, &spec.id, record, plan, fds).await,
        // The directory is another pod's.
        Err(error @ Error::AlreadyExists { .. }) => return Err(error),
        Err(error) => Err(error),
    };
    if made.is_err() {
        let shared = shared.clone();
        if let Err(error) = blocking(move || remove_all(&shared, &directory)).await {
            tracing::warn!(pod = spec.id, %error, "a pod that failed is not removed whole");
        }
    }
    made
}

fn plan(spec: &PodSpec, net: NetMode) -> Result<(PodPlan, PlanFds)> {
    let mut fds = PlanFds::default();
    let mut new = 0;
    let mut held = 0;
    for (kind, mode, field) in
        [(NEWPID, spec.pid, "pid"), (NEWIPC, spec.ipc, "ipc"), (NEWUTS, spec.uts, "uts")]
    {
        match mode {
            NsMode::Pod => new |= kind,
            NsMode::Container | NsMode::Node => {}
        }
        if mode == NsMode::Container && field == "uts" {
            return Err(Error::invalid("uts", "is the pod's or the node's"));
        }
    }
    let net = match net {
        NetMode::Host => None,
        NetMode::New => {
            new |= NEWNET;
            None
        }
        NetMode::Fd(fd) => {
            held |= NEWNET;
            Some(fds.add(fd)?)
        }
    };
    if spec.user.is_some() {
        new |= NEWUSER;
    }
    if let Some(name) = &spec.hostname {
        if new & NEWUTS == 0 {
            return Err(Error::invalid("hostname", "the uts namespace is the node's"));
        }
        if name.is_empty() || name.len() > 64 || name.contains(['\0', '\n']) {
            return Err(Error::invalid("hostname", format!("{name:?} is not a host name")));
        }
    }
    let mappings = spec.user.as_ref();
    let plan = PodPlan {
        new,
        net,
        uid_map: mappings.map(|user| lines("user.uids", &user.uids)).transpose()?.unwrap_or_default(),
        gid_map: mappings.map(|user| lines("user.gids", &user.gids)).transpose()?.unwrap_or_default(),
        hostname: spec.hostname.clone(),
        sysctls: sysctls("sysctls", spec.sysctls.iter(), new | held)?,
    };
    Ok((plan, fds))
}

fn lines(field: &str, mappings: &[IdMapping]) -> Result<Vec<IdMapLine>> {
    if mappings.is_empty() || mappings.iter().any(|mapping| mapping.size == 0) {
        return Err(Error::invalid(field, "a mapping is empty"));
    }
    let line = |mapping: &IdMapping| IdMapLine {
        inside: mapping.container_id,
        outside: mapping.host_id,
        count: mapping.size,
    };
    Ok(mappings.iter().map(line).collect())
}

/// Where the root user and group of a pod lie outside.
fn root_ids(user: &IdMappings) -> Result<(u32, u32)> {
    let outside = |field: &str, list: &[IdMapping]| {
        let root = list.iter().find(|mapping| mapping.container_id == 0);
        root.map(|mapping| mapping.host_id).ok_or_else(|| Error::invalid(field, "root is not mapped"))
    };
    Ok((outside("user.uids", &user.uids)?, outside("user.gids", &user.gids)?))
}

fn record(shared: &Shared, spec: &PodSpec, plan: &PodPlan) -> Result<PodRecord> {
    let owns_cgroup = match &spec.cgroup_parent {
        Some(parent) => {
            let paths = shared.hierarchies.paths(parent)?;
            !paths.directories().iter().any(|directory| directory.exists())
        }
        None => false,
    };
    Ok(PodRecord {
        cgroup_parent: spec.cgroup_parent.clone(),
        owns_cgroup,
        has_shm: spec.ipc == NsMode::Pod,
        host_ipc: spec.ipc == NsMode::Node,
        namespaces: plan.new | if plan.net.is_some() { NEWNET } else { 0 },
        root_ids: spec.user.as_ref().map(root_ids).transpose()?,
    })
}

fn prepare(
    shared: &Shared,
    directory: &PodDirectory,
    record: &PodRecord,
    id: &str,
    shm_size: Option<u64>,
    resources: Option<&crate::spec::PodResources>,
) -> Result<()> {
    directory.create().map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Error::AlreadyExists { kind: "pod", id: id.into() },
        _ => Error::io("create", directory.path(), error),
    })?;
    directory.write_pod(record)?;
    match (&record.cgroup_parent, resources) {
        (Some(parent), resources) => drop(cgroup::create(&shared.hierarchies, parent, resources)?),
        (None, Some(_)) => return Err(Error::invalid("resources", "the pod has no cgroup parent")),
        (None, None) => {}
    }
    if record.has_shm {
        shm::mount(&directory.shm(), shm_size, record.root_ids)?;
    }
    Ok(())
}

async fn start(
    shared: &Arc<Shared>,
    directory: &PodDirectory,
    id: &str,
    record: PodRecord,
    plan: PodPlan,
    fds: PlanFds,
) -> Result<Pod> {
    launch::start(shared, directory).await?;
    let (events, _) = broadcast::channel(EVENTS);
    let timeout = shared.config.request_timeout;
    let (connection, shim_pid) = Connection::open(id, directory.path(), timeout, events.clone())
        .await
        .map_err(|error| match error {
            Error::Gone { .. } => shim_failure(id, directory),
            other => other,
        })?;
    let pod = Pod::new(shared.clone(), id.to_owned(), record, connection, shim_pid, events);
    match pod.request("create pod", &Request::CreatePod(plan), fds.list).await? {
        (Reply::Done, _) => Ok(pod),
        (reply, _) => {
            let error = match &reply {
                Reply::Failed(failure) => Error::Start(wire::start_error(failure)),
                other => pod.inner.connection.unexpected("create pod", other),
            };
            pod.end_shim().await?;
            Err(error)
        }
    }
}

/// What a shim that ended at once has left in its log.
fn shim_failure(id: &str, directory: &PodDirectory) -> Error {
    let message = std::fs::read_to_string(directory.path().join("shim.log")).unwrap_or_default();
    Error::Shim { pod: id.into(), operation: "start", message: message.trim().to_owned(), errno: 0 }
}

/// Prepares a container. Whatever fails, nothing is left.
pub(super) async fn container(pod: &Pod, spec: ContainerSpec) -> Result<()> {
    check_id("container", &spec.id)?;
    let id = spec.id.clone();
    if pod.inner.directory.read_container(&id)?.is_some() {
        return Err(Error::AlreadyExists { kind: "container", id });
    }
    let user = match pod.inner.record.root_ids {
        Some(_) => pod.namespace(NEWUSER).await?,
        None => None,
    };
    let prepared = {
        let pod = pod.clone();
        blocking(move || prepare_container(&pod, spec, user)).await
    };
    let sent = match prepared {
        Ok((plan, fds)) => {
            let request = Request::CreateContainer { id: id.clone(), plan };
            match pod.request("create container", &request, fds.list).await {
                Ok((Reply::Done, _)) => return Ok(()),
                Ok((reply, _)) => Err(pod.refusal("create", &id, &reply)),
                Err(error) => Err(error),
            }
        }
        Err(error) => Err(error),
    };
    let pod = pod.clone();
    blocking(move || {
        if let Some(record) = pod.inner.directory.read_container(&id)? {
            cgroup::remove(&pod.inner.shared.hierarchies.paths(&record.cgroup)?)?;
            pod.inner.directory.remove_container(&id)?;
        }
        Ok(())
    })
    .await?;
    sent
}

fn prepare_container(
    pod: &Pod,
    spec: ContainerSpec,
    user: Option<std::os::fd::OwnedFd>,
) -> Result<(kingpost_shim::ContainerPlan, PlanFds)> {
    let inner = &pod.inner;
    let linux = spec.oci.linux().as_ref().ok_or_else(|| Error::invalid("linux", "is missing"))?;
    let cgroup_path = linux
        .cgroups_path()
        .as_ref()
        .and_then(|path| path.to_str())
        .ok_or_else(|| Error::invalid("linux.cgroupsPath", "is missing"))?
        .to_owned();
    // Checked before it is recorded, as what is recorded is removed.
    inner.shared.hierarchies.paths(&cgroup_path)?;
    let process = spec.oci.process().as_ref();
    let record = ContainerRecord {
        cgroup: cgroup_path.clone(),
        log: spec.log.as_ref().map(|log| (log.directory.clone(), log.path.clone())),
        seccomp: linux.seccomp().clone(),
        no_new_privileges: process.and_then(|process| process.no_new_privileges()).unwrap_or(false),
        terminal: process.and_then(|process| process.terminal()).unwrap_or(false),
    };
    inner.directory.write_container(&spec.id, &record)?;
    let cgroup = cgroup::create(&inner.shared.hierarchies, &cgroup_path, linux.resources().as_ref())?;
    let log = spec.log.as_ref().map(|log| logs::open(&log.directory, &log.path)).transpose()?;
    let shm = inner.directory.shm();
    let host_shm = std::path::Path::new("/dev/shm");
    plan::container(ContainerInput {
        id: &spec.id,
        oci: &spec.oci,
        rootfs: &spec.rootfs,
        hierarchies: &inner.shared.hierarchies,
        cgroup: &cgroup,
        pod: PodNamespaces(inner.record.namespaces),
        host_net: inner.record.namespaces & NEWNET == 0,
        shm: match (inner.record.has_shm, inner.record.host_ipc) {
            (true, _) => Some(shm.as_path()),
            (false, true) => Some(host_shm),
            (false, false) => None,
        },
        user: user.as_ref().map(AsFd::as_fd),
        root_ids: inner.record.root_ids,
        oom_score_adj: inner.shared.oom_score_adj,
        stdin: spec.stdin,
        stdin_once: spec.stdin_once,
        log,
    })
}
