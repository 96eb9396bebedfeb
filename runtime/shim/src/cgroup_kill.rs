//! Killing what a cgroup holds.

use std::fs;
use std::io;
use std::path::Path;

use rustix::process::{Pid, Signal};

/// Sends SIGKILL to every process in a cgroup directory and those below it: through `cgroup.kill` where there is
/// one, else process by process until a pass finds none that was not killed before. Does not wait for them to end.
///
/// # Errors
/// If the directory cannot be read. One that is gone is empty.
pub fn kill_cgroup(directory: &Path) -> io::Result<()> {
    match fs::write(directory.join("cgroup.kill"), "1") {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(1) => {}
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
        Err(error) => return Err(error),
    }
    let mut killed = Vec::new();
    // A process may fork between the reading and its end, so look again until nobody new turns up.
    loop {
        let mut fresh = Vec::new();
        collect(directory, &mut fresh)?;
        fresh.retain(|pid| !killed.contains(pid));
        if fresh.is_empty() {
            return Ok(());
        }
        for pid in fresh {
            if let Some(process) = Pid::from_raw(pid) {
                // It may have ended by itself.
                let _ = rustix::process::kill_process(process, Signal::KILL);
            }
            killed.push(pid);
        }
    }
}

/// Whether no process, dead ones that nobody has reaped apart, is in a cgroup or below it.
///
/// # Errors
/// If the directory cannot be read. One that is gone is empty.
pub fn cgroup_is_empty(directory: &Path) -> io::Result<bool> {
    let mut pids = Vec::new();
    collect(directory, &mut pids)?;
    Ok(pids.is_empty())
}

fn collect(directory: &Path, pids: &mut Vec<i32>) -> io::Result<()> {
    let text = match fs::read_to_string(directory.join("cgroup.procs")) {
        Err(error) if is_gone(&error) => return Ok(()),
        other => other?,
    };
    pids.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()));
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), pids)?;
        }
    }
    Ok(())
}

fn is_gone(error: &io::Error) -> bool {
    const ENODEV: i32 = 19;
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(ENODEV)
}
