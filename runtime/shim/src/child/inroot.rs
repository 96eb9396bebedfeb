//! Paths inside a root that is not trusted: resolved by the kernel within it, created where missing.

use std::ffi::CStr;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// Descriptors that only name something.
pub(crate) const PATH: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);

const LONGEST: usize = 4096;

/// Opens what a path names in the root. Links lead to places in the root, magic ones nowhere.
pub(crate) fn open(root: BorrowedFd<'_>, path: &CStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    open_with(root, path, flags, Mode::empty(), ResolveFlags::empty())
}

fn open_with(
    root: BorrowedFd<'_>,
    path: &CStr,
    flags: OFlags,
    mode: Mode,
    extra: ResolveFlags,
) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | extra;
    loop {
        match rustix::fs::openat2(root, path, flags | OFlags::CLOEXEC, mode, resolve) {
            // A rename elsewhere made the kernel unsure whether `..` is still inside: it was refused, so try again.
            Err(Errno::AGAIN | Errno::INTR) => {}
            other => return other,
        }
    }
}

/// Opens a directory for mounting on, without following any link.
pub(crate) fn plain_directory(root: BorrowedFd<'_>, path: &CStr) -> Result<OwnedFd, Errno> {
    directories(root, path, ResolveFlags::NO_SYMLINKS)
}

/// Opens a directory for mounting on; makes it and those above it where they are missing.
pub(crate) fn directory(root: BorrowedFd<'_>, path: &CStr) -> Result<OwnedFd, Errno> {
    directories(root, path, ResolveFlags::empty())
}

fn directories(root: BorrowedFd<'_>, path: &CStr, extra: ResolveFlags) -> Result<OwnedFd, Errno> {
    let open = |path: &CStr| open_with(root, path, PATH | OFlags::DIRECTORY, Mode::empty(), extra);
    match open(path) {
        Err(Errno::NOENT) => {}
        other => return other,
    }
    let mut buffer = [0_u8; LONGEST];
    let mut parent = open(c".")?;
    for end in component_ends(path.to_bytes()) {
        let prefix = copy(path.to_bytes().get(..end).ok_or(Errno::INVAL)?, &mut buffer)?;
        let opened = match open(prefix) {
            Err(Errno::NOENT) => {
                make_directory(&parent, prefix)?;
                open(prefix)
            }
            other => other,
        };
        parent = opened?;
    }
    Ok(parent)
}

fn make_directory(parent: &OwnedFd, prefix: &CStr) -> Result<(), Errno> {
    match rustix::fs::mkdirat(parent, last_component(prefix), Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Opens a file for mounting on; makes an empty one, and the directories above it, where it is missing.
pub(crate) fn file(root: BorrowedFd<'_>, path: &CStr) -> Result<OwnedFd, Errno> {
    match open(root, path, PATH) {
        Err(Errno::NOENT) => {}
        other => return other,
    }
    let parent = parent_directory(root, path)?;
    drop(parent);
    let create = OFlags::CREATE | OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    drop(open_with(root, path, create, Mode::from_raw_mode(0o644), ResolveFlags::empty())?);
    open(root, path, PATH)
}

/// The directory that holds a path's last component, made where it is missing.
pub(crate) fn parent_directory(root: BorrowedFd<'_>, path: &CStr) -> Result<OwnedFd, Errno> {
    let bytes = path.to_bytes();
    let trimmed = bytes.len() - bytes.iter().rev().take_while(|&&byte| byte == b'/').count();
    let bytes = bytes.get(..trimmed).unwrap_or_default();
    let end = bytes.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
    let mut buffer = [0_u8; LONGEST];
    let parent = copy(bytes.get(..end).unwrap_or_default(), &mut buffer)?;
    directory(root, if parent.is_empty() { c"." } else { parent })
}

/// What follows the last slash that does not end the path.
pub(crate) fn last_component(path: &CStr) -> &CStr {
    let bytes = path.to_bytes_with_nul();
    let start = path.to_bytes().iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
    bytes.get(start..).and_then(|tail| CStr::from_bytes_with_nul(tail).ok()).unwrap_or(path)
}

/// Where each component of a path ends.
fn component_ends(path: &[u8]) -> impl Iterator<Item = usize> {
    (1..=path.len()).filter(|&end| {
        path.get(end - 1).is_some_and(|&byte| byte != b'/') && path.get(end).is_none_or(|&byte| byte == b'/')
    })
}

fn copy<'b>(bytes: &[u8], buffer: &'b mut [u8; LONGEST]) -> Result<&'b CStr, Errno> {
    let target = buffer.get_mut(..=bytes.len()).ok_or(Errno::NAMETOOLONG)?;
    let (last, body) = target.split_last_mut().ok_or(Errno::NAMETOOLONG)?;
    body.copy_from_slice(bytes);
    *last = 0;
    CStr::from_bytes_with_nul(target).map_err(|_| Errno::INVAL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn components_end_before_slashes() {
        assert_eq!(component_ends(b"/a//bc/").collect::<Vec<_>>(), [2, 6]);
        assert_eq!(last_component(c"/a/bc"), c"bc");
        assert_eq!(last_component(c"bc"), c"bc");
    }

    #[test]
    fn links_lead_nowhere_but_into_the_root() {
        let dir = tempfile::tempdir().unwrap();
        let outside = dir.path().join("outside");
        let inside = dir.path().join("root");
        std::fs::create_dir(&outside).unwrap();
        std::fs::create_dir(&inside).unwrap();
        std::os::unix::fs::symlink(&outside, inside.join("abs")).unwrap();
        std::os::unix::fs::symlink("../outside", inside.join("rel")).unwrap();
        let root = rustix::fs::open(&inside, PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
        for target in [c"/abs/made/dir", c"/rel/made/dir", c"/../../made/dir"] {
            let made = directory(root.as_fd(), target);
            assert!(made.is_ok() || made.is_err_and(|errno| errno == Errno::NOENT || errno == Errno::EXIST));
        }
        file(root.as_fd(), c"/deep/er/file").unwrap();
        assert!(inside.join("deep/er/file").is_file());
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    }
}
