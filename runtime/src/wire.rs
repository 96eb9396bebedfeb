//! From the shim's types to this crate's.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kingpost_shim::{ChildFailure, ContainerRecord, ContainerStatus, ExitInfo, Step};
use rustix::io::Errno;

use crate::error::{StartError, StartFailure};
use crate::spec::{ContainerState, ExitRecord, Status};

pub(crate) fn time(nanoseconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(0))
}

pub(crate) fn exit_record(exit: &ExitInfo) -> ExitRecord {
    ExitRecord {
        code: exit.code,
        signal: (exit.signal != 0).then_some(exit.signal),
        at: time(exit.at),
        oom: exit.oom,
    }
}

pub(crate) fn exited(exit: &ExitInfo) -> Status {
    Status::Exited {
        started_at: (exit.started_at != 0).then(|| time(exit.started_at)),
        exit: exit_record(exit),
    }
}

pub(crate) fn container_state(record: ContainerRecord) -> ContainerState {
    let status = match record.status {
        ContainerStatus::Created => Status::Created,
        ContainerStatus::Running { pid, started_at } => Status::Running { pid, started_at: time(started_at) },
        ContainerStatus::Exited(exit) => exited(&exit),
    };
    ContainerState { id: record.id, status, log_bytes_lost: record.lost }
}

/// A failed start in runc's words.
pub(crate) fn start_error(failure: &ChildFailure) -> StartError {
    let errno = Errno::from_raw_os_error(failure.errno);
    let detail = &failure.detail;
    let words = error_words(errno);
    let message = match failure.step {
        Step::Lookup if detail.contains('/') => {
            format!("exec: {detail:?}: stat {detail}: no such file or directory")
        }
        Step::Lookup => format!("exec: {detail:?}: executable file not found in $PATH"),
        Step::Exec => format!("exec {detail}: {words}"),
        Step::WorkingDirectory => format!("chdir to cwd ({detail:?}) set in config.json failed: {words}"),
        Step::Clone if failure.errno == 0 => format!("container init: {detail}"),
        step => format!("{}: {detail}: {words}", step_name(step)),
    };
    let kind = match (failure.step, errno) {
        (Step::Lookup, _) | (Step::Exec, Errno::NOENT) => StartFailure::NotFound,
        (Step::Exec, Errno::NOEXEC) => StartFailure::NotExecutable,
        (Step::Exec, _) => StartFailure::PermissionDenied,
        _ => StartFailure::Setup,
    };
    StartError { failure: kind, message, errno: failure.errno }
}

fn step_name(step: Step) -> &'static str {
    match step {
        Step::Clone => "start process",
        Step::Cgroup => "join cgroup",
        Step::Namespaces => "namespaces",
        Step::Hostname => "sethostname",
        Step::Sysctl => "write sysctl",
        Step::Root => "prepare rootfs",
        Step::Mount => "mount",
        Step::Device => "create device",
        Step::MaskedPath => "mask path",
        Step::ReadonlyPath => "make path read-only",
        Step::Pivot => "pivot_root",
        Step::Terminal => "terminal",
        Step::Stdio => "stdio",
        Step::WorkingDirectory => "working directory",
        Step::Limits => "set limit",
        Step::Identity => "set user, groups or capabilities",
        Step::Seccomp => "init seccomp",
        Step::Exec | Step::Lookup => "exec",
    }
}

/// errno as Go's runtime words it, which is what users of runc know.
fn error_words(errno: Errno) -> String {
    match errno {
        Errno::NOENT => "no such file or directory".into(),
        Errno::ACCESS => "permission denied".into(),
        Errno::PERM => "operation not permitted".into(),
        Errno::NOEXEC => "exec format error".into(),
        Errno::NOTDIR => "not a directory".into(),
        Errno::LOOP => "too many levels of symbolic links".into(),
        Errno::INVAL => "invalid argument".into(),
        other => {
            let text = std::io::Error::from(other).to_string();
            text.split(" (os error").next().unwrap_or_default().to_lowercase()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(step: Step, errno: Errno, detail: &str) -> StartError {
        start_error(&ChildFailure { step, errno: errno.raw_os_error(), detail: detail.into() })
    }

    #[test]
    fn failures_are_worded_as_by_runc_and_have_its_exit_codes() {
        let missing = failure(Step::Lookup, Errno::NOENT, "foo");
        assert_eq!(missing.to_string(), "exec: \"foo\": executable file not found in $PATH");
        assert_eq!(missing.exit_code(), 127);
        let absolute = failure(Step::Lookup, Errno::NOENT, "/foo");
        assert_eq!(absolute.to_string(), "exec: \"/foo\": stat /foo: no such file or directory");
        let refused = failure(Step::Exec, Errno::ACCESS, "/etc/passwd");
        assert_eq!(
            (refused.to_string().as_str(), refused.exit_code()),
            ("exec /etc/passwd: permission denied", 126)
        );
        assert_eq!(failure(Step::Mount, Errno::NOENT, "/data").exit_code(), 128);
    }
}
