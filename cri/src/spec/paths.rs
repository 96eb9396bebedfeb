//! Masked and read-only paths. The request's lists stand; without them the defaults of containerd and Docker do.
//! (CRI cannot tell an empty list from an absent one: both are the default, which is the safe reading.)

use kingpost_proto::cri::LinuxContainerSecurityContext;

const MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
];

const READONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Paths that show nothing inside.
pub(super) fn masked(security: &LinuxContainerSecurityContext) -> Vec<String> {
    choose(security.privileged, &security.masked_paths, &MASKED)
}

/// Paths that cannot be written to inside.
pub(super) fn readonly(security: &LinuxContainerSecurityContext) -> Vec<String> {
    choose(security.privileged, &security.readonly_paths, &READONLY)
}

fn choose(privileged: bool, requested: &[String], default: &[&str]) -> Vec<String> {
    match (privileged, requested) {
        (true, _) => Vec::new(),
        (false, []) => default.iter().map(ToString::to_string).collect(),
        (false, requested) => requested.to_vec(),
    }
}
