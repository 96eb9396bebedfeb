//! What a child needs to enter a cgroup, and a shim to hear of kills for lack of memory.

use std::fs;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{Mode, OFlags};

use super::{CgroupError, CgroupPaths, UNIFIED};

/// Open files to enter a cgroup by.
#[derive(Debug)]
pub(crate) struct Entry {
    /// v1: each hierarchy's `tasks`.
    pub(crate) tasks: Vec<OwnedFd>,
    /// v2: the directory.
    pub(crate) unified: Option<OwnedFd>,
}

/// Opens them. cpuset comes first: an empty one refuses the process, and nothing has moved then.
pub(crate) fn open_entry(paths: &CgroupPaths) -> Result<Entry, CgroupError> {
    let mut tasks = Vec::new();
    for directory in paths.directories() {
        if paths.paths.get(UNIFIED).is_some_and(|unified| unified == directory) {
            continue;
        }
        tasks.push(open(&directory.join("tasks"), OFlags::WRONLY)?);
    }
    let unified = match paths.paths.get(UNIFIED) {
        Some(directory) => Some(open(directory, OFlags::PATH | OFlags::DIRECTORY)?),
        None => None,
    };
    Ok(Entry { tasks, unified })
}

fn open(path: &Path, flags: OFlags) -> Result<OwnedFd, CgroupError> {
    rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| CgroupError::io("open", path, errno))
}

/// How to learn of processes killed for lack of memory.
#[derive(Debug)]
pub(crate) struct OomFiles {
    /// `memory.events` or `memory.oom_control`.
    pub(crate) counter: OwnedFd,
    /// v1's notification.
    pub(crate) eventfd: Option<OwnedFd>,
}

/// Opens them; `None` where memory is not accounted for.
pub(crate) fn oom_files(paths: &CgroupPaths) -> Result<Option<OomFiles>, CgroupError> {
    if let Some(directory) = paths.paths.get("memory") {
        let counter = open(&directory.join("memory.oom_control"), OFlags::RDONLY)?;
        let notify = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|errno| CgroupError::io("eventfd for", directory, errno))?;
        let control = directory.join("cgroup.event_control");
        let registration = format!("{} {}", notify.as_fd().as_raw_fd(), counter.as_fd().as_raw_fd());
        fs::write(&control, registration).map_err(|error| CgroupError::io("write", &control, error))?;
        return Ok(Some(OomFiles { counter, eventfd: Some(notify) }));
    }
    match paths.paths.get(UNIFIED).map(|directory| directory.join("memory.events")) {
        Some(file) if file.exists() => {
            Ok(Some(OomFiles { counter: open(&file, OFlags::RDONLY)?, eventfd: None }))
        }
        _ => Ok(None),
    }
}
