//! Sysctls of a sandbox: only such as belong to one of its own namespaces, in a spelling that names one file.

use std::collections::{BTreeMap, HashMap};

use kingpost_proto::cri::{NamespaceMode, NamespaceOption};

use super::SpecError;

/// Checks sysctls and returns them with dots, sorted.
///
/// `kernel.shm*`, `kernel.msg*`, `kernel.sem` and `fs.mqueue.*` belong to the IPC namespace, `net.*` to the network
/// namespace (sysctl(7), and what runc and the kubelet let through). A key of the host's namespaces would change
/// the node.
pub(crate) fn check(
    sysctls: &HashMap<String, String>,
    namespaces: &NamespaceOption,
) -> Result<BTreeMap<String, String>, SpecError> {
    sysctls.iter().map(|(key, value)| check_one(key, value, namespaces)).collect()
}

fn check_one(key: &str, value: &str, namespaces: &NamespaceOption) -> Result<(String, String), SpecError> {
    let fail = |reason: &'static str| SpecError::field(format!("linux.sysctls[{key:?}]"), reason);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'/');
    if key.is_empty() || key.len() > 253 || !key.bytes().all(allowed) {
        return Err(fail("not a valid sysctl name"));
    }
    // With slashes, a dot may stand in a part, as in the name of an interface.
    let slashes = key.contains('/');
    let separator = if slashes { '/' } else { '.' };
    if key.split(separator).any(|part| matches!(part, "" | "." | "..")) || (slashes && key.contains("..")) {
        return Err(fail("not a valid sysctl name"));
    }
    if value.contains(['\0', '\n']) {
        return Err(fail("value with a newline or NUL"));
    }
    let mut parts = key.split(separator);
    match (parts.next(), parts.next()) {
        (Some("net"), Some(_)) => {
            if namespaces.network() == NamespaceMode::Node {
                return Err(fail("not allowed with host network"));
            }
        }
        (Some("kernel"), Some(name)) if is_ipc(name) && parts.next().is_none() => {
            ipc(namespaces).map_err(fail)?
        }
        (Some("fs"), Some("mqueue")) => ipc(namespaces).map_err(fail)?,
        _ => return Err(fail("does not belong to a namespace of the pod")),
    }
    Ok((key.to_owned(), value.to_owned()))
}

fn is_ipc(name: &str) -> bool {
    matches!(
        name,
        "shmall" | "shmmax" | "shmmni" | "shm_rmid_forced" | "msgmax" | "msgmnb" | "msgmni" | "sem"
    )
}

fn ipc(namespaces: &NamespaceOption) -> Result<(), &'static str> {
    if namespaces.ipc() == NamespaceMode::Node { Err("not allowed with host IPC") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_key(key: &str, value: &str) -> Result<BTreeMap<String, String>, SpecError> {
        check(&HashMap::from([(key.into(), value.into())]), &NamespaceOption::default())
    }

    #[test]
    fn namespaced_sysctls_pass() {
        for key in
            ["net.ipv4.ip_forward", "net/ipv4/conf/eth0.1/rp_filter", "kernel.shm_rmid_forced", "kernel.sem"]
        {
            assert!(check_key(key, "1").is_ok(), "{key}");
        }
        assert!(check_key("fs.mqueue.msg_max", "10").is_ok());
    }

    /// SECURITY.md, S6: CVE-2022-0811 and its like.
    #[test]
    fn hostile_sysctls_are_refused() {
        for key in [
            "",
            "kernel.core_pattern",
            "kernel.domainname",
            "kernel.shm_rmid_forced+kernel.core_pattern",
            "net/../kernel/core_pattern",
            "net..ipv4",
            "net/./x",
            "kernel.shmmax/../core_pattern",
            "kernel.sem.x",
            "net.ipv4 .x",
            "net",
            "vm.swappiness",
            "fs.file-max",
        ] {
            assert!(check_key(key, "1").is_err(), "{key}");
        }
        assert!(check_key("net.ipv4.ip_forward", "1\nkernel.core_pattern=|x").is_err());
        assert!(check_key("net.ipv4.ip_forward", "1\0").is_err());
    }

    #[test]
    fn host_namespaces_keep_their_sysctls() {
        let host = NamespaceOption {
            network: NamespaceMode::Node.into(),
            ipc: NamespaceMode::Node.into(),
            ..NamespaceOption::default()
        };
        for key in ["net.ipv4.ip_forward", "kernel.shmmax", "fs.mqueue.msg_max"] {
            assert!(check(&HashMap::from([(key.into(), "1".into())]), &host).is_err(), "{key}");
        }
    }
}
