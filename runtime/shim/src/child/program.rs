//! Finding and executing the program.

use std::convert::Infallible;
use std::ffi::CString;

use rustix::fs::{AtFlags, CWD};
use rustix::io::Errno;

use super::Prepared;
use super::report::{Failure, Outcome};
use crate::plan::ProcessPlan;
use crate::protocol::Step;

/// The paths at which a program may be: itself if it has a slash, else its name in each directory of the container's
/// `PATH`.
pub(crate) fn candidates(process: &ProcessPlan) -> Vec<CString> {
    let Some(name) = process.argv.first() else { return Vec::new() };
    if name.as_bytes().contains(&b'/') || name.is_empty() {
        return vec![name.clone()];
    }
    let in_directory = |directory: &CString| {
        // An empty element of PATH is the working directory (POSIX, section 8.3).
        let directory = if directory.is_empty() { c".".to_bytes() } else { directory.as_bytes() };
        CString::new([directory, b"/", name.as_bytes()].concat()).ok()
    };
    process.search.iter().filter_map(in_directory).collect()
}

/// Executes the first candidate that exists. Failing that, says whether there was none or why it could not be.
pub(crate) fn execute<'a>(prepared: &'a Prepared<'_>) -> Outcome<'a, Infallible> {
    let name = prepared.argv.strings().first().map(|name| name.as_bytes()).unwrap_or_default();
    let mut refused = None;
    for path in &prepared.candidates {
        match kingpost_sys::execve(path, &prepared.argv, &prepared.env) {
            Errno::NOENT | Errno::NOTDIR => {
                // If the file is there, then its interpreter is not.
                if rustix::fs::statat(CWD, path.as_c_str(), AtFlags::empty()).is_ok() {
                    return Err(Failure::new(Step::Exec, Errno::NOENT, name));
                }
            }
            errno @ (Errno::ACCESS | Errno::PERM) => refused = Some(errno),
            errno => return Err(Failure::new(Step::Exec, errno, name)),
        }
    }
    Err(match refused {
        Some(errno) => Failure::new(Step::Exec, errno, name),
        None => Failure::new(Step::Lookup, Errno::NOENT, name),
    })
}
