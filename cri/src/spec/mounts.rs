//! Mounts of a container: the file systems that every container has, the pod's files, and what the request names.

use std::path::{Component, Path, PathBuf};

use kingpost_proto::cri::{
    ContainerConfig, LinuxContainerSecurityContext, Mount as Request, MountPropagation, NamespaceMode,
};
use oci_spec::runtime::Mount;

use super::{Inputs, SpecError, namespaces};

/// All mounts, in the order in which they are made: parents before what lies below them.
pub(super) fn build(
    inputs: &Inputs<'_>,
    security: &LinuxContainerSecurityContext,
) -> Result<Vec<Mount>, SpecError> {
    let mut mounts = standard(inputs, security);
    mounts.retain(|mount| !names_it(inputs.config, mount.destination()));
    mounts.extend(pod_files(inputs, security));
    let mut requested = Vec::with_capacity(inputs.config.mounts.len());
    for (index, mount) in inputs.config.mounts.iter().enumerate() {
        requested.push(bind(index, mount, security)?);
    }
    // Stable: mounts on one path keep the request's order.
    requested.sort_by_key(|mount| mount.destination().components().count());
    mounts.extend(requested);
    Ok(mounts)
}

/// What the root of the container's mount namespace must be for the propagation that its mounts ask for.
pub(super) fn rootfs_propagation(config: &ContainerConfig) -> Option<String> {
    let propagations = || config.mounts.iter().map(Request::propagation);
    if propagations().any(|mode| mode == MountPropagation::PropagationBidirectional) {
        return Some("rshared".into());
    }
    let slave = propagations().any(|mode| mode == MountPropagation::PropagationHostToContainer);
    slave.then(|| "rslave".into())
}

fn standard(inputs: &Inputs<'_>, security: &LinuxContainerSecurityContext) -> Vec<Mount> {
    let options = security.namespace_options.clone();
    let options = options.unwrap_or_else(|| namespaces::sandbox_options(inputs.sandbox));
    let writable = if security.privileged { "rw" } else { "ro" };
    let shm = match options.ipc() {
        NamespaceMode::Node => mount("/dev/shm", "bind", "/dev/shm", &["rbind", "nosuid", "noexec", "nodev"]),
        // The runtime puts the pod's own here.
        _ => mount("/dev/shm", "tmpfs", "shm", &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
    };
    vec![
        mount("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"]),
        mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount(
            "/dev/pts",
            "devpts",
            "devpts",
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        ),
        mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        shm,
        mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", writable]),
        mount("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev", "relatime", writable]),
    ]
}

/// `/etc/hosts`, `/etc/hostname`, `/etc/resolv.conf`, unless the request brings its own.
fn pod_files(inputs: &Inputs<'_>, security: &LinuxContainerSecurityContext) -> Vec<Mount> {
    let access = if security.readonly_rootfs { "ro" } else { "rw" };
    ["hosts", "hostname", "resolv.conf"]
        .into_iter()
        .map(|name| (Path::new("/etc").join(name), inputs.pod_files.join(name)))
        .filter(|(destination, _)| !names_it(inputs.config, destination))
        .map(|(destination, source)| {
            mount(destination, "bind", source, &["rbind", "rprivate", "nosuid", "nodev", access])
        })
        .collect()
}

fn bind(
    index: usize,
    request: &Request,
    security: &LinuxContainerSecurityContext,
) -> Result<Mount, SpecError> {
    let fail = |field: &str, reason: &str| SpecError::field(format!("mounts[{index}].{field}"), reason);
    let destination = Path::new(&request.container_path);
    if !destination.is_absolute() || destination.components().any(|part| part == Component::ParentDir) {
        return Err(fail("container_path", "not an absolute path without .."));
    }
    if request.container_path.contains('\0') || clean(destination) == Path::new("/") {
        return Err(fail("container_path", "not a path below /"));
    }
    // Links in the host's path are followed, as CRI says: it is policy.
    let source = std::fs::canonicalize(&request.host_path)
        .map_err(|error| fail("host_path", &format!("{}: {error}", request.host_path)))?;
    let mut options = vec!["rbind".to_owned()];
    options.push(
        match request.propagation() {
            MountPropagation::PropagationPrivate => "rprivate",
            MountPropagation::PropagationHostToContainer => "rslave",
            MountPropagation::PropagationBidirectional if !security.privileged => {
                return Err(fail("propagation", "bidirectional propagation is for privileged containers"));
            }
            MountPropagation::PropagationBidirectional => "rshared",
        }
        .into(),
    );
    options.push(access(index, request)?.into());
    for option in &request.mount_options {
        if !matches!(option.as_str(), "noexec" | "nodev" | "nosuid") {
            return Err(fail("mount_options", &format!("{option:?} is none of noexec, nodev, nosuid")));
        }
        options.push(option.clone());
    }
    let mut mount = Mount::default();
    mount
        .set_destination(clean(destination))
        .set_typ(Some("bind".into()))
        .set_source(Some(source))
        .set_options(Some(options));
    Ok(mount)
}

fn access(index: usize, request: &Request) -> Result<&'static str, SpecError> {
    if !request.recursive_read_only {
        return Ok(if request.readonly { "ro" } else { "rw" });
    }
    let fail = |reason| Err(SpecError::field(format!("mounts[{index}].recursive_read_only"), reason));
    if !request.readonly {
        return fail("needs readonly");
    }
    if request.propagation() != MountPropagation::PropagationPrivate {
        return fail("needs private propagation");
    }
    Ok("rro")
}

fn names_it(config: &ContainerConfig, destination: &Path) -> bool {
    config.mounts.iter().any(|mount| clean(Path::new(&mount.container_path)) == clean(destination))
}

/// The path without `.` and doubled slashes; `..` was refused before.
fn clean(path: &Path) -> PathBuf {
    path.components().collect()
}

fn mount(destination: impl Into<PathBuf>, kind: &str, source: impl Into<PathBuf>, options: &[&str]) -> Mount {
    let mut mount = Mount::default();
    mount
        .set_destination(destination.into())
        .set_typ(Some(kind.into()))
        .set_source(Some(source.into()))
        .set_options(Some(options.iter().map(ToString::to_string).collect()));
    mount
}
