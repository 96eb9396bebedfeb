//! Opening a container's log file: beneath its directory, through no link, and a regular file only.

use std::os::fd::OwnedFd;
use std::path::{Component, Path};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::error::{Error, Result};

/// Opens it for appending; makes it, and directories above it that are missing.
pub(crate) fn open(directory: &Path, path: &Path) -> Result<OwnedFd> {
    let plain = path.components().all(|component| matches!(component, Component::Normal(_)));
    if !plain || path.as_os_str().is_empty() {
        return Err(Error::invalid("log.path", format!("{} is not a plain relative path", path.display())));
    }
    let failed = |errno| Error::io("open log", directory.join(path), errno);
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(directory, flags, Mode::empty()).map_err(failed)?;
    make_parents(&root, path).map_err(failed)?;
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = open_beneath(&root, path, flags, Mode::from_raw_mode(0o640)).map_err(failed)?;
    if FileType::from_raw_mode(rustix::fs::fstat(&file).map_err(failed)?.st_mode) != FileType::RegularFile {
        return Err(failed(Errno::INVAL));
    }
    Ok(file)
}

fn open_beneath(
    root: &OwnedFd,
    path: &Path,
    flags: OFlags,
    mode: Mode,
) -> std::result::Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(root, path, flags | OFlags::CLOEXEC, mode, resolve)
}

fn make_parents(root: &OwnedFd, path: &Path) -> std::result::Result<(), Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let mut parent = open_beneath(root, Path::new("."), flags, Mode::empty())?;
    for component in path.parent().into_iter().flat_map(Path::components) {
        let name = Path::new(component.as_os_str());
        match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
        parent = open_beneath(&parent, name, flags, Mode::empty())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s20_links_dots_and_fifos_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        std::fs::create_dir(&log).unwrap();
        std::os::unix::fs::symlink("/tmp", log.join("link")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", log.join("file")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, log.join("fifo"), FileType::Fifo, Mode::from_raw_mode(0o600), 0)
            .unwrap();
        for path in ["../x", "/etc/x", "link/x", "file", "fifo", "", "a/../../x"] {
            assert!(open(&log, Path::new(path)).is_err(), "{path}");
        }
        open(&log, Path::new("c/0.log")).unwrap();
        assert!(log.join("c/0.log").is_file());
    }
}
