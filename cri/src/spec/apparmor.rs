//! The AppArmor profile of a container.

use kingpost_proto::cri::{LinuxContainerSecurityContext, security_profile::ProfileType};

use super::{Host, SpecError};

const FIELD: &str = "linux.security_context.apparmor";

/// The name of the profile, or none.
///
/// Where AppArmor is not active the runtime's default is no profile, as in containerd; a profile asked for by
/// name is refused.
pub(super) fn build(
    security: &LinuxContainerSecurityContext,
    host: &Host,
) -> Result<Option<String>, SpecError> {
    if security.privileged {
        return Ok(None);
    }
    let Some(profile) = &security.apparmor else {
        #[expect(deprecated, reason = "older clients set this field")]
        return deprecated(&security.apparmor_profile, host);
    };
    match profile.profile_type() {
        ProfileType::Unconfined => Ok(None),
        ProfileType::RuntimeDefault => default(host),
        ProfileType::Localhost => localhost(&profile.localhost_ref, host),
    }
}

fn deprecated(profile: &str, host: &Host) -> Result<Option<String>, SpecError> {
    match profile {
        "" | "unconfined" => Ok(None),
        "runtime/default" => default(host),
        other => localhost(other, host),
    }
}

fn default(host: &Host) -> Result<Option<String>, SpecError> {
    if host.apparmor {
        return Err(SpecError::field(FIELD, "this runtime ships no default AppArmor profile"));
    }
    Ok(None)
}

fn localhost(name: &str, host: &Host) -> Result<Option<String>, SpecError> {
    if !host.apparmor {
        return Err(SpecError::field(FIELD, "AppArmor is not active on this node"));
    }
    let name = name.strip_prefix("localhost/").unwrap_or(name);
    if name.is_empty() || name.contains(['\0', '\n']) {
        return Err(SpecError::field(FIELD, "no valid profile name"));
    }
    Ok(Some(name.to_owned()))
}
