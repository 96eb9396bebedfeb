//! Fields of a request that this server does not honour: refused by name.

use kingpost_proto::cri::{ContainerConfig, NamespaceMode, PodSandboxConfig, SeLinuxOption, UserNamespace};

use super::{Host, Inputs, SpecError};

/// Checks the fields of a sandbox.
pub(crate) fn check_sandbox(config: &PodSandboxConfig, host: &Host) -> Result<(), SpecError> {
    if config.windows.is_some() {
        return Err(SpecError::field("windows", "this is a Linux runtime"));
    }
    let Some(security) = config.linux.as_ref().and_then(|linux| linux.security_context.as_ref()) else {
        return Ok(());
    };
    let field = "linux.security_context";
    check_selinux(field, security.selinux_options.as_ref(), host)?;
    let namespaces = security.namespace_options.as_ref();
    check_user_namespace(field, namespaces.and_then(|options| options.userns_options.as_ref()))?;
    if security.run_as_group.is_some() && security.run_as_user.is_none() {
        return Err(SpecError::field(format!("{field}.run_as_group"), "needs run_as_user"));
    }
    Ok(())
}

/// Checks the fields of a container.
pub(super) fn check_container(inputs: &Inputs<'_>) -> Result<(), SpecError> {
    let config = inputs.config;
    if config.windows.is_some() {
        return Err(SpecError::field("windows", "this is a Linux runtime"));
    }
    if let Some(device) = config.cdi_devices.first() {
        return Err(SpecError::field("CDI_devices", format!("{}: CDI is not supported", device.name)));
    }
    check_mounts(config, inputs.host)?;
    let Some(security) = config.linux.as_ref().and_then(|linux| linux.security_context.as_ref()) else {
        return Ok(());
    };
    let field = "linux.security_context";
    check_selinux(field, security.selinux_options.as_ref(), inputs.host)?;
    let namespaces = security.namespace_options.as_ref();
    check_user_namespace(field, namespaces.and_then(|options| options.userns_options.as_ref()))?;
    if security.privileged && !sandbox_is_privileged(inputs.sandbox) {
        return Err(SpecError::field(format!("{field}.privileged"), "the sandbox is not privileged"));
    }
    Ok(())
}

fn sandbox_is_privileged(sandbox: &PodSandboxConfig) -> bool {
    let linux = sandbox.linux.as_ref();
    linux.and_then(|linux| linux.security_context.as_ref()).is_some_and(|security| security.privileged)
}

fn check_mounts(config: &ContainerConfig, host: &Host) -> Result<(), SpecError> {
    for (index, mount) in config.mounts.iter().enumerate() {
        let field = |name: &str| format!("mounts[{index}].{name}");
        if mount.image.as_ref().is_some_and(|image| !image.image.is_empty())
            || !mount.image_sub_path.is_empty()
        {
            return Err(SpecError::field(field("image"), "image volumes are not supported"));
        }
        if !mount.uid_mappings.is_empty() || !mount.gid_mappings.is_empty() {
            return Err(SpecError::field(field("uidMappings"), "user namespaces are not supported"));
        }
        // Without SELinux nothing has a label, and there is nothing to relabel.
        if mount.selinux_relabel && host.selinux {
            return Err(SpecError::field(field("selinux_relabel"), "SELinux is not supported"));
        }
    }
    Ok(())
}

fn check_selinux(field: &str, options: Option<&SeLinuxOption>, host: &Host) -> Result<(), SpecError> {
    let set = options.is_some_and(|options| *options != SeLinuxOption::default());
    if !set {
        return Ok(());
    }
    let reason = if host.selinux { "SELinux is not supported" } else { "SELinux is not active on this node" };
    Err(SpecError::field(format!("{field}.selinux_options"), reason))
}

fn check_user_namespace(field: &str, user: Option<&UserNamespace>) -> Result<(), SpecError> {
    let Some(user) = user else { return Ok(()) };
    // Mode POD without mappings is what an absent option means: the node's user namespace.
    let own = user.mode() != NamespaceMode::Node && (!user.uids.is_empty() || !user.gids.is_empty());
    if own || matches!(user.mode(), NamespaceMode::Container | NamespaceMode::Target) {
        let field = format!("{field}.namespace_options.userns_options");
        return Err(SpecError::field(field, "user namespaces are not supported"));
    }
    Ok(())
}
