//! Starting a shim.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::process::Stdio;

use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use crate::cgroup;
use crate::connection::socket_address;
use crate::error::{Error, Result};
use crate::records::PodDirectory;
use crate::runtime::{Shared, blocking};

/// Clients that may wait to be accepted.
const BACKLOG: i32 = 16;
/// What a shim should have: it is the last to be killed for lack of memory.
const SHIM_OOM_SCORE_ADJ: &str = "-999";

/// Copies a program into a memory file that nobody can change: a container that gets at `/proc/<pid>/exe` of a shim, or of
/// a child that has not yet executed its own program, finds nothing to write to.
pub(crate) fn seal_program(path: &Path) -> Result<OwnedFd> {
    let bytes = std::fs::read(path).map_err(|error| Error::io("read", path, error))?;
    let failed = |errno: Errno| Error::io("seal", path, errno);
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let program = rustix::fs::memfd_create("kingpost-runtime", flags).map_err(failed)?;
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let count = rustix::io::write(&program, rest).map_err(failed)?;
        rest = rest.get(count..).unwrap_or_default();
    }
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    rustix::fs::fcntl_add_seals(&program, seals).map_err(failed)?;
    Ok(program)
}

/// This process's `oom_score_adj`.
pub(crate) fn own_oom_score_adj() -> i32 {
    let text = std::fs::read_to_string("/proc/self/oom_score_adj").unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

/// Starts a shim that serves the socket in a pod's directory. It can be connected to at once.
pub(crate) async fn start(shared: &Shared, directory: &PodDirectory) -> Result<()> {
    let path = directory.path();
    let listener = listen(path)?;
    let log = std::fs::File::create(path.join("shim.log"))
        .map_err(|error| Error::io("create", path.join("shim.log"), error))?;
    let mut child = tokio::process::Command::new(format!("/proc/self/fd/{}", shared.program.as_raw_fd()))
        .arg0("kingpost-runtime")
        .arg("shim")
        .arg(path)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::from(listener))
        .stdout(Stdio::null())
        .stderr(Stdio::from(log))
        .kill_on_drop(false)
        .spawn()
        .map_err(|error| Error::io("execute", &shared.config.shim_binary, error))?;
    let pid = child.id();
    tokio::spawn(async move {
        // While this process lives it is the shim's parent. How it ended is in its log; that it did, its socket says.
        let _ = child.wait().await;
    });
    if let Some(pid) = pid {
        let paths = shared.hierarchies.paths(&shared.config.shim_cgroup)?;
        blocking(move || place(pid, &paths)).await?;
    }
    Ok(())
}

fn listen(directory: &Path) -> Result<OwnedFd> {
    let failed = |errno| Error::io("listen in", directory, errno);
    let socket =
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .map_err(failed)?;
    let (_directory, address) = socket_address(directory)?;
    rustix::net::bind(&socket, &address).map_err(failed)?;
    rustix::fs::chmod(directory.join("shim.sock"), Mode::from_raw_mode(0o600)).map_err(failed)?;
    rustix::net::listen(&socket, BACKLOG).map_err(failed)?;
    Ok(socket)
}

/// Moves a shim to where the service's and the pods' limits and kills do not reach it.
fn place(pid: u32, paths: &cgroup::CgroupPaths) -> Result<()> {
    let moved = |file: &Path| {
        let text = pid.to_string();
        rustix::fs::open(file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
            .and_then(|fd| rustix::io::write(fd, text.as_bytes()))
    };
    let unified_alone = paths.iter().all(|(name, _)| name == cgroup::UNIFIED);
    for directory in paths.directories() {
        let is_unified = paths.iter().any(|(name, path)| name == cgroup::UNIFIED && path == directory);
        let file = match (is_unified, unified_alone) {
            (false, _) => directory.join("tasks"),
            (true, true) => directory.join("cgroup.procs"),
            // Beside v1 controllers it limits and kills nothing, and a move there costs an RCU grace period.
            (true, false) => continue,
        };
        match moved(&file) {
            Ok(_) => {}
            // The shim has ended already: whoever connects finds out.
            Err(Errno::SRCH) => return Ok(()),
            Err(errno) => return Err(Error::io("move the shim to", file, errno)),
        }
    }
    let file = format!("/proc/{pid}/oom_score_adj");
    if let Err(error) = std::fs::write(&file, SHIM_OOM_SCORE_ADJ) {
        tracing::debug!(pid, %error, "oom_score_adj of the shim not lowered: CAP_SYS_RESOURCE is missing");
    }
    Ok(())
}
