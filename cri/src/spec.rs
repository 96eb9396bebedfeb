//! From CRI's configuration and the image's to an OCI runtime specification, one file per concern.
//!
//! Everything here is pure but for reads that are named as such ([`rootfs::RootfsFiles`], [`Host`]). A field of
//! the request that cannot be honoured is an error that names it; nothing is left out silently. The request is
//! policy; the image's configuration and file system are data and checked as such.

mod apparmor;
mod capabilities;
mod devices;
mod host;
mod mounts;
mod namespaces;
mod paths;
mod process;
pub(crate) mod resources;
pub(crate) mod rootfs;
mod seccomp;
mod seccomp_default;
pub(crate) mod signal;
pub(crate) mod sysctls;
mod unsupported;
mod user;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use kingpost_proto::cri::{
    ContainerConfig, LinuxContainerSecurityContext, LinuxContainerUser, PodSandboxConfig,
};
use oci_spec::image::ImageConfiguration;
use oci_spec::runtime::{Linux, Root, Spec};

pub(crate) use host::Host;
pub(crate) use namespaces::sandbox_options;
pub(crate) use rootfs::RootfsFiles;
pub(crate) use unsupported::check_sandbox;

/// Why no specification can be built.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpecError {
    /// A field of the request that is invalid, or that this server does not honour.
    #[error("{field}: {reason}")]
    Field {
        /// The field's path in the request.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Something in the image that cannot be used.
    #[error("image: {what}: {reason}")]
    Image {
        /// Which part of it.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A read on the host failed.
    #[error("{operation} {}", path.display())]
    Io {
        /// What was attempted.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
}

impl SpecError {
    pub(crate) fn field(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Field { field: field.into(), reason: reason.into() }
    }

    pub(crate) fn image(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Image { what: what.into(), reason: reason.into() }
    }
}

/// All that a container's specification is made from.
pub(crate) struct Inputs<'a> {
    pub(crate) sandbox: &'a PodSandboxConfig,
    pub(crate) config: &'a ContainerConfig,
    pub(crate) image: &'a ImageConfiguration,
    pub(crate) rootfs: &'a dyn RootfsFiles,
    /// Directory that holds the sandbox's `hosts`, `hostname` and `resolv.conf`.
    pub(crate) pod_files: &'a Path,
    /// First process of the container that `NamespaceOption.target_id` names.
    pub(crate) target_pid: Option<u32>,
    /// The container's cgroup, absolute within each hierarchy.
    pub(crate) cgroups_path: PathBuf,
    pub(crate) host: &'a Host,
}

impl Inputs<'_> {
    /// The security context; all defaults if there is none.
    fn security(&self) -> LinuxContainerSecurityContext {
        self.config.linux.as_ref().and_then(|linux| linux.security_context.clone()).unwrap_or_default()
    }
}

/// A built specification and what the container's status says of it.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) spec: Spec,
    pub(crate) user: LinuxContainerUser,
}

/// Builds the specification of a container.
pub(crate) fn build(inputs: &Inputs<'_>) -> Result<Built, SpecError> {
    unsupported::check_container(inputs)?;
    let security = inputs.security();
    let identity = user::resolve(inputs, &security)?;
    let capabilities = capabilities::build(&security, inputs.host)?;
    let process = process::build(inputs, &security, &identity, capabilities.clone())?;
    let devices = devices::build(inputs, &security)?;

    let mut linux = Linux::default();
    linux
        .set_namespaces(Some(namespaces::build(inputs, &security)?))
        .set_cgroups_path(Some(inputs.cgroups_path.clone()))
        .set_devices(Some(devices.nodes))
        .set_resources(Some(resources::build(inputs, devices.rules)?))
        .set_seccomp(seccomp::build(&security, &capabilities)?)
        .set_masked_paths(Some(paths::masked(&security)))
        .set_readonly_paths(Some(paths::readonly(&security)))
        .set_rootfs_propagation(mounts::rootfs_propagation(inputs.config));

    let mut root = Root::default();
    root.set_path(PathBuf::from("rootfs")).set_readonly(Some(security.readonly_rootfs));

    let mut spec = Spec::default();
    spec.set_root(Some(root))
        .set_process(Some(process))
        .set_mounts(Some(mounts::build(inputs, &security)?))
        .set_hostname(None)
        .set_linux(Some(linux));
    Ok(Built { spec, user: identity.status() })
}
