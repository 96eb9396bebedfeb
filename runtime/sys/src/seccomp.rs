//! seccomp(2).

use rustix::io::{Errno, Result};

use crate::check;

/// Installs a filter for the calling thread. `program` is a sequence of `struct sock_filter` of 8 bytes in native
/// byte order; `flags` are `SECCOMP_FILTER_FLAG_*`.
///
/// # Errors
/// `EINVAL` if the program is empty, not a whole number of instructions, or refused by the kernel; errno of seccomp(2).
pub fn load_filter(program: &[u8], flags: u32) -> Result<()> {
    let count = program.len() / size_of::<libc::sock_filter>();
    if count == 0 || !program.len().is_multiple_of(size_of::<libc::sock_filter>()) {
        return Err(Errno::INVAL);
    }
    let fprog = libc::sock_fprog {
        len: u16::try_from(count).map_err(|_| Errno::INVAL)?,
        // The kernel copies from user memory without regard to alignment and does not write to it.
        filter: program.as_ptr().cast_mut().cast(),
    };
    // SAFETY: fprog names `count` instructions that lie within `program`; the kernel reads them.
    check(unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const fprog)
    })?;
    Ok(())
}
