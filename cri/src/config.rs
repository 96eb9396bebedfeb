//! Configuration of the server, with its defaults.

use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use kingpost_images::RegistryConfig;

/// What the CRI server needs to know. [`Config::default`] is a node's layout; each path can be moved, so that
/// several servers run side by side.
#[derive(Clone, Debug)]
pub struct Config {
    /// The Unix socket of the gRPC services.
    pub socket: PathBuf,
    /// Mode of the socket: `0o600`, or `0o660` to let the socket's group in.
    pub socket_mode: u32,
    /// Records, images and snapshots; survives a reboot.
    pub root_dir: PathBuf,
    /// Shims' sockets and what else a reboot must clear.
    pub state_dir: PathBuf,
    /// The `kingpost-runtime` binary, which shims run from.
    pub runtime_binary: PathBuf,
    /// Range of the pods' addresses; may come later, through UpdateRuntimeConfig.
    pub pod_cidr: Option<IpNet>,
    /// The node's own address, from which it reaches its pods.
    pub node_address: Option<IpAddr>,
    /// Mirrors, credentials and certificates of registries.
    pub registries: RegistryConfig,
    /// Where the cgroup file systems are mounted.
    pub cgroup_root: PathBuf,
    /// Parent cgroup of pods whose configuration names none, absolute within each hierarchy.
    pub pod_cgroup: String,
    /// Cgroup of all shims, absolute within each hierarchy, outside service and pods.
    pub shim_cgroup: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            socket: "/run/kingpost/cri.sock".into(),
            socket_mode: 0o600,
            root_dir: "/var/lib/kingpost/cri".into(),
            state_dir: "/run/kingpost".into(),
            runtime_binary: "/usr/libexec/kingpost/kingpost-runtime".into(),
            pod_cidr: None,
            node_address: None,
            registries: RegistryConfig::default(),
            cgroup_root: "/sys/fs/cgroup".into(),
            pod_cgroup: "/kingpost-pods".into(),
            shim_cgroup: "/kingpost-shims".into(),
        }
    }
}
