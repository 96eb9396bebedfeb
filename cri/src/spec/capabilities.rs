//! Capabilities of a container.

use std::collections::BTreeSet;

use kingpost_proto::cri::{Capability as Request, LinuxContainerSecurityContext};
use oci_spec::runtime::{Capabilities, Capability, LinuxCapabilities};

use super::{Host, SpecError};

/// What a container has unless told otherwise: Docker's and containerd's set.
const DEFAULT: [&str; 14] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// All capabilities by number, `linux/capability.h`.
const ALL: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

type Names = BTreeSet<&'static str>;

/// The five sets. Inheritable is what is ambient (a kernel rule) and else empty (CVE-2022-29162).
pub(super) fn build(
    security: &LinuxContainerSecurityContext,
    host: &Host,
) -> Result<LinuxCapabilities, SpecError> {
    let request = security.capabilities.clone().unwrap_or_default();
    let (full, ambient) =
        if security.privileged { (available(host), Names::new()) } else { requested(&request, host)? };
    let mut sets = LinuxCapabilities::default();
    sets.set_bounding(Some(to_oci(&full)))
        .set_effective(Some(to_oci(&full)))
        .set_permitted(Some(to_oci(&full)))
        .set_inheritable(Some(to_oci(&ambient)))
        .set_ambient(Some(to_oci(&ambient)));
    Ok(sets)
}

/// `ALL` in either list sets the stage; single names follow and so win.
fn requested(request: &Request, host: &Host) -> Result<(Names, Names), SpecError> {
    let mut full: Names = DEFAULT.into_iter().collect();
    if request.add_capabilities.iter().any(|name| is_all(name)) {
        full = available(host);
    }
    if request.drop_capabilities.iter().any(|name| is_all(name)) {
        full.clear();
    }
    let mut ambient = Names::new();
    for (field, name) in each("add_capabilities", &request.add_capabilities) {
        full.insert(known(&field, name)?);
    }
    for (field, name) in each("add_ambient_capabilities", &request.add_ambient_capabilities) {
        let name = known(&field, name)?;
        full.insert(name);
        ambient.insert(name);
    }
    for (field, name) in each("drop_capabilities", &request.drop_capabilities) {
        let name = known(&field, name)?;
        full.remove(name);
        ambient.remove(name);
    }
    Ok((full, ambient))
}

fn each<'a>(list: &'static str, names: &'a [String]) -> impl Iterator<Item = (String, &'a str)> {
    names.iter().enumerate().filter(|(_, name)| !is_all(name)).map(move |(index, name)| {
        (format!("linux.security_context.capabilities.{list}[{index}]"), name.as_str())
    })
}

fn is_all(name: &str) -> bool {
    name.eq_ignore_ascii_case("ALL")
}

fn known(field: &str, name: &str) -> Result<&'static str, SpecError> {
    let upper = name.to_ascii_uppercase();
    let bare = upper.strip_prefix("CAP_").unwrap_or(&upper);
    let found = ALL.iter().find(|known| **known == bare);
    found.copied().ok_or_else(|| SpecError::field(field, format!("unknown capability {name:?}")))
}

/// What this process can hand on at most; the rest the kernel would refuse.
fn available(host: &Host) -> Names {
    ALL.iter()
        .enumerate()
        .filter(|(number, _)| host.bounding >> number & 1 == 1)
        .map(|(_, name)| *name)
        .collect()
}

fn to_oci(names: &Names) -> Capabilities {
    names.iter().filter_map(|name| name.parse::<Capability>().ok()).collect()
}

/// `CAP_…` names of a set, for the seccomp profile.
pub(crate) fn names(set: Option<&Capabilities>) -> BTreeSet<String> {
    set.into_iter()
        .flatten()
        .map(|capability| format!("CAP_{}", capability.to_string().replace("CAP_", "")))
        .collect()
}
