//! Facts of the host that decide what a container can have. Read once, at start.

use std::path::Path;

/// What this host has.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    /// AppArmor is active.
    pub(crate) apparmor: bool,
    /// SELinux is active.
    pub(crate) selinux: bool,
    /// The memory controller accounts for swap.
    pub(crate) swap_accounting: bool,
    /// All controllers are in the one hierarchy of cgroup v2.
    pub(crate) cgroup_v2: bool,
    /// Capabilities that this process may hand on, by number.
    pub(crate) bounding: u64,
}

impl Host {
    /// Looks at `/sys` and `/proc`.
    pub(crate) fn detect(cgroup_root: &Path) -> Self {
        let cgroup_v2 = cgroup_root.join("cgroup.controllers").exists();
        let memsw = cgroup_root.join("memory/memory.memsw.limit_in_bytes");
        Self {
            apparmor: std::fs::read_to_string("/sys/module/apparmor/parameters/enabled")
                .is_ok_and(|enabled| enabled.starts_with('Y')),
            selinux: Path::new("/sys/fs/selinux/enforce").exists(),
            swap_accounting: cgroup_v2 || memsw.exists(),
            cgroup_v2,
            bounding: bounding_set().unwrap_or(u64::MAX),
        }
    }
}

fn bounding_set() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("CapBnd:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}
