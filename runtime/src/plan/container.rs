//! A whole container.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use kingpost_shim::{ContainerPlan, Mount, OomWatch, Root};
use oci_spec::runtime::{Linux, Spec};

use super::mounts::{Context, devices, mounts};
use super::namespaces::{NEWCGROUP, NEWIPC, NEWNET, NEWUTS, PodNamespaces, namespaces, sysctls};
use super::process::{ProcessInput, process};
use super::{PlanFds, c_string, home, options, rootfs};
use crate::cgroup::{CgroupPaths, Hierarchies, oom_files, open_entry};
use crate::error::{Error, Result};
use crate::spec::Rootfs;

/// What a container's plan is made from.
pub(crate) struct ContainerInput<'a> {
    pub(crate) id: &'a str,
    pub(crate) oci: &'a Spec,
    pub(crate) rootfs: &'a Rootfs,
    pub(crate) hierarchies: &'a Hierarchies,
    pub(crate) cgroup: &'a CgroupPaths,
    pub(crate) pod: PodNamespaces,
    pub(crate) host_net: bool,
    pub(crate) shm: Option<&'a Path>,
    /// The pod's user namespace.
    pub(crate) user: Option<BorrowedFd<'a>>,
    pub(crate) root_ids: Option<(u32, u32)>,
    pub(crate) oom_score_adj: i32,
    pub(crate) stdin: bool,
    pub(crate) stdin_once: bool,
    pub(crate) log: Option<OwnedFd>,
}

/// A directory that every host has, to attach the root at until it is entered. Nothing is read from there then.
const ATTACH_AT: &std::ffi::CStr = c"/usr";

/// Plans a container.
pub(crate) fn container(input: ContainerInput<'_>) -> Result<(ContainerPlan, PlanFds)> {
    let spec = input.oci;
    let empty = Linux::default();
    let linux = spec.linux().as_ref().unwrap_or(&empty);
    refuse_unsupported(spec, linux)?;
    let mut fds = PlanFds::default();
    let own = namespaces(linux.namespaces().as_deref().unwrap_or_default(), input.pod, &mut fds)?;
    let root = rootfs::mount(input.rootfs, input.user, input.root_ids)?;
    let oci_process = spec.process().as_ref().ok_or_else(|| Error::invalid("process", "is missing"))?;
    let process = process(&ProcessInput {
        process: oci_process,
        seccomp: linux.seccomp().as_ref(),
        no_new_privileges: false,
        size: None,
        home: home::home(root.as_fd(), oci_process.user().uid()),
        oom_score_adj: input.oom_score_adj,
    })?;
    let (mounts, readonly_paths) = all_mounts(&input, linux, own.is_private(NEWCGROUP), &mut fds)?;
    let entry = open_entry(input.cgroup)?;
    let cgroup_tasks = entry.tasks.into_iter().map(|fd| fds.add(fd)).collect::<Result<_>>()?;
    let cgroup_v2 = entry.unified.map(|fd| fds.add(fd)).transpose()?;
    let root = Root {
        mount: fds.add(root)?,
        attach_at: ATTACH_AT.to_owned(),
        readonly: spec.root().as_ref().and_then(|root| root.readonly()).unwrap_or(false),
        propagation: root_propagation(linux)?,
    };
    let log = input.log.map(|log| fds.add(log)).transpose()?;
    let plan = ContainerPlan {
        new: own.new,
        cgroup_tasks,
        cgroup_v2,
        kill_cgroup: input.cgroup.for_killing().map(|path| path.to_string_lossy().into_owned()),
        oom: oom_watch(input.cgroup, &mut fds)?,
        root,
        mounts,
        masked_paths: paths("linux.maskedPaths", linux.masked_paths().as_deref())?,
        readonly_paths,
        hostname: hostname(spec, own.new)?,
        sysctls: container_sysctls(linux, own.new)?,
        join: own.join,
        keyring: c_string("id", format!("_ses.{}", input.id))?,
        process,
        stdin: input.stdin,
        stdin_once: input.stdin_once,
        log,
    };
    Ok((plan, fds))
}

/// The mounts with devices and links behind them, and the paths that are made read-only after all.
fn all_mounts(
    input: &ContainerInput<'_>,
    linux: &Linux,
    own_cgroup_namespace: bool,
    fds: &mut PlanFds,
) -> Result<(Vec<Mount>, Vec<CString>)> {
    let context = Context {
        hierarchies: input.hierarchies,
        cgroup: input.cgroup,
        own_cgroup_namespace,
        shm: input.shm,
        in_user_namespace: input.user.is_some(),
        host_net: input.host_net,
    };
    let mut mounts = mounts(input.oci.mounts().as_deref().unwrap_or_default(), &context, fds)?;
    if mounts.own_dev {
        mounts.list.extend(devices(linux.devices().as_deref().unwrap_or_default(), input.user.is_some())?);
    }
    let mut readonly = paths("linux.readonlyPaths", linux.readonly_paths().as_deref())?;
    readonly.append(&mut mounts.readonly);
    Ok((mounts.list, readonly))
}

fn refuse_unsupported(spec: &Spec, linux: &Linux) -> Result<()> {
    let hooks = spec.hooks().as_ref().is_some_and(|hooks| *hooks != oci_spec::runtime::Hooks::default());
    let refused = [
        ("hooks", hooks),
        ("domainname", spec.domainname().is_some()),
        ("linux.mountLabel", linux.mount_label().as_ref().is_some_and(|label| !label.is_empty())),
        ("linux.intelRdt", linux.intel_rdt().is_some()),
        ("linux.personality", linux.personality().is_some()),
        ("linux.timeOffsets", linux.time_offsets().as_ref().is_some_and(|offsets| !offsets.is_empty())),
        ("linux.memoryPolicy", linux.memory_policy().is_some()),
        ("linux.netDevices", linux.net_devices().as_ref().is_some_and(|devices| !devices.is_empty())),
        ("linux.uidMappings", linux.uid_mappings().as_ref().is_some_and(|map| !map.is_empty())),
        ("linux.gidMappings", linux.gid_mappings().as_ref().is_some_and(|map| !map.is_empty())),
    ];
    match refused.iter().find(|(_, present)| *present) {
        Some((field @ ("linux.uidMappings" | "linux.gidMappings"), _)) => {
            Err(Error::invalid(*field, "the mapping is the pod's (PodSpec::user)"))
        }
        Some((field, _)) => Err(Error::invalid(*field, "is not supported")),
        None => Ok(()),
    }
}

fn paths(field: &str, list: Option<&[String]>) -> Result<Vec<CString>> {
    list.unwrap_or_default().iter().map(|path| c_string(field, path.as_str())).collect()
}

fn root_propagation(linux: &Linux) -> Result<u64> {
    match linux.rootfs_propagation().as_deref() {
        None | Some("") => Ok(0),
        Some(name) => options::propagation(name)
            .map(|(propagation, _)| propagation)
            .ok_or_else(|| Error::invalid("linux.rootfsPropagation", format!("{name:?} is unknown"))),
    }
}

fn oom_watch(cgroup: &CgroupPaths, fds: &mut PlanFds) -> Result<Option<OomWatch>> {
    let Some(files) = oom_files(cgroup)? else { return Ok(None) };
    let eventfd = files.eventfd.map(|fd| fds.add(fd)).transpose()?;
    Ok(Some(OomWatch { counter: fds.add(files.counter)?, eventfd }))
}

/// The container's own name; in the pod's UTS namespace it has been set.
fn hostname(spec: &Spec, new: u64) -> Result<Option<String>> {
    match spec.hostname() {
        Some(name) if name.contains(['\0', '\n']) || name.len() > 64 => {
            Err(Error::invalid("hostname", format!("{name:?} is not a host name")))
        }
        Some(name) if new & NEWUTS != 0 => Ok(Some(name.clone())),
        _ => Ok(None),
    }
}

/// Those of namespaces of its own. The pod's are the pod's: a container that names them must mean the same.
fn container_sysctls(linux: &Linux, new: u64) -> Result<Vec<kingpost_shim::Sysctl>> {
    let own = new & (NEWNET | NEWIPC | NEWUTS);
    sysctls("linux.sysctl", linux.sysctl().iter().flatten(), own)
}
