//! The working directory.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

use super::inroot;
use super::report::{Context, Outcome};
use crate::protocol::Step;

/// A directory's name.
pub(crate) const PATH_DIRECTORY: OFlags = inroot::PATH.union(OFlags::DIRECTORY);

/// Makes the working directory where it is missing, as runc does. On a read-only file system it is left missing, which
/// entering it will say.
pub(crate) fn make_working_directory<'a>(root: BorrowedFd<'_>, path: &'a CStr) -> Outcome<'a, ()> {
    match inroot::directory(root, path) {
        Ok(_) | Err(Errno::ROFS) => Ok(()),
        Err(errno) => Err(errno).step(Step::WorkingDirectory, path.to_bytes()),
    }
}

/// Enters the working directory through the root: `/proc/self/fd/N`, a way out, is a magic link and refused.
pub(crate) fn enter_working_directory(path: &CStr) -> Outcome<'_, ()> {
    let enter = || {
        let root = rustix::fs::openat(CWD, c"/", PATH_DIRECTORY, Mode::empty())?;
        let directory = inroot::open(root.as_fd(), path, PATH_DIRECTORY)?;
        rustix::process::fchdir(&directory)
    };
    enter().step(Step::WorkingDirectory, path.to_bytes())
}
