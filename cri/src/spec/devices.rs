//! Devices of a container: nodes to make and rules of the device cgroup.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use kingpost_proto::cri::{Device, LinuxContainerSecurityContext};
use oci_spec::runtime::{LinuxDevice, LinuxDeviceCgroup, LinuxDeviceType};
use rustix::fs::{CWD, FileType, Mode, OFlags};

use super::{Inputs, SpecError};

/// Device nodes and their rules. The runtime adds the nodes that each container has (null, zero, …).
#[derive(Debug, Default)]
pub(super) struct Devices {
    pub(super) nodes: Vec<LinuxDevice>,
    pub(super) rules: Vec<LinuxDeviceCgroup>,
}

/// Entries of the host's /dev that the container has of its own.
const OWN: [&str; 7] = ["pts", "shm", "fd", "mqueue", "console", "ptmx", ".lxc"];
/// More device nodes than any host has in one directory tree.
const MAX_NODES: usize = 16_384;

/// The devices of a container: all of the host if it is privileged, else those that are asked for.
pub(super) fn build(
    inputs: &Inputs<'_>,
    security: &LinuxContainerSecurityContext,
) -> Result<Devices, SpecError> {
    let mut devices = Devices::default();
    if security.privileged {
        devices.rules.push(everything(true));
        let mut nodes = BTreeMap::new();
        scan(Path::new("/dev"), Path::new("/dev"), true, &mut nodes)?;
        devices.nodes.extend(nodes.into_values());
    } else {
        devices.rules.push(everything(false));
    }
    for (index, device) in inputs.config.devices.iter().enumerate() {
        add(&mut devices, index, device, security.privileged)?;
    }
    Ok(devices)
}

fn add(devices: &mut Devices, index: usize, device: &Device, privileged: bool) -> Result<(), SpecError> {
    let fail = |field: &str, reason: String| SpecError::field(format!("devices[{index}].{field}"), reason);
    let access = if device.permissions.is_empty() { "rwm" } else { &device.permissions };
    if access.bytes().any(|byte| !matches!(byte, b'r' | b'w' | b'm')) {
        return Err(fail("permissions", format!("{access:?} is not of r, w and m")));
    }
    let host = Path::new(&device.host_path);
    let inside = if device.container_path.is_empty() { host } else { Path::new(&device.container_path) };
    for (field, path) in [("host_path", host), ("container_path", inside)] {
        if !path.is_absolute() || path.components().any(|part| part == Component::ParentDir) {
            return Err(fail(field, format!("{} is no absolute path without ..", path.display())));
        }
    }
    // Links such as /dev/disk/by-id are followed: the path is policy.
    let real = std::fs::canonicalize(host).map_err(|error| fail("host_path", error.to_string()))?;
    let mut nodes = BTreeMap::new();
    if real.is_dir() {
        scan(&real, inside, false, &mut nodes)?;
    } else if let Some(node) = node(&real, inside)? {
        nodes.insert(inside.to_owned(), node);
    }
    if nodes.is_empty() {
        return Err(fail("host_path", format!("{} is no device", host.display())));
    }
    for node in nodes.into_values() {
        if !privileged {
            let mut rule = LinuxDeviceCgroup::from(&node);
            rule.set_access(Some(access.to_owned()));
            devices.rules.push(rule);
        }
        devices.nodes.retain(|known| known.path() != node.path());
        devices.nodes.push(node);
    }
    Ok(())
}

/// Collects device nodes beneath `directory`, as paths beneath `inside`.
fn scan(
    directory: &Path,
    inside: &Path,
    skip_own: bool,
    nodes: &mut BTreeMap<PathBuf, LinuxDevice>,
) -> Result<(), SpecError> {
    let io = |source| SpecError::Io { operation: "list devices in", path: directory.to_owned(), source };
    for entry in std::fs::read_dir(directory).map_err(io)? {
        let Ok(entry) = entry else { continue };
        let name = entry.file_name();
        if skip_own && OWN.iter().any(|own| own.as_bytes() == name.as_bytes()) {
            continue;
        }
        let (path, target) = (entry.path(), inside.join(&name));
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            // Devices come and go while we look.
            if let Err(error) = scan(&path, &target, false, nodes) {
                tracing::debug!(%error, "skipped a directory of devices");
            }
        } else if let Some(node) = node(&path, &target)? {
            nodes.insert(target, node);
        }
        if nodes.len() > MAX_NODES {
            return Err(SpecError::field(
                "devices",
                format!("more than {MAX_NODES} below {}", directory.display()),
            ));
        }
    }
    Ok(())
}

/// What kind of device a path is; `None` if it is none or is gone.
fn node(path: &Path, inside: &Path) -> Result<Option<LinuxDevice>, SpecError> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(file) = rustix::fs::openat(CWD, path, flags, Mode::empty()) else { return Ok(None) };
    let stat = rustix::fs::fstat(&file).map_err(|error| SpecError::Io {
        operation: "look at device",
        path: path.to_owned(),
        source: error.into(),
    })?;
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::BlockDevice => LinuxDeviceType::B,
        FileType::CharacterDevice => LinuxDeviceType::C,
        _ => return Ok(None),
    };
    let (major, minor) = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
    let mut device = LinuxDevice::default();
    device
        .set_path(inside.to_owned())
        .set_typ(kind)
        .set_major(major.into())
        .set_minor(minor.into())
        .set_file_mode(Some(stat.st_mode & 0o7777))
        .set_uid(Some(stat.st_uid))
        .set_gid(Some(stat.st_gid));
    Ok(Some(device))
}

fn everything(allow: bool) -> LinuxDeviceCgroup {
    let mut rule = LinuxDeviceCgroup::default();
    rule.set_allow(allow).set_typ(Some(LinuxDeviceType::A)).set_access(Some("rwm".into()));
    rule
}
