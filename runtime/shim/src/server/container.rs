//! A container in the shim: what it is made of and where it stands.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Instant;

use rustix::process::Pid;

use super::Client;
use super::exec::Exec;
use super::io::ContainerIo;
use super::oom::Oom;
use crate::plan::ContainerPlan;
use crate::protocol::{ContainerStatus, ExitInfo};

pub(crate) struct Container {
    pub(crate) id: String,
    pub(crate) state: State,
    /// `CLONE_NEW*` of the namespaces that are not the shim's.
    pub(crate) namespaces: u64,
    /// Whether the kernel ends all of its processes with its first.
    pub(crate) own_pid_namespace: bool,
    pub(crate) kill_cgroup: Option<PathBuf>,
    pub(crate) oom: Option<Oom>,
    pub(crate) io: ContainerIo,
    pub(crate) log: Option<u64>,
    pub(crate) execs: Vec<Exec>,
}

/// Created → Starting → Running → Draining → Exited; Starting → Exited if it could not be started.
pub(crate) enum State {
    /// The plan and its descriptors wait.
    Created(Box<(ContainerPlan, Vec<OwnedFd>)>),
    /// Its first process is on its way to `execve`.
    Starting(Start),
    /// Its program runs.
    Running(Running),
    /// It has ended, which is on record; its last output is not in the log yet, and nobody has been told.
    Draining(Draining),
    /// It has ended.
    Exited(ExitInfo),
}

/// A child between clone and `execve`.
pub(crate) struct Start {
    pub(crate) channel: OwnedFd,
    pub(crate) pid: Pid,
    pub(crate) pidfd: OwnedFd,
    pub(crate) client: Client,
    pub(crate) warnings: Vec<String>,
    pub(crate) master: Option<OwnedFd>,
    pub(crate) ready: bool,
}

pub(crate) struct Running {
    pub(crate) pid: Pid,
    pub(crate) pidfd: OwnedFd,
    pub(crate) started_at: i64,
}

pub(crate) struct Draining {
    pub(crate) pid: Pid,
    pub(crate) exit: ExitInfo,
    pub(crate) deadline: Instant,
    pub(crate) ended: bool,
}

impl Container {
    pub(crate) const fn is_alive(&self) -> bool {
        matches!(self.state, State::Starting(_) | State::Running(_) | State::Draining(_))
    }

    pub(crate) fn status(&self) -> ContainerStatus {
        match &self.state {
            State::Created(_) | State::Starting(_) => ContainerStatus::Created,
            State::Running(running) => running.status(),
            // Its end is announced when its output is logged, and not seen before: who sees it can read all of the log.
            State::Draining(draining) => {
                let started_at = draining.exit.started_at;
                ContainerStatus::Running { pid: pid_number(draining.pid), started_at }
            }
            State::Exited(exit) => ContainerStatus::Exited(*exit),
        }
    }

    /// 0 created, 1 running, 2 exited, as replies have it.
    pub(crate) const fn state_number(&self) -> u8 {
        match self.state {
            State::Created(_) | State::Starting(_) => 0,
            State::Running(_) => 1,
            State::Draining(_) | State::Exited(_) => 2,
        }
    }

    /// The first process, if it runs.
    pub(crate) const fn pidfd(&self) -> Option<&OwnedFd> {
        match &self.state {
            State::Starting(start) => Some(&start.pidfd),
            State::Running(running) => Some(&running.pidfd),
            _ => None,
        }
    }

    pub(crate) fn sweep_execs(&mut self) {
        self.execs.retain(|exec| !exec.is_over());
    }
}

impl Running {
    pub(crate) fn status(&self) -> ContainerStatus {
        ContainerStatus::Running { pid: pid_number(self.pid), started_at: self.started_at }
    }
}

pub(crate) fn pid_number(pid: Pid) -> u32 {
    pid.as_raw_nonzero().get().unsigned_abs()
}
