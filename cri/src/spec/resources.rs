//! Limits of a container, and their check.

use kingpost_proto::cri::LinuxContainerResources;
use oci_spec::runtime::{LinuxCpu, LinuxDeviceCgroup, LinuxHugepageLimit, LinuxMemory, LinuxResources};

use super::{Host, Inputs, SpecError};

const FIELD: &str = "linux.resources";

/// The container's limits with its device rules.
pub(super) fn build(inputs: &Inputs<'_>, rules: Vec<LinuxDeviceCgroup>) -> Result<LinuxResources, SpecError> {
    let requested = inputs.config.linux.as_ref().and_then(|linux| linux.resources.as_ref());
    let mut resources = match requested {
        Some(requested) => convert(requested, inputs.host)?,
        None => LinuxResources::default(),
    };
    resources.set_devices(Some(rules));
    Ok(resources)
}

/// Converts limits; what is zero or empty is not limited, or on an update left as it is.
pub(crate) fn convert(requested: &LinuxContainerResources, host: &Host) -> Result<LinuxResources, SpecError> {
    let mut resources = LinuxResources::default();
    resources.set_devices(None).set_cpu(cpu(requested)?).set_memory(memory(requested, host)?);
    if !requested.hugepage_limits.is_empty() {
        resources.set_hugepage_limits(Some(hugepages(requested)?));
    }
    if !requested.unified.is_empty() {
        if !host.cgroup_v2 {
            return Err(SpecError::field(format!("{FIELD}.unified"), "this node has cgroup v1"));
        }
        resources.set_unified(Some(unified(requested)?));
    }
    Ok(resources)
}

/// The out-of-memory score.
pub(super) fn oom_score_adj(requested: &LinuxContainerResources) -> Result<i32, SpecError> {
    i32::try_from(requested.oom_score_adj)
        .ok()
        .filter(|score| (-1000..=1000).contains(score))
        .ok_or_else(|| SpecError::field(format!("{FIELD}.oom_score_adj"), "not within -1000 and 1000"))
}

fn cpu(requested: &LinuxContainerResources) -> Result<Option<LinuxCpu>, SpecError> {
    let shares = positive("cpu_shares", requested.cpu_shares)?;
    let period = positive("cpu_period", requested.cpu_period)?;
    let mut cpu = LinuxCpu::default();
    cpu.set_shares(shares)
        .set_period(period)
        .set_quota(Some(requested.cpu_quota).filter(|quota| *quota != 0))
        .set_cpus(list("cpuset_cpus", &requested.cpuset_cpus)?)
        .set_mems(list("cpuset_mems", &requested.cpuset_mems)?);
    Ok(Some(cpu).filter(|cpu| *cpu != LinuxCpu::default()))
}

fn memory(requested: &LinuxContainerResources, host: &Host) -> Result<Option<LinuxMemory>, SpecError> {
    let limit = Some(requested.memory_limit_in_bytes).filter(|limit| *limit != 0);
    let swap = match requested.memory_swap_limit_in_bytes {
        // Without a word on swap a limited container has none, as in containerd.
        0 if host.swap_accounting => limit,
        0 => None,
        _ if !host.swap_accounting => {
            return Err(SpecError::field(
                format!("{FIELD}.memory_swap_limit_in_bytes"),
                "the kernel does not account for swap",
            ));
        }
        swap => Some(swap),
    };
    if let (Some(limit), Some(swap)) = (limit, swap)
        && swap >= 0
        && swap < limit
    {
        return Err(SpecError::field(
            format!("{FIELD}.memory_swap_limit_in_bytes"),
            "less than the memory limit",
        ));
    }
    let mut memory = LinuxMemory::default();
    memory.set_limit(limit).set_swap(swap);
    Ok(Some(memory).filter(|memory| *memory != LinuxMemory::default()))
}

fn hugepages(requested: &LinuxContainerResources) -> Result<Vec<LinuxHugepageLimit>, SpecError> {
    let limits = requested.hugepage_limits.iter().enumerate().map(|(index, limit)| {
        let digits = limit.page_size.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = limit.page_size.split_at(digits);
        if number.is_empty() || !matches!(unit, "KB" | "MB" | "GB") {
            let field = format!("{FIELD}.hugepage_limits[{index}].page_size");
            return Err(SpecError::field(field, format!("{:?} is no page size", limit.page_size)));
        }
        let bytes = i64::try_from(limit.limit).unwrap_or(i64::MAX);
        let mut converted = LinuxHugepageLimit::default();
        converted.set_page_size(limit.page_size.clone()).set_limit(bytes);
        Ok(converted)
    });
    limits.collect()
}

fn unified(
    requested: &LinuxContainerResources,
) -> Result<std::collections::HashMap<String, String>, SpecError> {
    for key in requested.unified.keys() {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_');
        // A file of a controller, which none of the cgroup's own is.
        if !key.bytes().all(allowed)
            || key.starts_with("cgroup.")
            || !key.contains('.')
            || key.starts_with('.')
        {
            let field = format!("{FIELD}.unified[{key:?}]");
            return Err(SpecError::field(field, "not a file of a cgroup v2 controller"));
        }
    }
    Ok(requested.unified.clone())
}

fn positive(name: &str, value: i64) -> Result<Option<u64>, SpecError> {
    match u64::try_from(value) {
        Ok(0) => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(_) => Err(SpecError::field(format!("{FIELD}.{name}"), "negative")),
    }
}

/// A cpuset list (cpuset(7)): digits, commas and dashes.
fn list(name: &str, value: &str) -> Result<Option<String>, SpecError> {
    if value.bytes().any(|byte| !matches!(byte, b'0'..=b'9' | b',' | b'-')) {
        return Err(SpecError::field(format!("{FIELD}.{name}"), format!("{value:?} is no list")));
    }
    Ok(Some(value.to_owned()).filter(|value| !value.is_empty()))
}
