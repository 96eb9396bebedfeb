//! Which hierarchies are mounted, and which controllers each has.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{CgroupError, CgroupPaths, UNIFIED};

/// The cgroup file systems of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CgroupLayout {
    /// cgroup v2 alone.
    Unified,
    /// v1 controllers with a v2 hierarchy beside them.
    Hybrid,
    /// v1 controllers alone.
    Legacy,
}

/// One mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hierarchy {
    pub(crate) mount: PathBuf,
    /// Its controllers; `name=systemd` for a named one without any.
    pub(crate) controllers: Vec<String>,
    pub(crate) v2: bool,
}

/// All of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hierarchies {
    pub(crate) list: Vec<Hierarchy>,
}

const V1_CONTROLLERS: [&str; 14] = [
    "cpu",
    "cpuacct",
    "cpuset",
    "memory",
    "devices",
    "freezer",
    "blkio",
    "pids",
    "hugetlb",
    "net_cls",
    "net_prio",
    "perf_event",
    "rdma",
    "misc",
];

impl Hierarchies {
    /// Reads the mount table.
    pub(crate) fn detect(root: &Path) -> Result<Self, CgroupError> {
        let table = "/proc/self/mounts";
        let text = std::fs::read_to_string(table).map_err(|error| CgroupError::io("read", table, error))?;
        let controllers = |mount: &Path| std::fs::read_to_string(mount.join("cgroup.controllers"));
        Self::parse(&text, root, |mount| controllers(mount).unwrap_or_default())
    }

    /// Takes the hierarchies below `root` from a mount table (proc(5)). `v2_controllers` reads a v2 mount's
    /// `cgroup.controllers`.
    fn parse(
        mounts: &str,
        root: &Path,
        v2_controllers: impl Fn(&Path) -> String,
    ) -> Result<Self, CgroupError> {
        let mut list: Vec<Hierarchy> = Vec::new();
        for line in mounts.lines() {
            let mut fields = line.split(' ').skip(1);
            let (Some(mount), Some(kind), Some(options)) = (fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            let mount = PathBuf::from(mount);
            if !mount.starts_with(root) || list.iter().any(|other| other.mount == mount) {
                continue;
            }
            let (controllers, v2) = match kind {
                "cgroup" => {
                    let known =
                        |option: &&str| V1_CONTROLLERS.contains(option) || option.starts_with("name=");
                    (options.split(',').filter(known).map(str::to_owned).collect(), false)
                }
                "cgroup2" => (v2_controllers(&mount).split_whitespace().map(str::to_owned).collect(), true),
                _ => continue,
            };
            list.push(Hierarchy { mount, controllers, v2 });
        }
        if list.is_empty() { Err(CgroupError::NotMounted(root.into())) } else { Ok(Self { list }) }
    }

    pub(crate) fn layout(&self) -> CgroupLayout {
        match (self.list.iter().any(|one| one.v2), self.list.iter().any(|one| !one.v2)) {
            (true, false) => CgroupLayout::Unified,
            (true, true) => CgroupLayout::Hybrid,
            (false, _) => CgroupLayout::Legacy,
        }
    }

    /// A cgroup's directories.
    pub(crate) fn paths(&self, cgroup: &str) -> Result<CgroupPaths, CgroupError> {
        let relative = relative(cgroup)?;
        let mut paths = BTreeMap::new();
        for hierarchy in &self.list {
            let directory = hierarchy.mount.join(relative);
            if hierarchy.v2 {
                paths.insert(UNIFIED.to_owned(), directory);
            } else {
                for controller in &hierarchy.controllers {
                    paths.insert(controller.clone(), directory.clone());
                }
            }
        }
        Ok(CgroupPaths { paths })
    }
}

/// A cgroup path below a mount. Only plain components are taken: `..` or an empty path would name another's cgroup.
pub(super) fn relative(cgroup: &str) -> Result<&str, CgroupError> {
    let invalid = || CgroupError::InvalidPath(cgroup.to_owned());
    let relative = cgroup.strip_prefix('/').ok_or_else(invalid)?;
    let plain = |name: &str| !name.is_empty() && name != "." && name != ".." && !name.contains(['\0', '\n']);
    if relative.split('/').all(plain) { Ok(relative) } else { Err(invalid()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "tmpfs /sys/fs/cgroup tmpfs rw 0 0
cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,nosuid,cpu,cpuacct 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0
cgroup /sys/fs/cgroup/systemd cgroup rw,name=systemd 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0
cgroup /elsewhere/pids cgroup rw,pids 0 0
";

    #[test]
    fn a_hybrid_table_gives_paths_by_controller() {
        let found = Hierarchies::parse(HYBRID, Path::new("/sys/fs/cgroup"), |_| "hugetlb".into()).unwrap();
        assert_eq!(found.layout(), CgroupLayout::Hybrid);
        let paths = found.paths("/kubepods/pod1").unwrap();
        let path = |name: &str| paths.controller(name).unwrap().to_str().unwrap().to_owned();
        assert_eq!(path("cpuacct"), "/sys/fs/cgroup/cpu,cpuacct/kubepods/pod1");
        assert_eq!(path("memory"), "/sys/fs/cgroup/memory/kubepods/pod1");
        assert_eq!(path("hugetlb"), "/sys/fs/cgroup/unified/kubepods/pod1");
        assert_eq!(paths.directories().len(), 4);
    }

    #[test]
    fn v2_alone_is_unified_and_nothing_is_an_error() {
        let v2 = "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n";
        let found =
            Hierarchies::parse(v2, Path::new("/sys/fs/cgroup"), |_| "cpu memory pids".into()).unwrap();
        assert_eq!(found.layout(), CgroupLayout::Unified);
        assert!(Hierarchies::parse("", Path::new("/sys/fs/cgroup"), |_| String::new()).is_err());
    }

    #[test]
    fn paths_that_leave_the_hierarchy_are_refused() {
        for path in ["", "/", "a", "/a/../b", "/a//b", "/./a", "/a\n"] {
            assert!(relative(path).is_err(), "{path:?}");
        }
        assert_eq!(relative("/a/b").unwrap(), "a/b");
    }
}
