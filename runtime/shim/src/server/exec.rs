//! Processes run in a running container.

use std::os::fd::{AsFd, OwnedFd};

use kingpost_sys::CloneOptions;
use rustix::io::Errno;

use super::container::{Running, Start, State, pid_number};
use super::start::{Progress, channel, plan_fd};
use super::{Client, Server, clock};
use crate::child::{ChildStdio, Environment, NEWPID, Prepared, run_exec, spawn};
use crate::plan::ExecPlan;
use crate::protocol::{ChildFailure, Reply, Step};

pub(crate) struct Exec {
    pub(crate) id: String,
    pub(crate) state: ExecState,
}

/// Starting → Running → Over; Starting → Over if it could not be started.
pub(crate) enum ExecState {
    Starting(Start),
    Running(Running),
    Over,
}

impl Exec {
    pub(crate) const fn starting(&self) -> Option<&Start> {
        match &self.state {
            ExecState::Starting(start) => Some(start),
            _ => None,
        }
    }

    pub(crate) const fn pidfd(&self) -> Option<&OwnedFd> {
        match &self.state {
            ExecState::Starting(start) => Some(&start.pidfd),
            ExecState::Running(running) => Some(&running.pidfd),
            ExecState::Over => None,
        }
    }

    pub(crate) const fn is_over(&self) -> bool {
        matches!(self.state, ExecState::Over)
    }
}

impl Server {
    pub(crate) fn exec(&mut self, key: u64, id: String, plan: &ExecPlan, fds: &[OwnedFd], client: Client) {
        match self.launch_exec(key, plan, fds, client) {
            Ok(start) => {
                if let Some(container) = self.containers.get_mut(&key) {
                    container.execs.push(Exec { id, state: ExecState::Starting(start) });
                }
            }
            Err(errno) => {
                let failure =
                    ChildFailure { step: Step::Clone, errno: errno.raw_os_error(), detail: "clone3".into() };
                self.reply(client, &Reply::Failed(failure), &[]);
            }
        }
    }

    fn launch_exec(
        &self,
        key: u64,
        plan: &ExecPlan,
        fds: &[OwnedFd],
        client: Client,
    ) -> Result<Start, Errno> {
        let container = self.containers.get(&key).ok_or(Errno::SRCH)?;
        let State::Running(running) = &container.state else { return Err(Errno::SRCH) };
        let init = running.pidfd.as_fd();
        let (channel, theirs) = channel()?;
        let end = |fd: Option<crate::plan::PlanFd>| match fd {
            Some(fd) => plan_fd(fds, fd),
            None => Ok(self.null.as_fd()),
        };
        let prepared = Prepared::new(&plan.process);
        let environment = Environment {
            channel: theirs.as_fd(),
            proc: self.proc.as_fd(),
            fds,
            stdio: ChildStdio {
                stdin: end(plan.stdin)?,
                stdout: end(plan.stdout)?,
                stderr: end(plan.stderr)?,
            },
            cgroup_tasks: &plan.cgroup_tasks,
            keyring: &plan.keyring,
        };
        let options = CloneOptions {
            namespaces: 0,
            cgroup: plan.cgroup_v2.map(|fd| plan_fd(fds, fd)).transpose()?,
            sibling: false,
        };
        let pid_namespace = (container.namespaces & NEWPID != 0).then_some(init);
        let namespaces = container.namespaces;
        let (pid, pidfd) = self.in_pid_namespace(pid_namespace, || {
            // SAFETY: the child makes system calls on what was prepared above, and does not return.
            unsafe { spawn(&options, || run_exec(&environment, init, namespaces, &prepared)) }
        })?;
        Ok(Start { channel, pid, pidfd, client, warnings: Vec::new(), master: None, ready: false })
    }

    /// Takes a starting exec's reports.
    pub(crate) fn hear_exec(&mut self, key: u64, index: usize) {
        let Some(exec) = self.containers.get_mut(&key).and_then(|container| container.execs.get_mut(index))
        else {
            return;
        };
        let ExecState::Starting(start) = &mut exec.state else { return };
        let client = start.client;
        match start.hear() {
            Progress::Pending => {}
            Progress::Failed(failure) => {
                exec.state = ExecState::Over;
                self.reply(client, &Reply::Failed(failure), &[]);
            }
            Progress::Executed => {
                let ExecState::Starting(start) = std::mem::replace(&mut exec.state, ExecState::Over) else {
                    return;
                };
                let at = clock::now();
                let pid = pid_number(start.pid);
                exec.state =
                    ExecState::Running(Running { pid: start.pid, pidfd: start.pidfd, started_at: at });
                let terminal = start.master.is_some();
                let reply = Reply::Started { pid, at, warnings: start.warnings, terminal };
                match &start.master {
                    Some(master) => self.reply(client, &reply, &[master.as_fd()]),
                    None => self.reply(client, &reply, &[]),
                }
            }
        }
    }
}
