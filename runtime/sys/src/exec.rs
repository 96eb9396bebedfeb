//! execve(2) with arguments prepared beforehand.

use std::ffi::{CStr, CString, c_char};

use rustix::io::Errno;

use crate::last_errno;

/// A null-terminated array of C strings, as `argv` and `envp` are.
#[derive(Debug)]
pub struct CStrArray {
    strings: Vec<CString>,
    pointers: Vec<*const c_char>,
}

impl CStrArray {
    /// Takes the strings over.
    #[must_use]
    pub fn new(strings: Vec<CString>) -> Self {
        let mut pointers: Vec<_> = strings.iter().map(|string| string.as_ptr()).collect();
        pointers.push(std::ptr::null());
        Self { strings, pointers }
    }

    /// The strings.
    #[must_use]
    pub fn strings(&self) -> &[CString] {
        &self.strings
    }
}

/// Replaces the program. Returns only if that failed.
#[must_use]
pub fn execve(path: &CStr, argv: &CStrArray, envp: &CStrArray) -> Errno {
    // SAFETY: path is a C string; both arrays end with a null pointer and their strings, owned by the CStrArray
    // (heap blocks that do not move with it), are alive.
    unsafe { libc::execve(path.as_ptr(), argv.pointers.as_ptr(), envp.pointers.as_ptr()) };
    last_errno()
}
