//! The seccomp profile of a container: the runtime's default, a file of the node, or none.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;

use kingpost_proto::cri::{LinuxContainerSecurityContext, security_profile::ProfileType};
use oci_spec::runtime::{
    Arch, LinuxCapabilities, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompArgBuilder,
    LinuxSeccompOperator, LinuxSyscall,
};

use super::{SpecError, capabilities, seccomp_default as facts};

const FIELD: &str = "linux.security_context.seccomp";
/// More than ten times the largest profile known.
const MAX_PROFILE: u64 = 4 << 20;
const EPERM: u32 = 1;
const ENOSYS: u32 = 38;
const AF_VSOCK: u64 = 40;

/// The profile, or none. Privileged containers have none; an absent field means unconfined, as in CRI.
pub(super) fn build(
    security: &LinuxContainerSecurityContext,
    capabilities: &LinuxCapabilities,
) -> Result<Option<LinuxSeccomp>, SpecError> {
    if security.privileged {
        return Ok(None);
    }
    let Some(profile) = &security.seccomp else {
        #[expect(deprecated, reason = "older clients set this field")]
        return deprecated(&security.seccomp_profile_path, capabilities);
    };
    match profile.profile_type() {
        ProfileType::Unconfined => Ok(None),
        ProfileType::RuntimeDefault => Ok(Some(runtime_default(capabilities))),
        ProfileType::Localhost => localhost(&profile.localhost_ref).map(Some),
    }
}

fn deprecated(path: &str, capabilities: &LinuxCapabilities) -> Result<Option<LinuxSeccomp>, SpecError> {
    match path {
        "" | "unconfined" => Ok(None),
        "runtime/default" | "docker/default" => Ok(Some(runtime_default(capabilities))),
        other => match other.strip_prefix("localhost/") {
            Some(path) => localhost(path).map(Some),
            None => Err(SpecError::field(FIELD, format!("unknown profile {other:?}"))),
        },
    }
}

/// A profile of the node. A missing, empty or malformed one fails: running without would be less than was asked
/// for (CVE-2023-2431).
fn localhost(reference: &str) -> Result<LinuxSeccomp, SpecError> {
    let path = Path::new(reference);
    if !path.is_absolute() {
        return Err(SpecError::field(format!("{FIELD}.localhost_ref"), "not an absolute path"));
    }
    let fail =
        |reason: String| SpecError::field(format!("{FIELD}.localhost_ref"), format!("{reference}: {reason}"));
    let file = std::fs::File::open(path).map_err(|error| fail(error.to_string()))?;
    if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Err(fail("not a regular file".into()));
    }
    let mut text = String::new();
    let read =
        file.take(MAX_PROFILE + 1).read_to_string(&mut text).map_err(|error| fail(error.to_string()))?;
    if u64::try_from(read).unwrap_or(u64::MAX) > MAX_PROFILE {
        return Err(fail("larger than 4 MiB".into()));
    }
    if text.trim().is_empty() {
        return Err(fail("empty profile".into()));
    }
    serde_json::from_str(&text).map_err(|error| fail(format!("malformed profile: {error}")))
}

fn runtime_default(sets: &LinuxCapabilities) -> LinuxSeccomp {
    let held = capabilities::names(sets.bounding().as_ref());
    let mut rules = vec![allow(facts::ALWAYS), allow(arch_syscalls())];
    rules.push(allow_if("socket", LinuxSeccompOperator::ScmpCmpNe, AF_VSOCK, None));
    rules.extend(
        facts::PERSONALITIES
            .iter()
            .map(|persona| allow_if("personality", LinuxSeccompOperator::ScmpCmpEq, *persona, None)),
    );
    for (_, names) in facts::BY_CAPABILITY.iter().filter(|(capability, _)| held.contains(*capability)) {
        rules.push(allow(names));
    }
    if !held.contains("CAP_SYS_ADMIN") {
        let masked = LinuxSeccompOperator::ScmpCmpMaskedEq;
        rules.push(allow_if("clone", masked, facts::CLONE_NAMESPACES, Some(0)));
        // clone3's flags are in memory, where no filter sees them: with ENOSYS, C libraries fall back to clone.
        rules.push(rule("clone3", LinuxSeccompAction::ScmpActErrno, Some(ENOSYS), None));
    }
    let mut profile = LinuxSeccomp::default();
    profile
        .set_default_action(LinuxSeccompAction::ScmpActErrno)
        .set_default_errno_ret(Some(EPERM))
        .set_architectures(Some(architectures()))
        .set_syscalls(Some(rules));
    profile
}

fn arch_syscalls() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => facts::X86_64,
        "aarch64" => facts::AARCH64,
        _ => "",
    }
}

fn architectures() -> Vec<Arch> {
    match std::env::consts::ARCH {
        "x86_64" => vec![Arch::ScmpArchX86_64, Arch::ScmpArchX86, Arch::ScmpArchX32],
        "aarch64" => vec![Arch::ScmpArchAarch64, Arch::ScmpArchArm],
        _ => Vec::new(),
    }
}

fn allow(names: &str) -> LinuxSyscall {
    rule(names, LinuxSeccompAction::ScmpActAllow, None, None)
}

fn allow_if(name: &str, op: LinuxSeccompOperator, value: u64, value_two: Option<u64>) -> LinuxSyscall {
    let argument = LinuxSeccompArgBuilder::default().index(0_usize).op(op).value(value);
    let argument = match value_two {
        Some(value) => argument.value_two(value),
        None => argument,
    };
    // All fields have defaults, so this does not fail.
    rule(name, LinuxSeccompAction::ScmpActAllow, None, argument.build().ok())
}

fn rule(
    names: &str,
    action: LinuxSeccompAction,
    errno: Option<u32>,
    argument: Option<LinuxSeccompArg>,
) -> LinuxSyscall {
    let names: BTreeSet<String> = names.split_whitespace().map(str::to_owned).collect();
    let mut rule = LinuxSyscall::default();
    rule.set_names(names.into_iter().collect())
        .set_action(action)
        .set_errno_ret(errno)
        .set_args(argument.map(|argument| vec![argument]));
    rule
}

#[cfg(test)]
mod tests {
    use super::*;

    fn security(profile_type: ProfileType, localhost_ref: &str) -> LinuxContainerSecurityContext {
        LinuxContainerSecurityContext {
            seccomp: Some(kingpost_proto::cri::SecurityProfile {
                profile_type: profile_type.into(),
                localhost_ref: localhost_ref.into(),
            }),
            ..LinuxContainerSecurityContext::default()
        }
    }

    /// SECURITY.md, S13.
    #[test]
    fn a_missing_or_empty_local_profile_fails() {
        let directory = tempfile::tempdir().unwrap();
        let empty = directory.path().join("empty.json");
        std::fs::write(&empty, " \n").unwrap();
        let caps = LinuxCapabilities::default();
        for path in ["", "profile.json", "/nonexistent.json", "/", empty.to_str().unwrap()] {
            let result = build(&security(ProfileType::Localhost, path), &caps);
            let Err(SpecError::Field { field, .. }) = result else { panic!("{path}: {result:?}") };
            assert!(field.ends_with("localhost_ref"));
        }
    }

    #[test]
    fn a_local_profile_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p.json");
        std::fs::write(&path, r#"{"defaultAction":"SCMP_ACT_ALLOW"}"#).unwrap();
        let profile =
            build(&security(ProfileType::Localhost, path.to_str().unwrap()), &LinuxCapabilities::default());
        assert_eq!(profile.unwrap().unwrap().default_action(), LinuxSeccompAction::ScmpActAllow);
    }

    #[test]
    fn mount_is_allowed_with_sys_admin_alone() {
        let has_mount = |profile: &LinuxSeccomp| {
            profile.syscalls().iter().flatten().any(|rule| rule.names().iter().any(|name| name == "mount"))
        };
        let mut caps = LinuxCapabilities::default();
        caps.set_bounding(Some(["SYS_ADMIN".parse().unwrap()].into_iter().collect()));
        assert!(has_mount(&runtime_default(&caps)));
        caps.set_bounding(Some(Default::default()));
        assert!(!has_mount(&runtime_default(&caps)));
    }
}
