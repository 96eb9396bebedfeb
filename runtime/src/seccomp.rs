//! The compiler from an OCI seccomp profile to a classic BPF program.
//!
//! The program looks at the architecture, then searches the number of the call in a balanced tree of ranges that share an
//! action, so that a profile of 400 calls takes about nine comparisons. Calls with conditions on their arguments end in a
//! list of rules. As with runc, calls newer than any that the profile names fail with ENOSYS rather than with the
//! profile's error, so that programs fall back to older ones.

mod arch;
mod conditions;
mod emit;
mod table;

use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompAction, LinuxSeccompFilterFlag};

use arch::Section;
use emit::Instruction;

/// A profile that cannot be compiled.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SeccompError {
    /// An action, flag or operator that this runtime does not support.
    #[error("seccomp: {field}: {value} is not supported")]
    Unsupported {
        /// The field, as a path in the profile.
        field: String,
        /// Its value.
        value: String,
    },
    /// A value out of its range.
    #[error("seccomp: {field}: {reason}")]
    Invalid {
        /// The field, as a path in the profile.
        field: String,
        /// Why.
        reason: String,
    },
    /// More instructions than the kernel takes.
    #[error("seccomp: the profile needs {0} instructions, the kernel takes 4096")]
    TooLong(usize),
}

/// The kernel's limit (`BPF_MAXINSNS`).
const LONGEST: usize = 4096;

pub(super) const RET_KILL_THREAD: u32 = 0;
const RET_KILL_PROCESS: u32 = 0x8000_0000;
const RET_TRAP: u32 = 0x0003_0000;
const RET_ERRNO: u32 = 0x0005_0000;
const RET_TRACE: u32 = 0x7ff0_0000;
const RET_LOG: u32 = 0x7ffc_0000;
const RET_ALLOW: u32 = 0x7fff_0000;
pub(super) const RET_ENOSYS: u32 = RET_ERRNO | 38;

/// Compiles a profile to `struct sock_filter` records in native byte order, 8 bytes each.
///
/// Calls of names that this machine does not have are left out, as libseccomp does: nobody can make them.
///
/// # Errors
/// If the profile is invalid or uses what is not supported (`SCMP_ACT_NOTIFY` and its listener).
pub fn compile(profile: &LinuxSeccomp) -> Result<Vec<u8>, SeccompError> {
    let program = instructions(profile)?;
    Ok(program.iter().flat_map(|instruction| instruction.bytes()).collect())
}

/// The `SECCOMP_FILTER_FLAG_*` of a profile.
pub(crate) fn filter_flags(profile: &LinuxSeccomp) -> Result<u32, SeccompError> {
    let mut flags = 0;
    for flag in profile.flags().iter().flatten() {
        flags |= match flag {
            LinuxSeccompFilterFlag::SeccompFilterFlagTsync => 1,
            LinuxSeccompFilterFlag::SeccompFilterFlagLog => 2,
            LinuxSeccompFilterFlag::SeccompFilterFlagSpecAllow => 4,
            LinuxSeccompFilterFlag::SeccompFilterFlagWaitKillableRecv => {
                return Err(unsupported("flags", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"));
            }
        };
    }
    Ok(flags)
}

fn unsupported(field: impl Into<String>, value: impl Into<String>) -> SeccompError {
    SeccompError::Unsupported { field: field.into(), value: value.into() }
}

fn instructions(profile: &LinuxSeccomp) -> Result<Vec<Instruction>, SeccompError> {
    if profile.listener_path().is_some() {
        return Err(unsupported("listenerPath", "a listener"));
    }
    let default = action("defaultAction", profile.default_action(), profile.default_errno_ret())?;
    let mut sections = Vec::new();
    for section in arch::sections(profile.architectures().as_deref().unwrap_or_default()) {
        sections.push(section_program(&section, profile, default)?);
    }
    let program = emit::program(&sections);
    if program.len() > LONGEST { Err(SeccompError::TooLong(program.len())) } else { Ok(program) }
}

fn section_program(
    section: &Section,
    profile: &LinuxSeccomp,
    default: u32,
) -> Result<emit::SectionProgram, SeccompError> {
    let calls = conditions::calls(section, profile, default)?;
    // Only where the profile refuses what it does not name is there anything to fall back from.
    let refuses = !matches!(default & 0xffff_0000, RET_ALLOW | RET_LOG | RET_TRACE) && default != RET_ENOSYS;
    let newest = calls.newest.filter(|_| refuses);
    Ok(emit::SectionProgram {
        arch: section.audit,
        x32: section.x32,
        body: emit::tree(&calls.list, default, newest),
    })
}

/// The value that a filter returns for an action.
fn action(field: &str, action: LinuxSeccompAction, errno: Option<u32>) -> Result<u32, SeccompError> {
    const EPERM: u32 = 1;
    const MAX_ERRNO: u32 = 4095;
    let number = errno.unwrap_or(EPERM);
    if number > MAX_ERRNO {
        let reason = format!("errno {number} is above {MAX_ERRNO}");
        return Err(SeccompError::Invalid { field: field.into(), reason });
    }
    Ok(match action {
        LinuxSeccompAction::ScmpActKill | LinuxSeccompAction::ScmpActKillThread => RET_KILL_THREAD,
        LinuxSeccompAction::ScmpActKillProcess => RET_KILL_PROCESS,
        LinuxSeccompAction::ScmpActTrap => RET_TRAP,
        LinuxSeccompAction::ScmpActErrno => RET_ERRNO | number,
        LinuxSeccompAction::ScmpActTrace => RET_TRACE | number,
        LinuxSeccompAction::ScmpActLog => RET_LOG,
        LinuxSeccompAction::ScmpActAllow => RET_ALLOW,
        LinuxSeccompAction::ScmpActNotify => return Err(unsupported(field, "SCMP_ACT_NOTIFY")),
    })
}

#[cfg(test)]
mod tests;
