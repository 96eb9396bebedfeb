//! A specification's mounts, devices and links, in the order in which the child makes them.

use std::path::{Path, PathBuf};

use kingpost_shim::{BindMount, Device, DeviceKind, Fs, FsParam, Mount};
use oci_spec::runtime::{LinuxDevice, LinuxDeviceType, Mount as OciMount};

use super::options::{self, NODEV, NOEXEC, NOSUID, Options, RDONLY};
use super::{PlanFds, c_string, rootfs};
use crate::cgroup::{CgroupPaths, Hierarchies, UNIFIED};
use crate::error::{Error, Result};

/// What a mount may depend on.
pub(super) struct Context<'a> {
    pub(super) hierarchies: &'a Hierarchies,
    pub(super) cgroup: &'a CgroupPaths,
    pub(super) own_cgroup_namespace: bool,
    /// Where the pod's `/dev/shm` is, if the container shares it.
    pub(super) shm: Option<&'a Path>,
    pub(super) in_user_namespace: bool,
    pub(super) host_net: bool,
}

/// The mounts, and the paths that are to be made read-only after them.
pub(super) struct Mounts {
    pub(super) list: Vec<Mount>,
    pub(super) readonly: Vec<std::ffi::CString>,
    /// Whether `/dev` is the container's own, to be filled with devices.
    pub(super) own_dev: bool,
}

/// Plans a specification's mounts.
pub(super) fn mounts(list: &[OciMount], context: &Context<'_>, fds: &mut PlanFds) -> Result<Mounts> {
    let mut result = Mounts { list: Vec::new(), readonly: Vec::new(), own_dev: true };
    for (index, mount) in list.iter().enumerate() {
        let field = format!("mounts[{index}] ({})", mount.destination().display());
        plan_mount(&field, mount, context, fds, &mut result)?;
    }
    Ok(result)
}

fn plan_mount(
    field: &str,
    mount: &OciMount,
    context: &Context<'_>,
    fds: &mut PlanFds,
    result: &mut Mounts,
) -> Result<()> {
    if !mount.destination().is_absolute() {
        return Err(Error::invalid(field, "destination is not absolute"));
    }
    let mut options = options::parse(mount.options().iter().flatten().map(String::as_str));
    if let Some(option) = options.refused.first() {
        return Err(Error::invalid(field, format!("option {option:?} is not supported")));
    }
    if mount.uid_mappings().is_some() || mount.gid_mappings().is_some() {
        return Err(Error::invalid(field, "id-mapped mounts are not supported"));
    }
    let target = c_string(field, mount.destination().as_os_str().as_encoded_bytes())?;
    let fstype = mount.typ().as_deref().unwrap_or("none");
    let shares_shm = mount.destination() == Path::new("/dev/shm") && matches!(fstype, "tmpfs" | "shm");
    let source = match (&context.shm, mount.source()) {
        (Some(shm), _) if shares_shm => Some(PathBuf::from(shm)),
        (_, Some(source)) if options.bind || fstype == "bind" => Some(source.clone()),
        (_, None) if options.bind || fstype == "bind" => {
            return Err(Error::invalid(field, "a bind without a source"));
        }
        _ => None,
    };
    if let Some(source) = source {
        if fstype == "bind" && !options.bind {
            options.recursive_bind = true;
        }
        if mount.destination() == Path::new("/dev") {
            result.own_dev = false;
        }
        let tree = rootfs::bind(&source, &options)?;
        let mode = rustix::fs::fstat(&tree).map_err(|errno| Error::io("stat", &source, errno))?.st_mode;
        let directory = rustix::fs::FileType::from_raw_mode(mode) == rustix::fs::FileType::Directory;
        result.list.push(Mount::Attach { mount: fds.add(tree)?, target, directory });
        return Ok(());
    }
    if fstype == "cgroup" || fstype == "cgroup2" {
        return cgroup(mount.destination(), &options, context, result);
    }
    let name =
        mount.source().as_ref().map_or(fstype.as_bytes(), |source| source.as_os_str().as_encoded_bytes());
    let fallback =
        (fstype == "sysfs" && context.in_user_namespace && context.host_net).then(|| c"/sys".to_owned());
    result.list.push(Mount::New(Fs {
        fstype: c_string(field, if fstype == "shm" { "tmpfs" } else { fstype })?,
        source: c_string(field, name)?,
        params: params(field, &options)?,
        attributes: options.attributes.set,
        propagation: options.propagation.map_or(0, |(propagation, _)| propagation),
        target,
        follow_links: !matches!(fstype, "proc" | "sysfs"),
        fallback,
    }));
    Ok(())
}

fn params(field: &str, options: &Options) -> Result<Vec<FsParam>> {
    let param = |(key, value): &(String, Option<String>)| {
        let value = value.as_ref().map(|value| c_string(field, value.as_str())).transpose()?;
        Ok(FsParam { key: c_string(field, key.as_str())?, value })
    };
    options.data.iter().map(param).collect()
}

/// `/sys/fs/cgroup`: on v1 a directory of hierarchies, on v2 the hierarchy. In a cgroup namespace the file systems are
/// mounted anew and show the container's cgroup as their root; without one its directories are bound.
fn cgroup(destination: &Path, options: &Options, context: &Context<'_>, result: &mut Mounts) -> Result<()> {
    let field = "mounts (cgroup)";
    let attributes = (options.attributes.set | NOSUID | NODEV | NOEXEC) & !options.attributes.clear;
    let v1 = context.hierarchies.list.iter().any(|one| !one.v2);
    let path = |path: &Path| c_string(field, path.as_os_str().as_encoded_bytes());
    if v1 {
        result.list.push(Mount::New(Fs {
            fstype: c"tmpfs".to_owned(),
            source: c"cgroup".to_owned(),
            params: vec![FsParam { key: c"mode".to_owned(), value: Some(c"755".to_owned()) }],
            attributes: attributes & !RDONLY,
            propagation: 0,
            target: path(destination)?,
            follow_links: true,
            fallback: None,
        }));
        if attributes & RDONLY != 0 {
            result.readonly.push(path(destination)?);
        }
    }
    for hierarchy in &context.hierarchies.list {
        let name = hierarchy.mount.file_name().unwrap_or_default();
        let target = if v1 { destination.join(name) } else { destination.to_owned() };
        let controller =
            if hierarchy.v2 { UNIFIED } else { hierarchy.controllers.first().map_or("", String::as_str) };
        if !context.own_cgroup_namespace {
            let Some((_, source)) = context.cgroup.iter().find(|(name, _)| *name == controller) else {
                continue;
            };
            let bind = BindMount { source: path(source)?, target: path(&target)?, attributes };
            result.list.push(Mount::Bind(bind));
            continue;
        }
        let param = |controller: &String| {
            let (key, value) = match controller.split_once('=') {
                Some((key, value)) => (key, Some(c_string(field, value)?)),
                None => (controller.as_str(), None),
            };
            Ok(FsParam { key: c_string(field, key)?, value })
        };
        let params =
            if hierarchy.v2 { Ok(Vec::new()) } else { hierarchy.controllers.iter().map(param).collect() };
        result.list.push(Mount::New(Fs {
            fstype: if hierarchy.v2 { c"cgroup2" } else { c"cgroup" }.to_owned(),
            source: c"cgroup".to_owned(),
            params: params.map_err(|error: Error| error)?,
            attributes,
            propagation: 0,
            target: path(&target)?,
            follow_links: true,
            fallback: None,
        }));
        for alias in
            hierarchy.controllers.iter().filter(|_| v1 && !hierarchy.v2 && hierarchy.controllers.len() > 1)
        {
            let link = Mount::Symlink {
                target: path(&destination.join(alias))?,
                link: c_string(field, name.as_encoded_bytes())?,
            };
            result.list.push(link);
        }
    }
    Ok(())
}

/// The devices that every container has (OCI runtime specification, config-linux, "Default Devices").
const DEFAULT_DEVICES: [(&str, u32, u32); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
];

const LINKS: [(&str, &str); 5] = [
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
    ("/dev/ptmx", "pts/ptmx"),
];

/// Plans the default devices, those of the specification, and the links beside them.
pub(super) fn devices(list: &[LinuxDevice], bind: bool) -> Result<Vec<Mount>> {
    let mut mounts = Vec::new();
    let own = |path: &str| list.iter().any(|device| device.path() == Path::new(path));
    for (path, major, minor) in DEFAULT_DEVICES.into_iter().filter(|(path, _, _)| !own(path)) {
        let target = c_string("linux.devices", path)?;
        let kind = DeviceKind::Character;
        mounts.push(Mount::Device(Device { target, kind, major, minor, mode: 0o666, uid: 0, gid: 0, bind }));
    }
    for (index, device) in list.iter().enumerate() {
        mounts.push(Mount::Device(plan_device(&format!("linux.devices[{index}]"), device, bind)?));
    }
    for (target, link) in LINKS {
        mounts.push(Mount::Symlink {
            target: c_string("linux.devices", target)?,
            link: c_string("linux.devices", link)?,
        });
    }
    Ok(mounts)
}

fn plan_device(field: &str, device: &LinuxDevice, bind: bool) -> Result<Device> {
    let number = |value: i64| {
        u32::try_from(value).map_err(|_| Error::invalid(field, format!("{value} is no device number")))
    };
    let kind = match device.typ() {
        LinuxDeviceType::C | LinuxDeviceType::U => DeviceKind::Character,
        LinuxDeviceType::B => DeviceKind::Block,
        LinuxDeviceType::P => DeviceKind::Fifo,
        LinuxDeviceType::A => return Err(Error::invalid(field, "type a is no device")),
    };
    Ok(Device {
        target: c_string(field, device.path().as_os_str().as_encoded_bytes())?,
        kind,
        major: number(device.major())?,
        minor: number(device.minor())?,
        mode: device.file_mode().unwrap_or(0o666) & 0o7777,
        uid: device.uid().unwrap_or(0),
        gid: device.gid().unwrap_or(0),
        bind: bind && kind != DeviceKind::Fifo,
    })
}
