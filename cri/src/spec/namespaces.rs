//! Which namespaces a container has. Those without a path that its pod shares come from the pod.

use std::path::PathBuf;

use kingpost_proto::cri::{LinuxContainerSecurityContext, NamespaceMode, NamespaceOption, PodSandboxConfig};
use oci_spec::runtime::{LinuxNamespace, LinuxNamespaceType};

use super::{Inputs, SpecError};

const FIELD: &str = "linux.security_context.namespace_options";

/// The sandbox's namespace options; CRI's default is POD for each.
pub(crate) fn sandbox_options(sandbox: &PodSandboxConfig) -> NamespaceOption {
    let security = sandbox.linux.as_ref().and_then(|linux| linux.security_context.as_ref());
    security.and_then(|security| security.namespace_options.clone()).unwrap_or_default()
}

/// The namespaces of a container.
pub(super) fn build(
    inputs: &Inputs<'_>,
    security: &LinuxContainerSecurityContext,
) -> Result<Vec<LinuxNamespace>, SpecError> {
    let pod = sandbox_options(inputs.sandbox);
    // A container without options has those of its sandbox.
    let own = security.namespace_options.clone().unwrap_or_else(|| pod.clone());
    let mut namespaces = vec![namespace(LinuxNamespaceType::Mount, None)];
    // A privileged container sees the host's cgroup tree, as upstream.
    if !security.privileged {
        namespaces.push(namespace(LinuxNamespaceType::Cgroup, None));
    }
    shared(&mut namespaces, "network", LinuxNamespaceType::Network, own.network(), pod.network())?;
    shared(&mut namespaces, "ipc", LinuxNamespaceType::Ipc, own.ipc(), pod.ipc())?;
    // There is no option for it: the host name belongs to the network's owner.
    if pod.network() != NamespaceMode::Node {
        namespaces.push(namespace(LinuxNamespaceType::Uts, None));
    }
    match own.pid() {
        NamespaceMode::Target => {
            let pid = inputs.target_pid.ok_or_else(|| {
                SpecError::field(format!("{FIELD}.target_id"), "names no running container of this sandbox")
            })?;
            let path = PathBuf::from(format!("/proc/{pid}/ns/pid"));
            namespaces.push(namespace(LinuxNamespaceType::Pid, Some(path)));
        }
        mode => shared(&mut namespaces, "pid", LinuxNamespaceType::Pid, mode, pod.pid())?,
    }
    Ok(namespaces)
}

/// Adds a namespace unless it is the node's. The pod has at most one to share, so modes must agree.
fn shared(
    namespaces: &mut Vec<LinuxNamespace>,
    name: &str,
    kind: LinuxNamespaceType,
    own: NamespaceMode,
    pod: NamespaceMode,
) -> Result<(), SpecError> {
    if own != pod {
        return Err(SpecError::field(
            format!("{FIELD}.{name}"),
            format!("{} does not fit the sandbox's {}", own.as_str_name(), pod.as_str_name()),
        ));
    }
    if own != NamespaceMode::Node {
        namespaces.push(namespace(kind, None));
    }
    Ok(())
}

fn namespace(kind: LinuxNamespaceType, path: Option<PathBuf>) -> LinuxNamespace {
    let mut namespace = LinuxNamespace::default();
    namespace.set_typ(kind).set_path(path);
    namespace
}
