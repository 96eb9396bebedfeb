//! Starting a container: from its plan to a child, and from the child's reports to a running container.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use kingpost_sys::{CloneOptions, setns};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::Pid;

use super::container::{Container, Running, Start, State, pid_number};
use super::io::{duplicate, input_pipe, output_pipe};
use super::oom::Oom;
use super::{Client, Server, clock};
use crate::child::{
    ChildStdio, Environment, FromChild, NEWCGROUP, NEWPID, NEWUSER, Prepared, run_container, spawn,
    take_report,
};
use crate::log::Stream;
use crate::plan::{ContainerPlan, JoinSource, PlanFd};
use crate::protocol::{ChildFailure, ExitInfo, Notice, Reply, Step};
use crate::records::write_exit;

/// What a start has come to.
pub(crate) enum Progress {
    /// Not decided yet.
    Pending,
    /// The program runs.
    Executed,
    /// It does not.
    Failed(ChildFailure),
}

impl Start {
    /// Takes the child's reports.
    pub(crate) fn hear(&mut self) -> Progress {
        loop {
            match take_report(&self.channel) {
                None => return Progress::Pending,
                Some(FromChild::Warning(warning)) => {
                    let errno = Errno::from_raw_os_error(warning.errno);
                    self.warnings.push(format!("{}: {errno}", warning.detail));
                }
                Some(FromChild::Terminal(master)) => self.master = Some(master),
                Some(FromChild::Successor(pid, pidfd)) => {
                    if let Some(pid) = Pid::from_raw(pid) {
                        (self.pid, self.pidfd) = (pid, pidfd);
                    }
                }
                Some(FromChild::Ready) => self.ready = true,
                Some(FromChild::Failed(failure)) => return Progress::Failed(failure),
                Some(FromChild::End) if self.ready => return Progress::Executed,
                Some(FromChild::End) => {
                    let detail = "the process was killed before it could start its program".into();
                    return Progress::Failed(ChildFailure { step: Step::Clone, errno: 0, detail });
                }
            }
        }
    }
}

/// Both ends of a channel for reports; the first does not block.
pub(crate) fn channel() -> Result<(OwnedFd, OwnedFd), Errno> {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    rustix::io::ioctl_fionbio(&ours, true)?;
    Ok((ours, theirs))
}

pub(crate) fn plan_fd(fds: &[OwnedFd], fd: PlanFd) -> Result<BorrowedFd<'_>, Errno> {
    let index = usize::try_from(fd.index).map_err(|_| Errno::BADF)?;
    fds.get(index).map(AsFd::as_fd).ok_or(Errno::BADF)
}

impl Server {
    /// Clones a created container's first process. The client hears of it when the child has reported.
    pub(crate) fn start(&mut self, key: u64, client: Client) {
        let Some(container) = self.containers.get_mut(&key) else { return };
        let State::Created(created) =
            std::mem::replace(&mut container.state, State::Exited(failed_exit(128)))
        else {
            return;
        };
        let (plan, fds) = *created;
        match self.launch(key, &plan, &fds, client) {
            Ok(start) => {
                if let Some(container) = self.containers.get_mut(&key) {
                    container.state = State::Starting(start);
                }
            }
            Err(errno) => {
                let failure =
                    ChildFailure { step: Step::Clone, errno: errno.raw_os_error(), detail: "clone3".into() };
                self.fail_start(key, client, failure);
            }
        }
    }

    fn launch(
        &mut self,
        key: u64,
        plan: &ContainerPlan,
        fds: &[OwnedFd],
        client: Client,
    ) -> Result<Start, Errno> {
        let (channel, theirs) = channel()?;
        let container = self.containers.get_mut(&key).ok_or(Errno::SRCH)?;
        if let Some(oom) = plan.oom {
            let eventfd = oom.eventfd.map(|fd| plan_fd(fds, fd).and_then(duplicate)).transpose()?;
            container.oom = Some(Oom::new(duplicate(plan_fd(fds, oom.counter)?)?, eventfd));
        }
        if let Some(log) = plan.log {
            let file = duplicate(plan_fd(fds, log)?)?;
            container.log = Some(self.logs.open(file).map_err(|_| Errno::NOMEM)?);
        }
        let ends = stdio(container, plan, &self.null)?;
        let mut join = Vec::with_capacity(plan.join.len());
        let mut pid_namespace = None;
        for entry in &plan.join {
            let fd = match entry.source {
                JoinSource::Fd(fd) => plan_fd(fds, fd)?,
                JoinSource::Pod => {
                    self.pod.as_ref().and_then(|pod| pod.get(entry.kind)).ok_or(Errno::BADF)?
                }
            };
            if entry.kind == NEWPID { pid_namespace = Some(fd) } else { join.push((entry.kind, fd)) }
        }
        let in_user_namespace = join.iter().any(|(kind, _)| *kind == NEWUSER);
        let options = CloneOptions {
            namespaces: if in_user_namespace { 0 } else { plan.new & !NEWCGROUP },
            cgroup: plan.cgroup_v2.map(|fd| plan_fd(fds, fd)).transpose()?,
            sibling: false,
        };
        let prepared = Prepared::new(&plan.process);
        let [stdin, stdout, stderr] = &ends;
        let environment = Environment {
            channel: theirs.as_fd(),
            proc: self.proc.as_fd(),
            fds,
            stdio: ChildStdio { stdin: stdin.as_fd(), stdout: stdout.as_fd(), stderr: stderr.as_fd() },
            cgroup_tasks: &plan.cgroup_tasks,
            keyring: &plan.keyring,
        };
        let spawned = self.in_pid_namespace(pid_namespace, || {
            // SAFETY: the child makes system calls on what was prepared above, and does not return.
            unsafe { spawn(&options, || run_container(&environment, plan, &join, &prepared)) }
        });
        let (pid, pidfd) = spawned?;
        Ok(Start { channel, pid, pidfd, client, warnings: Vec::new(), master: None, ready: false })
    }

    /// Runs `clone` so that its child is born in a PID namespace.
    pub(crate) fn in_pid_namespace<T>(
        &self,
        namespace: Option<BorrowedFd<'_>>,
        clone: impl FnOnce() -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        const NEWPID_FLAG: i32 = 0x2000_0000;
        let Some(namespace) = namespace else { return clone() };
        setns(namespace, NEWPID_FLAG)?;
        let result = clone();
        // To the shim's own namespace, which it never left itself, the way back is always open.
        setns(&self.own.pid, NEWPID_FLAG)?;
        result
    }

    /// Takes a starting container's reports.
    pub(crate) fn hear_start(&mut self, key: u64) {
        let Some(container) = self.containers.get_mut(&key) else { return };
        let State::Starting(start) = &mut container.state else { return };
        let client = start.client;
        match start.hear() {
            Progress::Pending => {}
            Progress::Executed => self.finish_start(key),
            Progress::Failed(failure) => self.fail_start(key, client, failure),
        }
    }

    fn finish_start(&mut self, key: u64) {
        let Some(container) = self.containers.get_mut(&key) else { return };
        let placeholder = State::Exited(failed_exit(128));
        let State::Starting(start) = std::mem::replace(&mut container.state, placeholder) else { return };
        let started_at = clock::now();
        if let Some(master) = start.master {
            if let Ok(reader) = duplicate(&master) {
                container.io.add_output(Stream::Stdout, reader);
            }
            container.io.master = Some(master);
        }
        container.state = State::Running(Running { pid: start.pid, pidfd: start.pidfd, started_at });
        let pid = pid_number(start.pid);
        let id = container.id.clone();
        // The plan, its strings and the seccomp program are no longer needed.
        kingpost_sys::trim_malloc();
        let reply = Reply::Started { pid, at: started_at, warnings: start.warnings, terminal: false };
        self.reply(start.client, &reply, &[]);
        self.tell(&Notice::Started { id, pid });
    }

    fn fail_start(&mut self, key: u64, client: Client, failure: ChildFailure) {
        let exit = failed_exit(failure.exit_code());
        if let Some(container) = self.containers.get_mut(&key) {
            container.state = State::Exited(exit);
            container.io.close();
            // If it cannot be written the answer still stands; a daemon that finds no record says 255.
            let _ = write_exit(&self.exits, &container.id, &exit);
        }
        self.reply(client, &Reply::Failed(failure), &[]);
    }
}

fn failed_exit(code: i32) -> ExitInfo {
    ExitInfo { code, signal: 0, at: clock::now(), oom: false, started_at: 0 }
}

/// Makes the container's pipes and returns the child's ends. With a terminal the child makes its own.
fn stdio(container: &mut Container, plan: &ContainerPlan, null: &OwnedFd) -> Result<[OwnedFd; 3], Errno> {
    if plan.process.terminal.is_some() {
        return Ok([duplicate(null)?, duplicate(null)?, duplicate(null)?]);
    }
    let stdin = if plan.stdin {
        let (read, write) = input_pipe()?;
        container.io.stdin = Some(write);
        container.io.stdin_once = plan.stdin_once;
        read
    } else {
        duplicate(null)?
    };
    let (stdout, child_stdout) = output_pipe()?;
    let (stderr, child_stderr) = output_pipe()?;
    container.io.add_output(Stream::Stdout, stdout);
    container.io.add_output(Stream::Stderr, stderr);
    Ok([stdin, child_stdout, child_stderr])
}
