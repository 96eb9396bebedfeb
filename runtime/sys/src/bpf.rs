//! bpf(2): loading a device program and attaching it to a cgroup v2 directory.

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use rustix::io::{Errno, Result};

use crate::{check, raw_fd};

const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_PROG_ATTACH: libc::c_long = 8;
const BPF_PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const BPF_CGROUP_DEVICE: u32 = 6;
const BPF_F_ALLOW_MULTI: u32 = 2;

/// The head of `union bpf_attr` for `BPF_PROG_LOAD`.
#[repr(C)]
struct LoadAttr {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
}

/// The head of `union bpf_attr` for `BPF_PROG_ATTACH`.
#[repr(C)]
struct AttachAttr {
    target_fd: u32,
    attach_bpf_fd: u32,
    attach_type: u32,
    attach_flags: u32,
    replace_bpf_fd: u32,
}

/// Loads eBPF instructions (8 bytes each, as `struct bpf_insn`) as a `BPF_PROG_TYPE_CGROUP_DEVICE` program.
///
/// # Errors
/// errno of bpf(2); `EINVAL` if the verifier refuses it.
pub fn load_device_program(instructions: &[u64]) -> Result<OwnedFd> {
    let attr = LoadAttr {
        prog_type: BPF_PROG_TYPE_CGROUP_DEVICE,
        insn_cnt: u32::try_from(instructions.len()).map_err(|_| Errno::INVAL)?,
        insns: instructions.as_ptr() as u64,
        license: c"Apache-2.0".as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log_buf: 0,
        kern_version: 0,
        prog_flags: 0,
    };
    // SAFETY: attr is valid for the size given, the addresses in it are of live memory that the kernel reads.
    let fd = check(unsafe {
        libc::syscall(libc::SYS_bpf, BPF_PROG_LOAD, &raw const attr, size_of::<LoadAttr>())
    })?;
    // SAFETY: the kernel returned a new descriptor that nothing else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(raw_fd(fd)?) })
}

/// Attaches a device program to a cgroup v2 directory, beside others there.
///
/// # Errors
/// errno of bpf(2).
pub fn attach_device_program(cgroup: impl AsFd, program: impl AsFd) -> Result<()> {
    let attr = AttachAttr {
        target_fd: u32::try_from(cgroup.as_fd().as_raw_fd()).map_err(|_| Errno::BADF)?,
        attach_bpf_fd: u32::try_from(program.as_fd().as_raw_fd()).map_err(|_| Errno::BADF)?,
        attach_type: BPF_CGROUP_DEVICE,
        attach_flags: BPF_F_ALLOW_MULTI,
        replace_bpf_fd: 0,
    };
    // SAFETY: attr is valid for the size given and holds numbers only.
    check(unsafe {
        libc::syscall(libc::SYS_bpf, BPF_PROG_ATTACH, &raw const attr, size_of::<AttachAttr>())
    })?;
    Ok(())
}
