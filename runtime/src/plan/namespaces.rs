//! Which namespaces a container makes, which it enters, and the sysctls that live in them.

use std::collections::BTreeMap;

use kingpost_shim::{Join, JoinSource, Sysctl};
use oci_spec::runtime::{LinuxNamespace, LinuxNamespaceType};
use rustix::fs::{Mode, OFlags};

use super::{PlanFds, c_string};
use crate::error::{Error, Result};

pub(crate) const NEWNS: u64 = 0x0002_0000;
pub(crate) const NEWCGROUP: u64 = 0x0200_0000;
pub(crate) const NEWUTS: u64 = 0x0400_0000;
pub(crate) const NEWIPC: u64 = 0x0800_0000;
pub(crate) const NEWUSER: u64 = 0x1000_0000;
pub(crate) const NEWPID: u64 = 0x2000_0000;
pub(crate) const NEWNET: u64 = 0x4000_0000;

/// The kinds of namespaces that the pod holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PodNamespaces(pub(crate) u64);

/// What a container does about namespaces.
#[derive(Debug)]
pub(super) struct Namespaces {
    pub(super) new: u64,
    pub(super) join: Vec<Join>,
}

impl Namespaces {
    pub(super) fn is_private(&self, kind: u64) -> bool {
        self.new & kind != 0
    }
}

/// Takes a specification's list: with a path it is joined, else the pod's is if the pod has one, else it is made.
pub(super) fn namespaces(
    list: &[LinuxNamespace],
    pod: PodNamespaces,
    fds: &mut PlanFds,
) -> Result<Namespaces> {
    let mut result = Namespaces { new: 0, join: Vec::new() };
    let mut seen = 0;
    for namespace in list {
        let kind = flag(namespace.typ())?;
        if seen & kind != 0 {
            return Err(Error::invalid("linux.namespaces", format!("{} is listed twice", namespace.typ())));
        }
        seen |= kind;
        match namespace.path() {
            Some(path) => {
                let fd = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
                    .map_err(|errno| Error::io("open namespace", path, errno))?;
                result.join.push(Join { kind, source: JoinSource::Fd(fds.add(fd)?) });
            }
            None if pod.0 & kind != 0 => result.join.push(Join { kind, source: JoinSource::Pod }),
            None if kind == NEWUSER => {
                return Err(Error::invalid(
                    "linux.namespaces",
                    "a user namespace is the pod's (PodSpec::user)",
                ));
            }
            None => result.new |= kind,
        }
    }
    if seen & NEWNS == 0 || result.new & NEWNS == 0 {
        return Err(Error::invalid("linux.namespaces", "a container needs a mount namespace of its own"));
    }
    if pod.0 & NEWUSER != 0 && seen & NEWUSER == 0 {
        result.join.push(Join { kind: NEWUSER, source: JoinSource::Pod });
    }
    Ok(result)
}

fn flag(kind: LinuxNamespaceType) -> Result<u64> {
    Ok(match kind {
        LinuxNamespaceType::Mount => NEWNS,
        LinuxNamespaceType::Cgroup => NEWCGROUP,
        LinuxNamespaceType::Uts => NEWUTS,
        LinuxNamespaceType::Ipc => NEWIPC,
        LinuxNamespaceType::User => NEWUSER,
        LinuxNamespaceType::Pid => NEWPID,
        LinuxNamespaceType::Network => NEWNET,
        LinuxNamespaceType::Time => {
            return Err(Error::invalid("linux.namespaces", "time namespaces are not supported"));
        }
    })
}

/// Checks sysctls against the namespaces (`CLONE_NEW*`) that they would be written in: others would change the node.
pub(crate) fn sysctls<'a>(
    field: &str,
    sysctls: impl Iterator<Item = (&'a String, &'a String)>,
    namespaces: u64,
) -> Result<Vec<Sysctl>> {
    let sorted: BTreeMap<&String, &String> = sysctls.collect();
    let mut list = Vec::new();
    for (name, value) in sorted {
        let field = format!("{field}[{name:?}]");
        let kind = namespace_of(name).ok_or_else(|| Error::invalid(&field, "is not namespaced"))?;
        if namespaces & kind == 0 {
            return Err(Error::invalid(&field, "its namespace is the node's"));
        }
        if value.contains('\n') {
            return Err(Error::invalid(&field, "the value has more than one line"));
        }
        // `net/ipv4/conf/eth0.1/…` may be written with slashes, so that an interface's name can have dots.
        let path = if name.contains('/') { name.clone() } else { name.replace('.', "/") };
        let path = c_string(&field, format!("sys/{path}"))?;
        list.push(Sysctl { path, value: c_string(&field, value.as_str())? });
    }
    Ok(list)
}

fn namespace_of(name: &str) -> Option<u64> {
    let plain = |part: &str| {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let dotted = |byte: u8| name.contains('/') && byte == b'.';
        !part.is_empty()
            && part != "."
            && part != ".."
            && part.bytes().all(|byte| letter(byte) || dotted(byte))
    };
    let separator = if name.contains('/') { '/' } else { '.' };
    if !name.split(separator).all(plain) {
        return None;
    }
    let dotted = name.replace('/', ".");
    match dotted.as_str() {
        "kernel.hostname" | "kernel.domainname" => Some(NEWUTS),
        "kernel.msgmax"
        | "kernel.msgmnb"
        | "kernel.msgmni"
        | "kernel.sem"
        | "kernel.shmall"
        | "kernel.shmmax"
        | "kernel.shmmni"
        | "kernel.shm_rmid_forced" => Some(NEWIPC),
        other if other.starts_with("fs.mqueue.") => Some(NEWIPC),
        other if other.starts_with("net.") => Some(NEWNET),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, value: &str, namespaces: u64) -> Result<Vec<Sysctl>> {
        sysctls("sysctls", [(&name.to_owned(), &value.to_owned())].into_iter(), namespaces)
    }

    #[test]
    fn a_sysctl_is_a_path_in_its_namespace() {
        let list = check("net.ipv4.ip_forward", "1", NEWNET).unwrap();
        assert_eq!(list[0].path.as_c_str(), c"sys/net/ipv4/ip_forward");
        let list = check("net/ipv4/conf/eth0.1/forwarding", "1", NEWNET).unwrap();
        assert_eq!(list[0].path.as_c_str(), c"sys/net/ipv4/conf/eth0.1/forwarding");
        assert!(check("net.ipv4.ip_forward", "1", NEWIPC).is_err());
    }

    #[test]
    fn s6_names_and_values_that_would_reach_further_are_refused() {
        for name in [
            "kernel.core_pattern",
            "net.ipv4+kernel.x",
            "net/../kernel/core_pattern",
            "net..x",
            "net. x",
            "kernel.shmmax\n",
        ] {
            assert!(check(name, "1", u64::MAX).is_err(), "{name:?}");
        }
        assert!(check("net.ipv4.ip_forward", "1\n2", NEWNET).is_err());
    }
}
