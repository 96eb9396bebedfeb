//! Limits, users, groups, capabilities, seccomp.

use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit as KernelRlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, Gid, Uid};

use super::procfs::write_proc;
use super::report::{Context, Outcome, Reporter};
use crate::plan::{Capabilities, ProcessPlan, Rlimit, SeccompProgram};
use crate::protocol::Step;

/// Becomes root of the user namespace just entered.
pub(crate) fn become_root() -> Result<(), Errno> {
    rustix::thread::set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT)?;
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT)
}

/// Writes `oom_score_adj`. Without CAP_SYS_RESOURCE it cannot be lowered: that is a warning.
pub(crate) fn set_oom_score(
    proc: BorrowedFd<'_>,
    adjustment: i32,
    reporter: Reporter<'_>,
) -> Outcome<'static, ()> {
    let mut buffer = [0_u8; 12];
    let text = decimal(adjustment, &mut buffer);
    match write_proc(proc, c"thread-self/oom_score_adj", text) {
        Err(errno @ (Errno::ACCESS | Errno::PERM)) => {
            reporter.warn(Step::Limits, errno, b"oom_score_adj");
            Ok(())
        }
        other => other.step(Step::Limits, b"oom_score_adj"),
    }
}

fn decimal(number: i32, buffer: &mut [u8; 12]) -> &[u8] {
    let mut rest = number.unsigned_abs();
    let mut start = buffer.len();
    loop {
        start -= 1;
        if let (Some(place), Ok(digit)) = (buffer.get_mut(start), u8::try_from(rest % 10)) {
            *place = b'0' + digit;
        }
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        start -= 1;
        if let Some(place) = buffer.get_mut(start) {
            *place = b'-';
        }
    }
    buffer.get(start..).unwrap_or_default()
}

/// Sets limits. A hard limit above what this process may have is clamped to that, with a warning.
pub(crate) fn set_limits(limits: &[Rlimit], reporter: Reporter<'_>) -> Outcome<'static, ()> {
    for limit in limits {
        let resource = resource(limit.resource).step(Step::Limits, b"rlimit")?;
        let value = |raw: u64| (raw != u64::MAX).then_some(raw);
        let wanted = KernelRlimit { current: value(limit.soft), maximum: value(limit.hard) };
        match rustix::process::setrlimit(resource, wanted) {
            Err(errno @ Errno::PERM) => {
                reporter.warn(Step::Limits, errno, rlimit_name(limit.resource));
                let allowed = rustix::process::getrlimit(resource).maximum;
                let clamped = KernelRlimit { current: least(value(limit.soft), allowed), maximum: allowed };
                rustix::process::setrlimit(resource, clamped)
                    .step(Step::Limits, rlimit_name(limit.resource))?;
            }
            other => other.step(Step::Limits, rlimit_name(limit.resource))?,
        }
    }
    Ok(())
}

fn least(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

const RESOURCES: [(Resource, &[u8]); 16] = [
    (Resource::Cpu, b"RLIMIT_CPU"),
    (Resource::Fsize, b"RLIMIT_FSIZE"),
    (Resource::Data, b"RLIMIT_DATA"),
    (Resource::Stack, b"RLIMIT_STACK"),
    (Resource::Core, b"RLIMIT_CORE"),
    (Resource::Rss, b"RLIMIT_RSS"),
    (Resource::Nproc, b"RLIMIT_NPROC"),
    (Resource::Nofile, b"RLIMIT_NOFILE"),
    (Resource::Memlock, b"RLIMIT_MEMLOCK"),
    (Resource::As, b"RLIMIT_AS"),
    (Resource::Locks, b"RLIMIT_LOCKS"),
    (Resource::Sigpending, b"RLIMIT_SIGPENDING"),
    (Resource::Msgqueue, b"RLIMIT_MSGQUEUE"),
    (Resource::Nice, b"RLIMIT_NICE"),
    (Resource::Rtprio, b"RLIMIT_RTPRIO"),
    (Resource::Rttime, b"RLIMIT_RTTIME"),
];

fn resource(number: u32) -> Result<Resource, Errno> {
    let index = usize::try_from(number).map_err(|_| Errno::INVAL)?;
    RESOURCES.get(index).map(|&(resource, _)| resource).ok_or(Errno::INVAL)
}

fn rlimit_name(number: u32) -> &'static [u8] {
    usize::try_from(number).ok().and_then(|index| RESOURCES.get(index)).map_or(b"rlimit", |&(_, name)| name)
}

/// Becomes the process's user with its capabilities under its filter.
pub(crate) fn assume<'a>(
    process: &'a ProcessPlan,
    groups: &[Gid],
    reporter: Reporter<'_>,
) -> Outcome<'a, ()> {
    let own = rustix::thread::capabilities(None).step(Step::Identity, b"capget")?.permitted.bits();
    if process.no_new_privileges {
        rustix::thread::set_no_new_privs(true).step(Step::Identity, b"no_new_privs")?;
    } else {
        // Without no_new_privs a filter takes CAP_SYS_ADMIN, which this process is about to lose.
        load(process.seccomp.as_ref())?;
    }
    drop_bounding(process.capabilities.bounding, reporter)?;
    rustix::thread::set_keep_capabilities(true).step(Step::Identity, b"PR_SET_KEEPCAPS")?;
    let (uid, gid) = (Uid::from_raw(process.user.uid), Gid::from_raw(process.user.gid));
    rustix::thread::set_thread_groups(groups).step(Step::Identity, b"setgroups")?;
    rustix::thread::set_thread_res_gid(gid, gid, gid).step(Step::Identity, b"setresgid")?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).step(Step::Identity, b"setresuid")?;
    // Changing users has made the process dumpable state the system's default: keep it closed until execve.
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .step(Step::Identity, b"PR_SET_DUMPABLE")?;
    set_capabilities(&process.capabilities, own, reporter)?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(process.user.umask));
    if process.no_new_privileges {
        load(process.seccomp.as_ref())?;
    }
    Ok(())
}

fn load(seccomp: Option<&SeccompProgram>) -> Outcome<'_, ()> {
    match seccomp {
        Some(filter) => {
            kingpost_sys::load_filter(&filter.program, filter.flags).step(Step::Seccomp, b"seccomp filter")
        }
        None => Ok(()),
    }
}

fn drop_bounding(keep: u64, reporter: Reporter<'_>) -> Outcome<'static, ()> {
    for number in 0..64 {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        match rustix::thread::capability_is_in_bounding_set(capability) {
            // Beyond the last one that the kernel knows.
            Err(_) => break,
            Ok(true) if keep & capability.bits() == 0 => {
                rustix::thread::remove_capability_from_bounding_set(capability)
                    .step(Step::Identity, b"PR_CAPBSET_DROP")?;
            }
            Ok(false) if keep & capability.bits() != 0 => {
                reporter.warn(Step::Identity, Errno::PERM, capability_number(number));
            }
            Ok(_) => {}
        }
    }
    Ok(())
}

/// `own` is what this process may have at all: the rest was warned of with the bounding set.
fn set_capabilities(wanted: &Capabilities, own: u64, reporter: Reporter<'_>) -> Outcome<'static, ()> {
    let set = |bits: u64| CapabilitySet::from_bits_retain(bits & own);
    let sets = CapabilitySets {
        effective: set(wanted.effective & wanted.permitted),
        permitted: set(wanted.permitted),
        inheritable: set(wanted.inheritable),
    };
    rustix::thread::set_capabilities(None, sets).step(Step::Identity, b"capset")?;
    rustix::thread::clear_ambient_capability_set().step(Step::Identity, b"PR_CAP_AMBIENT")?;
    for number in 0..64 {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        if wanted.ambient & own & capability.bits() != 0
            && let Err(errno) = rustix::thread::configure_capability_in_ambient_set(capability, true)
        {
            // The kernel wants it permitted and inheritable, which is for the specification to say.
            reporter.warn(Step::Identity, errno, capability_number(number));
        }
    }
    Ok(())
}

/// A name for warnings, without allocating.
fn capability_number(number: u32) -> &'static [u8] {
    const NAMES: [&str; 41] = [
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_DAC_READ_SEARCH",
        "CAP_FOWNER",
        "CAP_FSETID",
        "CAP_KILL",
        "CAP_SETGID",
        "CAP_SETUID",
        "CAP_SETPCAP",
        "CAP_LINUX_IMMUTABLE",
        "CAP_NET_BIND_SERVICE",
        "CAP_NET_BROADCAST",
        "CAP_NET_ADMIN",
        "CAP_NET_RAW",
        "CAP_IPC_LOCK",
        "CAP_IPC_OWNER",
        "CAP_SYS_MODULE",
        "CAP_SYS_RAWIO",
        "CAP_SYS_CHROOT",
        "CAP_SYS_PTRACE",
        "CAP_SYS_PACCT",
        "CAP_SYS_ADMIN",
        "CAP_SYS_BOOT",
        "CAP_SYS_NICE",
        "CAP_SYS_RESOURCE",
        "CAP_SYS_TIME",
        "CAP_SYS_TTY_CONFIG",
        "CAP_MKNOD",
        "CAP_LEASE",
        "CAP_AUDIT_WRITE",
        "CAP_AUDIT_CONTROL",
        "CAP_SETFCAP",
        "CAP_MAC_OVERRIDE",
        "CAP_MAC_ADMIN",
        "CAP_SYSLOG",
        "CAP_WAKE_ALARM",
        "CAP_BLOCK_SUSPEND",
        "CAP_AUDIT_READ",
        "CAP_PERFMON",
        "CAP_BPF",
        "CAP_CHECKPOINT_RESTORE",
    ];
    let index = usize::try_from(number).unwrap_or(usize::MAX);
    NAMES.get(index).map_or(b"capability", |name| name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_have_signs_and_all_digits() {
        for number in [0, 7, -1, 1000, -999, i32::MAX, i32::MIN] {
            let mut buffer = [0; 12];
            assert_eq!(decimal(number, &mut buffer), number.to_string().as_bytes());
        }
    }

    #[test]
    fn no_limit_is_above_every_limit() {
        assert_eq!(least(None, Some(5)), Some(5));
        assert_eq!(least(Some(3), Some(5)), Some(3));
        assert_eq!(least(Some(3), None), Some(3));
    }
}
