//! A specification's process.

use std::ffi::CString;

use kingpost_shim::{Capabilities, ProcessPlan, Rlimit, SeccompProgram, Terminal, UserPlan};
use oci_spec::runtime::{
    Capabilities as CapabilityList, LinuxCapabilities, LinuxSeccomp, PosixRlimitType, Process,
};

use super::c_string;
use crate::error::{Error, Result};
use crate::seccomp;
use crate::spec::TerminalSize;

/// What a process's plan is made from.
pub(crate) struct ProcessInput<'a> {
    pub(crate) process: &'a Process,
    pub(crate) seccomp: Option<&'a LinuxSeccomp>,
    /// The container's, which an exec cannot be without.
    pub(crate) no_new_privileges: bool,
    pub(crate) size: Option<TerminalSize>,
    /// The user's home directory, for an environment without one.
    pub(crate) home: String,
    /// What the runtime itself has, for a process that says nothing.
    pub(crate) oom_score_adj: i32,
}

const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Plans a process.
pub(crate) fn process(input: &ProcessInput<'_>) -> Result<ProcessPlan> {
    let process = input.process;
    refuse_unsupported(process)?;
    let arguments = process.args().as_deref().unwrap_or_default();
    if arguments.first().is_none_or(String::is_empty) {
        return Err(Error::invalid("process.args", "no program"));
    }
    let argv = arguments
        .iter()
        .map(|argument| c_string("process.args", argument.as_str()))
        .collect::<Result<_>>()?;
    if !process.cwd().is_absolute() {
        return Err(Error::invalid("process.cwd", "is not absolute"));
    }
    let (env, path) = environment(process, &input.home)?;
    let search = path.split(':').map(|part| c_string("process.env", part)).collect::<Result<_>>()?;
    Ok(ProcessPlan {
        argv,
        env,
        search,
        cwd: c_string("process.cwd", process.cwd().as_os_str().as_encoded_bytes())?,
        user: UserPlan {
            uid: process.user().uid(),
            gid: process.user().gid(),
            groups: process.user().additional_gids().clone().unwrap_or_default(),
            umask: process.user().umask().unwrap_or(0o022),
        },
        capabilities: capabilities(process.capabilities().as_ref()),
        no_new_privileges: input.no_new_privileges || process.no_new_privileges().unwrap_or(false),
        seccomp: program(input.seccomp)?,
        rlimits: rlimits(process)?,
        oom_score_adj: Some(oom_score_adj(process.oom_score_adj().unwrap_or(input.oom_score_adj))?),
        terminal: terminal(process, input.size)?,
    })
}

fn refuse_unsupported(process: &Process) -> Result<()> {
    let named = |value: &Option<String>| value.as_ref().is_some_and(|value| !value.is_empty());
    let refused = [
        ("process.apparmorProfile", named(process.apparmor_profile())),
        ("process.selinuxLabel", named(process.selinux_label())),
        ("process.ioPriority", process.io_priority().is_some()),
        ("process.scheduler", process.scheduler().is_some()),
        ("process.execCPUAffinity", process.exec_cpu_affinity().is_some()),
    ];
    match refused.iter().find(|(_, present)| *present) {
        Some((field, _)) => Err(Error::invalid(*field, "is not supported")),
        None => Ok(()),
    }
}

/// The environment, completed by `HOME`, and its `PATH`.
fn environment(process: &Process, home: &str) -> Result<(Vec<CString>, String)> {
    let mut env = Vec::new();
    let mut path = None;
    let mut has_home = false;
    for variable in process.env().iter().flatten() {
        let Some((name, value)) = variable.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            return Err(Error::invalid("process.env", format!("{variable:?} is not NAME=value")));
        };
        match name {
            "PATH" => path = Some(value.to_owned()),
            "HOME" => has_home = true,
            _ => {}
        }
        env.push(c_string("process.env", variable.as_str())?);
    }
    if !has_home {
        env.push(c_string("process.env", format!("HOME={home}"))?);
    }
    Ok((env, path.unwrap_or_else(|| DEFAULT_PATH.into())))
}

fn capabilities(list: Option<&LinuxCapabilities>) -> Capabilities {
    let Some(list) = list else { return Capabilities::default() };
    Capabilities {
        bounding: bits(list.bounding().as_ref()),
        permitted: bits(list.permitted().as_ref()),
        effective: bits(list.effective().as_ref()),
        inheritable: bits(list.inheritable().as_ref()),
        ambient: bits(list.ambient().as_ref()),
    }
}

/// Capabilities by their number (linux/capability.h).
const CAPABILITIES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

fn bits(list: Option<&CapabilityList>) -> u64 {
    let bit =
        |name: String| CAPABILITIES.iter().position(|known| *known == name).map_or(0, |number| 1 << number);
    list.into_iter().flatten().map(|capability| bit(capability.to_string())).fold(0, |all, bit| all | bit)
}

fn program(profile: Option<&LinuxSeccomp>) -> Result<Option<SeccompProgram>> {
    let Some(profile) = profile else { return Ok(None) };
    let program = seccomp::compile(profile)?;
    Ok(Some(SeccompProgram { program, flags: seccomp::filter_flags(profile)? }))
}

fn rlimits(process: &Process) -> Result<Vec<Rlimit>> {
    let mut list = Vec::new();
    for limit in process.rlimits().iter().flatten() {
        if limit.soft() > limit.hard() {
            let reason = format!("the soft limit of {} is above the hard one", limit.typ());
            return Err(Error::invalid("process.rlimits", reason));
        }
        list.push(Rlimit { resource: resource(limit.typ()), soft: limit.soft(), hard: limit.hard() });
    }
    Ok(list)
}

fn resource(kind: PosixRlimitType) -> u32 {
    match kind {
        PosixRlimitType::RlimitCpu => 0,
        PosixRlimitType::RlimitFsize => 1,
        PosixRlimitType::RlimitData => 2,
        PosixRlimitType::RlimitStack => 3,
        PosixRlimitType::RlimitCore => 4,
        PosixRlimitType::RlimitRss => 5,
        PosixRlimitType::RlimitNproc => 6,
        PosixRlimitType::RlimitNofile => 7,
        PosixRlimitType::RlimitMemlock => 8,
        PosixRlimitType::RlimitAs => 9,
        PosixRlimitType::RlimitLocks => 10,
        PosixRlimitType::RlimitSigpending => 11,
        PosixRlimitType::RlimitMsgqueue => 12,
        PosixRlimitType::RlimitNice => 13,
        PosixRlimitType::RlimitRtprio => 14,
        PosixRlimitType::RlimitRttime => 15,
    }
}

fn oom_score_adj(value: i32) -> Result<i32> {
    if (-1000..=1000).contains(&value) {
        return Ok(value);
    }
    Err(Error::invalid("process.oomScoreAdj", format!("{value} is not in -1000..=1000")))
}

fn terminal(process: &Process, size: Option<TerminalSize>) -> Result<Option<Terminal>> {
    if process.terminal() != Some(true) {
        return Ok(None);
    }
    let number =
        |value: u64| u16::try_from(value).map_err(|_| Error::invalid("process.consoleSize", "is too large"));
    Ok(Some(match (size, process.console_size()) {
        (Some(size), _) => Terminal { rows: size.rows, columns: size.columns },
        (None, Some(size)) => Terminal { rows: number(size.height())?, columns: number(size.width())? },
        (None, None) => Terminal { rows: 0, columns: 0 },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn plan(value: serde_json::Value) -> Result<ProcessPlan> {
        let process = serde_json::from_value(value).unwrap();
        super::process(&ProcessInput {
            process: &process,
            seccomp: None,
            no_new_privileges: false,
            size: None,
            home: "/root".into(),
            oom_score_adj: 0,
        })
    }

    fn minimal() -> serde_json::Value {
        json!({"cwd": "/", "args": ["a"], "user": {"uid": 1, "gid": 2}})
    }

    #[test]
    fn home_and_path_have_defaults() {
        let plan = plan(minimal()).unwrap();
        assert_eq!(plan.env, [c"HOME=/root".to_owned()]);
        assert_eq!(plan.search.len(), 6);
    }

    #[test]
    fn without_capabilities_there_are_none() {
        assert_eq!(plan(minimal()).unwrap().capabilities, Capabilities::default());
        let mut value = minimal();
        value["capabilities"] = json!({"bounding": ["CAP_CHOWN", "CAP_CHECKPOINT_RESTORE"]});
        assert_eq!(plan(value).unwrap().capabilities.bounding, 1 | 1 << 40);
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name() {
        let mut value = minimal();
        value["apparmorProfile"] = json!("x");
        assert!(plan(value).unwrap_err().to_string().starts_with("process.apparmorProfile"));
        for (field, bad) in
            [("args", json!([])), ("cwd", json!("a")), ("env", json!(["x"])), ("args", json!(["a\u{0}b"]))]
        {
            let mut value = minimal();
            value[field] = bad;
            assert!(plan(value).unwrap_err().to_string().contains(field));
        }
    }
}
