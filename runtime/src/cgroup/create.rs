//! Making, changing and removing a cgroup in every hierarchy.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use oci_spec::runtime::LinuxResources;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::layout::relative;
use super::limits::{self, Setting};
use super::{CgroupError, CgroupPaths, Hierarchies, Hierarchy, UNIFIED, devices};

/// How long killed processes may take to go.
const PATIENCE: Duration = Duration::from_secs(10);

/// Makes a cgroup with limits. Directories that exist are used as they are.
pub(crate) fn create(
    hierarchies: &Hierarchies,
    cgroup: &str,
    resources: Option<&LinuxResources>,
) -> Result<CgroupPaths, CgroupError> {
    let paths = hierarchies.paths(cgroup)?;
    for hierarchy in &hierarchies.list {
        make_directories(hierarchy, relative(cgroup)?)?;
    }
    if let Some(resources) = resources {
        update(hierarchies, &paths, resources)?;
        devices::apply(hierarchies, &paths, resources.devices().as_deref().unwrap_or_default())?;
    }
    Ok(paths)
}

fn make_directories(hierarchy: &Hierarchy, relative: &str) -> Result<(), CgroupError> {
    let mut directory = hierarchy.mount.clone();
    for component in relative.split('/') {
        if hierarchy.v2 {
            enable_controllers(hierarchy, &directory)?;
        }
        let child = directory.join(component);
        match fs::create_dir(&child) {
            Ok(()) if hierarchy.controllers.iter().any(|name| name == "cpuset") && !hierarchy.v2 => {
                // A v1 cpuset is empty until it is filled, and takes no process so.
                for file in ["cpuset.cpus", "cpuset.mems"] {
                    inherit(&directory, &child, file)?;
                }
            }
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(CgroupError::io("create", child, error)),
        }
        directory = child;
    }
    Ok(())
}

fn inherit(parent: &Path, child: &Path, file: &str) -> Result<(), CgroupError> {
    let value = fs::read_to_string(parent.join(file))
        .map_err(|error| CgroupError::io("read", parent.join(file), error))?;
    fs::write(child.join(file), value.trim())
        .map_err(|error| CgroupError::io("write", child.join(file), error))
}

/// Hands a v2 directory's controllers on to its children, those that can be: a threaded or delegated subtree may refuse
/// some, which a limit that needs them will say.
fn enable_controllers(hierarchy: &Hierarchy, directory: &Path) -> Result<(), CgroupError> {
    let file = directory.join("cgroup.subtree_control");
    let enabled = fs::read_to_string(&file).map_err(|error| CgroupError::io("read", &file, error))?;
    let missing: Vec<&String> = hierarchy
        .controllers
        .iter()
        .filter(|name| !enabled.split_whitespace().any(|other| other == name.as_str()))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let all: Vec<String> = missing.iter().map(|name| format!("+{name}")).collect();
    if fs::write(&file, all.join(" ")).is_err() {
        for one in all {
            if let Err(error) = fs::write(&file, &one) {
                tracing::debug!(path = %file.display(), controller = one, %error, "controller not enabled");
            }
        }
    }
    Ok(())
}

/// Writes limits; absent ones stay.
pub(crate) fn update(
    hierarchies: &Hierarchies,
    paths: &CgroupPaths,
    resources: &LinuxResources,
) -> Result<(), CgroupError> {
    let has_v1 = hierarchies.list.iter().any(|one| !one.v2 && !one.controllers.is_empty());
    let settings = if has_v1 { limits::v1(resources)? } else { limits::v2(resources)? };
    let mut refused: Option<(&Setting, CgroupError)> = None;
    for setting in &settings {
        match write(paths, setting) {
            // The limits of memory and of memory with swap bound one another: raising both needs the second first.
            Err(error) if refused.is_none() && setting.file == "memory.limit_in_bytes" => {
                refused = Some((setting, error));
            }
            other => other?,
        }
    }
    match refused {
        Some((setting, error)) => write(paths, setting).map_err(|_| error),
        None => Ok(()),
    }
}

fn write(paths: &CgroupPaths, setting: &Setting) -> Result<(), CgroupError> {
    let no_controller = || CgroupError::NoController {
        field: setting.field.to_owned(),
        controller: setting.controller.clone(),
    };
    let directory = match paths.paths.get(&setting.controller) {
        Some(directory) => directory,
        None if setting.file.starts_with("hugetlb.") => return write_hybrid(paths, setting),
        None => return Err(no_controller()),
    };
    let file = directory.join(&setting.file);
    match fs::write(&file, &setting.value) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound && directory.exists() => {
            if setting.file.contains("memsw") || setting.file == "memory.swap.max" {
                // A kernel that does not account for swap cannot limit it; there may be none.
                tracing::warn!(field = setting.field, "swap is not accounted for: limit left out");
                return Ok(());
            }
            if setting.controller == UNIFIED {
                let controller = setting.file.split('.').next().unwrap_or_default().to_owned();
                return Err(CgroupError::NoController { field: setting.field.to_owned(), controller });
            }
            Err(no_controller())
        }
        Err(error) => Err(CgroupError::io("write", file, error)),
    }
}

/// hugetlb may be in the v2 hierarchy beside v1 ones.
fn write_hybrid(paths: &CgroupPaths, setting: &Setting) -> Result<(), CgroupError> {
    let v2 = Setting {
        controller: UNIFIED.into(),
        file: setting.file.replace(".limit_in_bytes", ".max"),
        ..setting.clone()
    };
    match paths.paths.contains_key(UNIFIED) {
        true => write(paths, &v2),
        false => Err(CgroupError::NoController {
            field: setting.field.to_owned(),
            controller: setting.controller.clone(),
        }),
    }
}

/// Kills what is in a cgroup, waits until it is gone and removes the directories with all below them.
pub(crate) fn remove(paths: &CgroupPaths) -> Result<(), CgroupError> {
    if let Some(directory) = paths.for_killing() {
        empty(directory)?;
    }
    for directory in paths.directories() {
        match remove_tree(directory) {
            Ok(()) => {}
            // A process that was in this hierarchy alone.
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                empty(directory)?;
                remove_tree(directory).map_err(|error| CgroupError::io("remove", directory, error))?;
            }
            Err(error) => return Err(CgroupError::io("remove", directory, error)),
        }
    }
    Ok(())
}

fn empty(directory: &Path) -> Result<(), CgroupError> {
    let failed = |error| CgroupError::io("kill all in", directory, error);
    let deadline = Instant::now() + PATIENCE;
    while !kingpost_shim::cgroup_is_empty(directory).map_err(failed)? {
        kingpost_shim::kill_cgroup(directory).map_err(failed)?;
        if Instant::now() >= deadline {
            return Err(failed(io::ErrorKind::TimedOut.into()));
        }
        wait_for_one(directory).map_err(failed)?;
    }
    Ok(())
}

/// Waits until a process that is listed now has ended.
fn wait_for_one(directory: &Path) -> io::Result<()> {
    let text = fs::read_to_string(directory.join("cgroup.procs"))?;
    let first = text.lines().filter_map(|line| line.parse().ok()).find_map(Pid::from_raw);
    if let Some(pidfd) = first.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()) {
        let second = Timespec { tv_sec: 1, tv_nsec: 0 };
        rustix::event::poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&second))?;
    }
    Ok(())
}

fn remove_tree(directory: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    match fs::remove_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Plain directories in place of a cgroup file system: writes make files where the kernel would have them.
    fn fake(controllers: &[&str], v2: bool) -> (tempfile::TempDir, Hierarchies) {
        let root = tempfile::tempdir().unwrap();
        let controllers = controllers.iter().map(|&name| name.to_owned()).collect();
        fs::write(root.path().join("cpuset.cpus"), "0-1\n").unwrap();
        fs::write(root.path().join("cpuset.mems"), "0\n").unwrap();
        fs::write(root.path().join("cgroup.subtree_control"), "").unwrap();
        let list = vec![Hierarchy { mount: root.path().into(), controllers, v2 }];
        (root, Hierarchies { list })
    }

    #[test]
    fn a_v1_cpuset_inherits_level_by_level() {
        let (root, hierarchies) = fake(&["cpuset"], false);
        create(&hierarchies, "/a/b", None).unwrap();
        assert_eq!(fs::read_to_string(root.path().join("a/b/cpuset.cpus")).unwrap(), "0-1");
    }

    #[test]
    fn a_limit_without_its_controller_is_refused() {
        let (_root, hierarchies) = fake(&["memory"], false);
        let resources = serde_json::from_value(json!({"pids": {"limit": 5}})).unwrap();
        let error = create(&hierarchies, "/a", Some(&resources)).unwrap_err();
        assert!(error.to_string().contains("pids"), "{error}");
    }

    #[test]
    fn v2_controllers_are_handed_down() {
        let (root, hierarchies) = fake(&["memory", "cpu"], true);
        create(&hierarchies, "/a", None).unwrap();
        let written = fs::read_to_string(root.path().join("cgroup.subtree_control")).unwrap();
        assert_eq!(written, "+memory +cpu");
    }
}
