//! CPU time, memory and processes of one cgroup.

use std::path::Path;

use kingpost_proto::cri::{CpuUsage, MemoryUsage, PsiData, PsiStats, UInt64Value};
use kingpost_runtime::CgroupPaths;

use crate::id;

/// What a cgroup uses now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) cpu: Option<CpuUsage>,
    pub(crate) memory: Option<MemoryUsage>,
    /// Number of processes and threads, where the pids controller counts them.
    pub(crate) tasks: Option<u64>,
}

/// A limit of cgroup v1 that is none is near 2^63.
const UNLIMITED: u64 = 1 << 62;

/// Reads a cgroup; what its controllers do not have is left out.
pub(crate) fn read(paths: &CgroupPaths) -> Usage {
    let tasks = paths.controller("pids").and_then(|path| number(path, "pids.current"));
    Usage { cpu: cpu(paths), memory: memory(paths), tasks }
}

fn cpu(paths: &CgroupPaths) -> Option<CpuUsage> {
    let v1 = paths.controller("cpuacct").and_then(|path| number(path, "cpuacct.usage"));
    let path = paths.controller("cpu")?;
    let total = v1.or_else(|| keyed(&text(path, "cpu.stat")?, "usage_usec")?.checked_mul(1000))?;
    Some(CpuUsage {
        timestamp: id::now(),
        usage_core_nano_seconds: value(Some(total)),
        usage_nano_cores: None,
        psi: pressure(path, "cpu.pressure"),
    })
}

fn memory(paths: &CgroupPaths) -> Option<MemoryUsage> {
    let path = paths.controller("memory")?;
    let stat = text(path, "memory.stat")?;
    let v2 = path.join("memory.current").exists();
    let (usage, limit) = if v2 {
        (number(path, "memory.current")?, number(path, "memory.max"))
    } else {
        (number(path, "memory.usage_in_bytes")?, number(path, "memory.limit_in_bytes"))
    };
    let key = |v1: &str, key: &str| keyed(&stat, if v2 { key } else { v1 });
    let inactive = key("total_inactive_file", "inactive_file").unwrap_or(0);
    let working_set = usage.saturating_sub(inactive);
    let limit = limit.filter(|limit| *limit < UNLIMITED);
    Some(MemoryUsage {
        timestamp: id::now(),
        working_set_bytes: value(Some(working_set)),
        available_bytes: value(limit.map(|limit| limit.saturating_sub(working_set))),
        usage_bytes: value(Some(usage)),
        rss_bytes: value(key("total_rss", "anon")),
        page_faults: value(key("total_pgfault", "pgfault")),
        major_page_faults: value(key("total_pgmajfault", "pgmajfault")),
        psi: pressure(path, "memory.pressure"),
    })
}

/// A pressure file of cgroup v2 (Documentation/accounting/psi.rst); its total is in microseconds.
fn pressure(path: &Path, file: &str) -> Option<PsiStats> {
    let text = text(path, file)?;
    let line = |kind: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(kind))?;
        let field = |name: &str| line.split_whitespace().find_map(|part| part.strip_prefix(name));
        let average = |name: &str| field(name).and_then(|value| value.parse().ok()).unwrap_or_default();
        Some(PsiData {
            total: field("total=").and_then(|total| total.parse::<u64>().ok())?.saturating_mul(1000),
            avg10: average("avg10="),
            avg60: average("avg60="),
            avg300: average("avg300="),
        })
    };
    Some(PsiStats { full: line("full"), some: line("some") })
}

fn value(number: Option<u64>) -> Option<UInt64Value> {
    number.map(|value| UInt64Value { value })
}

fn text(path: &Path, file: &str) -> Option<String> {
    std::fs::read_to_string(path.join(file)).ok()
}

fn number(path: &Path, file: &str) -> Option<u64> {
    text(path, file)?.trim().parse().ok()
}

fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_match_whole_words() {
        let stat = "total_rss_huge 7\ntotal_rss 42\n";
        assert_eq!(keyed(stat, "total_rss"), Some(42));
        assert_eq!(keyed(stat, "rss"), None);
    }

    #[test]
    fn pressure_files_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let text = "some avg10=1.50 avg60=0.10 avg300=0.00 total=12\nfull avg10=0.00 avg60=0.00 avg300=0.25 total=3\n";
        std::fs::write(directory.path().join("cpu.pressure"), text).unwrap();
        let stats = pressure(directory.path(), "cpu.pressure").unwrap();
        let (some, full) = (stats.some.unwrap(), stats.full.unwrap());
        assert_eq!((some.total, full.total), (12_000, 3_000));
        assert!((some.avg10 - 1.5).abs() < 1e-9 && (full.avg300 - 0.25).abs() < 1e-9);
        assert!(pressure(directory.path(), "memory.pressure").is_none());
    }
}
