//! From `linux.resources` to files and values: a pure function for each version.

use oci_spec::runtime::{LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxResources};

use super::{CgroupError, UNIFIED};

/// One value to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) controller: String,
    pub(super) file: String,
    pub(super) value: String,
    /// The field that asks for it.
    pub(super) field: &'static str,
}

/// Collects settings.
struct Settings {
    v2: bool,
    list: Vec<Setting>,
}

impl Settings {
    fn add(&mut self, field: &'static str, controller: &str, file: impl Into<String>, value: impl ToString) {
        let controller = if self.v2 { UNIFIED } else { controller }.to_owned();
        self.list.push(Setting { controller, file: file.into(), value: value.to_string(), field });
    }
}

/// The settings of v1 hierarchies (OCI runtime specification, config-linux, "Control groups").
pub(super) fn v1(resources: &LinuxResources) -> Result<Vec<Setting>, CgroupError> {
    let mut settings = Settings { v2: false, list: Vec::new() };
    if let Some(cpu) = resources.cpu() {
        cpu_v1(cpu, &mut settings);
    }
    if let Some(memory) = resources.memory() {
        memory_v1(memory, &mut settings);
    }
    if let Some(pids) = resources.pids() {
        settings.add("linux.resources.pids.limit", "pids", "pids.max", pids_max(pids.limit()));
    }
    if let Some(io) = resources.block_io() {
        block_io_v1(io, &mut settings);
    }
    for limit in resources.hugepage_limits().iter().flatten() {
        let file = format!("hugetlb.{}.limit_in_bytes", page_size(limit.page_size())?);
        settings.add("linux.resources.hugepageLimits", "hugetlb", file, limit.limit());
    }
    refuse_rest(resources)?;
    if resources.unified().as_ref().is_some_and(|unified| !unified.is_empty()) {
        return Err(CgroupError::NoController {
            field: "linux.resources.unified".into(),
            controller: "v2".into(),
        });
    }
    Ok(settings.list)
}

/// The settings of a v2 hierarchy.
pub(super) fn v2(resources: &LinuxResources) -> Result<Vec<Setting>, CgroupError> {
    let mut settings = Settings { v2: true, list: Vec::new() };
    if let Some(cpu) = resources.cpu() {
        cpu_v2(cpu, &mut settings);
    }
    if let Some(memory) = resources.memory() {
        memory_v2(memory, &mut settings)?;
    }
    if let Some(pids) = resources.pids() {
        settings.add("linux.resources.pids.limit", "pids", "pids.max", pids_max(pids.limit()));
    }
    if let Some(io) = resources.block_io() {
        block_io_v2(io, &mut settings);
    }
    for limit in resources.hugepage_limits().iter().flatten() {
        let file = format!("hugetlb.{}.max", page_size(limit.page_size())?);
        settings.add("linux.resources.hugepageLimits", "hugetlb", file, limit.limit());
    }
    refuse_rest(resources)?;
    for (file, value) in resources.unified().iter().flatten() {
        if file.contains('/') || !file.contains('.') || file.starts_with("cgroup.") {
            return Err(CgroupError::InvalidValue {
                field: format!("linux.resources.unified[{file:?}]"),
                reason: "not the name of a controller's file".into(),
            });
        }
        settings.add("linux.resources.unified", "", file.as_str(), value);
    }
    Ok(settings.list)
}

fn refuse_rest(resources: &LinuxResources) -> Result<(), CgroupError> {
    let refused = |field: &str, controller: &str| {
        Err(CgroupError::NoController { field: field.into(), controller: controller.into() })
    };
    if let Some(network) = resources.network() {
        if network.class_id().is_some() {
            return refused("linux.resources.network.classID", "net_cls");
        }
        if network.priorities().as_ref().is_some_and(|list| !list.is_empty()) {
            return refused("linux.resources.network.priorities", "net_prio");
        }
    }
    if resources.rdma().as_ref().is_some_and(|rdma| !rdma.is_empty()) {
        return refused("linux.resources.rdma", "rdma");
    }
    Ok(())
}

fn cpu_v1(cpu: &LinuxCpu, settings: &mut Settings) {
    if let Some(shares) = cpu.shares().filter(|&shares| shares != 0) {
        settings.add("linux.resources.cpu.shares", "cpu", "cpu.shares", shares);
    }
    if let Some(period) = cpu.period().filter(|&period| period != 0) {
        settings.add("linux.resources.cpu.period", "cpu", "cpu.cfs_period_us", period);
    }
    if let Some(quota) = cpu.quota().filter(|&quota| quota != 0) {
        settings.add("linux.resources.cpu.quota", "cpu", "cpu.cfs_quota_us", quota.max(-1));
    }
    if let Some(burst) = cpu.burst() {
        settings.add("linux.resources.cpu.burst", "cpu", "cpu.cfs_burst_us", burst);
    }
    if let Some(period) = cpu.realtime_period().filter(|&period| period != 0) {
        settings.add("linux.resources.cpu.realtimePeriod", "cpu", "cpu.rt_period_us", period);
    }
    if let Some(runtime) = cpu.realtime_runtime().filter(|&runtime| runtime != 0) {
        settings.add("linux.resources.cpu.realtimeRuntime", "cpu", "cpu.rt_runtime_us", runtime);
    }
    if let Some(idle) = cpu.idle() {
        settings.add("linux.resources.cpu.idle", "cpu", "cpu.idle", idle);
    }
    cpuset(cpu, settings);
}

fn cpuset(cpu: &LinuxCpu, settings: &mut Settings) {
    if let Some(cpus) = cpu.cpus().as_ref().filter(|cpus| !cpus.is_empty()) {
        settings.add("linux.resources.cpu.cpus", "cpuset", "cpuset.cpus", cpus);
    }
    if let Some(mems) = cpu.mems().as_ref().filter(|mems| !mems.is_empty()) {
        settings.add("linux.resources.cpu.mems", "cpuset", "cpuset.mems", mems);
    }
}

fn cpu_v2(cpu: &LinuxCpu, settings: &mut Settings) {
    if let Some(idle) = cpu.idle() {
        settings.add("linux.resources.cpu.idle", "cpu", "cpu.idle", idle);
    }
    if let Some(shares) = cpu.shares().filter(|&shares| shares != 0) {
        settings.add("linux.resources.cpu.shares", "cpu", "cpu.weight", weight_of_shares(shares));
    }
    let period = cpu.period().filter(|&period| period != 0);
    let quota = cpu.quota().filter(|&quota| quota != 0);
    if quota.is_some() || period.is_some() {
        let quota =
            quota.filter(|&quota| quota > 0).map_or_else(|| "max".to_owned(), |quota| quota.to_string());
        let value = format!("{quota} {}", period.unwrap_or(100_000));
        settings.add("linux.resources.cpu.quota", "cpu", "cpu.max", value);
    }
    if let Some(burst) = cpu.burst() {
        settings.add("linux.resources.cpu.burst", "cpu", "cpu.max.burst", burst);
    }
    cpuset(cpu, settings);
}

/// [2, 262144] onto [1, 10000], as runc and the kubelet do.
fn weight_of_shares(shares: u64) -> u64 {
    1 + (shares.clamp(2, 262_144) - 2) * 9_999 / 262_142
}

fn memory_v1(memory: &LinuxMemory, settings: &mut Settings) {
    if let Some(limit) = memory.limit().filter(|&limit| limit != 0) {
        settings.add("linux.resources.memory.limit", "memory", "memory.limit_in_bytes", limit);
    }
    if let Some(swap) = memory.swap().filter(|&swap| swap != 0) {
        settings.add("linux.resources.memory.swap", "memory", "memory.memsw.limit_in_bytes", swap);
    }
    if let Some(reservation) = memory.reservation().filter(|&reservation| reservation != 0) {
        let file = "memory.soft_limit_in_bytes";
        settings.add("linux.resources.memory.reservation", "memory", file, reservation);
    }
    if let Some(limit) = memory.kernel_tcp().filter(|&limit| limit != 0) {
        let file = "memory.kmem.tcp.limit_in_bytes";
        settings.add("linux.resources.memory.kernelTCP", "memory", file, limit);
    }
    if let Some(swappiness) = memory.swappiness() {
        settings.add("linux.resources.memory.swappiness", "memory", "memory.swappiness", swappiness);
    }
    if memory.disable_oom_killer() == Some(true) {
        settings.add("linux.resources.memory.disableOOMKiller", "memory", "memory.oom_control", 1);
    }
}

fn memory_v2(memory: &LinuxMemory, settings: &mut Settings) -> Result<(), CgroupError> {
    let max = |value: i64| if value < 0 { "max".to_owned() } else { value.to_string() };
    let limit = memory.limit().filter(|&limit| limit != 0);
    // v1 counts memory and swap together, v2 swap alone.
    match (memory.swap().filter(|&swap| swap != 0), limit) {
        (Some(swap), _) if swap < 0 => {
            settings.add("linux.resources.memory.swap", "memory", "memory.swap.max", "max");
        }
        (Some(swap), Some(limit)) if limit > 0 && swap >= limit => {
            settings.add("linux.resources.memory.swap", "memory", "memory.swap.max", swap - limit);
        }
        (Some(_), _) => {
            return Err(CgroupError::InvalidValue {
                field: "linux.resources.memory.swap".into(),
                reason: "must not be less than the memory limit, which must be set".into(),
            });
        }
        (None, _) => {}
    }
    if let Some(limit) = limit {
        settings.add("linux.resources.memory.limit", "memory", "memory.max", max(limit));
    }
    if let Some(reservation) = memory.reservation().filter(|&reservation| reservation != 0) {
        settings.add("linux.resources.memory.reservation", "memory", "memory.low", max(reservation));
    }
    Ok(())
}

fn pids_max(limit: i64) -> String {
    if limit > 0 { limit.to_string() } else { "max".into() }
}

fn page_size(size: &str) -> Result<&str, CgroupError> {
    let valid = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_alphanumeric());
    valid.then_some(size).ok_or_else(|| CgroupError::InvalidValue {
        field: "linux.resources.hugepageLimits.pageSize".into(),
        reason: format!("{size:?} is not a page size"),
    })
}

fn block_io_v1(io: &LinuxBlockIo, settings: &mut Settings) {
    const FIELD: &str = "linux.resources.blockIO";
    if let Some(weight) = io.weight().filter(|&weight| weight != 0) {
        settings.add(FIELD, "blkio", "blkio.bfq.weight", weight);
    }
    let throttles = [
        (io.throttle_read_bps_device(), "blkio.throttle.read_bps_device"),
        (io.throttle_write_bps_device(), "blkio.throttle.write_bps_device"),
        (io.throttle_read_iops_device(), "blkio.throttle.read_iops_device"),
        (io.throttle_write_iops_device(), "blkio.throttle.write_iops_device"),
    ];
    for (devices, file) in throttles {
        for device in devices.iter().flatten() {
            let value = format!("{}:{} {}", device.major(), device.minor(), device.rate());
            settings.add(FIELD, "blkio", file, value);
        }
    }
}

fn block_io_v2(io: &LinuxBlockIo, settings: &mut Settings) {
    const FIELD: &str = "linux.resources.blockIO";
    if let Some(weight) = io.weight().filter(|&weight| weight != 0) {
        let weight = 1 + (u64::from(weight).clamp(10, 1_000) - 10) * 9_999 / 990;
        settings.add(FIELD, "io", "io.weight", weight);
    }
    let throttles = [
        (io.throttle_read_bps_device(), "rbps"),
        (io.throttle_write_bps_device(), "wbps"),
        (io.throttle_read_iops_device(), "riops"),
        (io.throttle_write_iops_device(), "wiops"),
    ];
    for (devices, key) in throttles {
        for device in devices.iter().flatten() {
            let value = format!("{}:{} {key}={}", device.major(), device.minor(), device.rate());
            settings.add(FIELD, "io", "io.max", value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn resources(value: serde_json::Value) -> LinuxResources {
        serde_json::from_value(value).unwrap()
    }

    fn pairs(settings: &[Setting]) -> Vec<(&str, &str)> {
        settings.iter().map(|setting| (setting.file.as_str(), setting.value.as_str())).collect()
    }

    #[test]
    fn a_pod_as_the_kubelet_asks_for_it() {
        let pod = resources(json!({
            "cpu": {"shares": 512, "quota": 50000, "period": 100000},
            "memory": {"limit": 134217728, "swap": 134217728},
            "pids": {"limit": 100},
        }));
        assert_eq!(
            pairs(&v1(&pod).unwrap()),
            [
                ("cpu.shares", "512"),
                ("cpu.cfs_period_us", "100000"),
                ("cpu.cfs_quota_us", "50000"),
                ("memory.limit_in_bytes", "134217728"),
                ("memory.memsw.limit_in_bytes", "134217728"),
                ("pids.max", "100"),
            ]
        );
        assert_eq!(
            pairs(&v2(&pod).unwrap()),
            [
                ("cpu.weight", "20"),
                ("cpu.max", "50000 100000"),
                ("memory.swap.max", "0"),
                ("memory.max", "134217728"),
                ("pids.max", "100"),
            ]
        );
    }

    #[test]
    fn shares_map_onto_the_whole_range_of_weights() {
        assert_eq!(weight_of_shares(2), 1);
        assert_eq!(weight_of_shares(1024), 39);
        assert_eq!(weight_of_shares(262_144), 10_000);
    }

    #[test]
    fn no_limit_is_written_as_each_version_has_it() {
        let none = resources(
            json!({"memory": {"limit": -1, "swap": -1}, "pids": {"limit": 0}, "cpu": {"quota": -1}}),
        );
        assert_eq!(
            pairs(&v2(&none).unwrap()),
            [
                ("cpu.max", "max 100000"),
                ("memory.swap.max", "max"),
                ("memory.max", "max"),
                ("pids.max", "max")
            ]
        );
        assert_eq!(pairs(&v1(&none).unwrap())[0], ("cpu.cfs_quota_us", "-1"));
    }

    #[test]
    fn what_cannot_be_had_is_an_error_that_names_it() {
        let unified = resources(json!({"unified": {"memory.high": "5"}}));
        assert!(v1(&unified).unwrap_err().to_string().contains("linux.resources.unified"));
        assert_eq!(pairs(&v2(&unified).unwrap()), [("memory.high", "5")]);
        for file in ["../memory.max", "cgroup.procs", "x"] {
            let mut map = serde_json::Map::new();
            map.insert(file.into(), "1".into());
            assert!(v2(&resources(json!({"unified": map}))).is_err(), "{file}");
        }
        let rdma = resources(json!({"rdma": {"mlx5_1": {"hcaHandles": 3}}}));
        assert!(v2(&rdma).unwrap_err().to_string().contains("rdma"));
    }
}
