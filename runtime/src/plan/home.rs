//! A user's home directory from the container's `/etc/passwd`, which is data: bounded, never a link out of the root,
//! never a FIFO that blocks.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// More of the file is not looked at.
const LIMIT: usize = 1 << 20;

/// The home directory of a user in a root, or `/`.
pub(super) fn home(root: BorrowedFd<'_>, uid: u32) -> String {
    let text = read_passwd(root).unwrap_or_default();
    find(&text, uid).unwrap_or("/").to_owned()
}

/// The same in the root of a running process.
pub(crate) fn home_of_process(pid: u32, uid: u32) -> String {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match rustix::fs::openat(CWD, format!("/proc/{pid}/root"), flags, Mode::empty()) {
        Ok(root) => home(root.as_fd(), uid),
        Err(_) => "/".into(),
    }
}

fn read_passwd(root: BorrowedFd<'_>) -> Result<String, Errno> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let file = rustix::fs::openat2(root, "etc/passwd", flags, Mode::empty(), resolve)?;
    if FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) != FileType::RegularFile {
        return Err(Errno::INVAL);
    }
    let mut bytes = Vec::new();
    let mut chunk = [0; 8192];
    while bytes.len() < LIMIT {
        match rustix::io::read(&file, &mut chunk)? {
            0 => break,
            count => bytes.extend_from_slice(chunk.get(..count).unwrap_or_default()),
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The sixth field of the line whose third is the user (passwd(5)).
fn find(passwd: &str, uid: u32) -> Option<&str> {
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let home = fields.get(5).filter(|home| home.starts_with('/') && !home.contains('\0'))?;
        (fields.get(2)?.parse() == Ok(uid)).then_some(*home)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_home_is_that_of_the_number() {
        let passwd =
            "root:x:0:0:root:/root:/bin/sh\nbad\nweb:x:33:33::/var/www:/bin/sh\nrel:x:34:34::home:/bin/sh\n";
        assert_eq!(find(passwd, 33), Some("/var/www"));
        assert_eq!(find(passwd, 34), None);
        assert_eq!(find(passwd, 1), None);
    }
}
