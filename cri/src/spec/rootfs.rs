//! Small files of a container's root file system, read before it is mounted.
//!
//! The file system is data: a file is read through its layers as overlayfs would show it, without following a
//! link, only if it is regular, and only up to a bound.

use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::SpecError;

/// Largest file that is read: `/etc/passwd` with ten thousand users has half of it.
const MAX_SIZE: u64 = 1 << 20;

/// Gives the content of files of a root file system.
pub(crate) trait RootfsFiles: Sync {
    /// The content of `path` (relative to the root), or `None` if there is no such file.
    fn read(&self, path: &str) -> Result<Option<String>, SpecError>;
}

/// The layers of an overlay, the top first.
#[derive(Debug)]
pub(crate) struct Layers<'a>(pub(crate) &'a [PathBuf]);

impl RootfsFiles for Layers<'_> {
    fn read(&self, path: &str) -> Result<Option<String>, SpecError> {
        for layer in self.0 {
            match look(layer, path)? {
                Found::File(file) => return read_bounded(path, file).map(Some),
                Found::Absent => return Ok(None),
                Found::AskBelow => {}
            }
        }
        Ok(None)
    }
}

enum Found {
    File(OwnedFd),
    /// A whiteout or an opaque directory hides what lies below.
    Absent,
    AskBelow,
}

fn look(layer: &Path, path: &str) -> Result<Found, SpecError> {
    let io = |error: Errno| SpecError::Io {
        operation: "open layer",
        path: layer.to_owned(),
        source: error.into(),
    };
    let root =
        rustix::fs::openat(CWD, layer, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .map_err(io)?;
    // Each parent may be hidden by itself; the path's own parts are looked at from the top.
    let mut parts = path.split('/').peekable();
    let mut walked = String::new();
    let mut opaque = false;
    while let Some(part) = parts.next() {
        if !walked.is_empty() {
            walked.push('/');
        }
        walked.push_str(part);
        let last = parts.peek().is_none();
        let fd = match open_beneath(&root, &walked, OFlags::PATH | OFlags::NOFOLLOW) {
            Ok(fd) => fd,
            Err(Errno::NOENT | Errno::NOTDIR) => {
                return Ok(if opaque { Found::Absent } else { Found::AskBelow });
            }
            Err(Errno::LOOP | Errno::XDEV) => {
                return Err(SpecError::image(format!("/{walked}"), "is a link"));
            }
            Err(error) => return Err(io(error)),
        };
        let stat = rustix::fs::fstat(&fd).map_err(io)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::CharacterDevice if stat.st_rdev == 0 => return Ok(Found::Absent),
            FileType::Directory if !last => {
                opaque |= is_opaque(&root, &walked);
            }
            FileType::RegularFile if last => {
                // Opening for reading cannot block: it is a regular file, and links are refused.
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
                return open_beneath(&root, &walked, flags).map(Found::File).map_err(io);
            }
            FileType::Symlink => return Err(SpecError::image(format!("/{walked}"), "is a link")),
            _ => return Err(SpecError::image(format!("/{walked}"), "is no regular file")),
        }
    }
    Ok(Found::AskBelow)
}

fn open_beneath(root: &OwnedFd, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let resolve = if flags.contains(OFlags::PATH) {
        // The last part may be a link: the caller looks at what it is.
        ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS
    } else {
        resolve
    };
    rustix::fs::openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve)
}

fn is_opaque(root: &OwnedFd, path: &str) -> bool {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
    let Ok(directory) = open_beneath(root, path, flags) else { return false };
    let mut value = [0_u8; 4];
    ["trusted.overlay.opaque", "user.overlay.opaque"].iter().any(|name| {
        rustix::fs::fgetxattr(&directory, *name, &mut value)
            .is_ok_and(|read| read == 1 && value.first() == Some(&b'y'))
    })
}

fn read_bounded(path: &str, file: OwnedFd) -> Result<String, SpecError> {
    let mut bytes = Vec::new();
    let read = std::fs::File::from(file).take(MAX_SIZE + 1).read_to_end(&mut bytes);
    let read = read.map_err(|source| SpecError::Io {
        operation: "read from image",
        path: Path::new("/").join(path),
        source,
    })?;
    if u64::try_from(read).unwrap_or(u64::MAX) > MAX_SIZE {
        return Err(SpecError::image(format!("/{path}"), "larger than 1 MiB"));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = directory.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        directory
    }

    fn read(layers: &[&tempfile::TempDir], path: &str) -> Result<Option<String>, SpecError> {
        let paths: Vec<_> = layers.iter().map(|layer| layer.path().to_owned()).collect();
        Layers(&paths).read(path)
    }

    #[test]
    fn the_top_layer_wins_and_lower_ones_are_seen() {
        let top = layer(&[("etc/passwd", "top")]);
        let bottom = layer(&[("etc/passwd", "bottom"), ("etc/group", "bottom")]);
        assert_eq!(read(&[&top, &bottom], "etc/passwd").unwrap().unwrap(), "top");
        assert_eq!(read(&[&top, &bottom], "etc/group").unwrap().unwrap(), "bottom");
        assert!(read(&[&top, &bottom], "etc/shadow").unwrap().is_none());
    }

    #[test]
    fn whiteouts_and_opaque_directories_hide() {
        let top = layer(&[("etc/other", "")]);
        let bottom = layer(&[("etc/passwd", "bottom"), ("etc/group", "bottom")]);
        let whiteout = top.path().join("etc/passwd");
        let device = rustix::fs::makedev(0, 0);
        if rustix::fs::mknodat(CWD, &whiteout, FileType::CharacterDevice, Mode::empty(), device).is_err() {
            return; // not root
        }
        assert!(read(&[&top, &bottom], "etc/passwd").unwrap().is_none());
        assert_eq!(read(&[&top, &bottom], "etc/group").unwrap().unwrap(), "bottom");
        let opaque = rustix::fs::setxattr(
            top.path().join("etc"),
            "trusted.overlay.opaque",
            b"y",
            rustix::fs::XattrFlags::empty(),
        );
        if opaque.is_ok() {
            assert!(read(&[&top, &bottom], "etc/group").unwrap().is_none());
        }
    }

    /// SECURITY.md, S7: links, FIFOs and huge files in an image.
    #[test]
    fn hostile_files_are_refused() {
        let image = layer(&[("etc/real", "root:x:0:0:::")]);
        let etc = image.path().join("etc");
        std::os::unix::fs::symlink("/etc/passwd", etc.join("passwd")).unwrap();
        assert!(read(&[&image], "etc/passwd").is_err());
        rustix::fs::mknodat(CWD, etc.join("group"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        assert!(read(&[&image], "etc/group").is_err());
        let big = std::fs::File::create(etc.join("big")).unwrap();
        big.set_len(1 << 30).unwrap();
        assert!(read(&[&image], "etc/big").is_err());
        let linked = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc", linked.path().join("etc")).unwrap();
        assert!(read(&[&linked], "etc/passwd").is_err());
    }
}
