//! Reaping: who has ended, how, and when others are told.

use std::time::{Duration, Instant};

use rustix::process::{Pid, WaitOptions, WaitStatus};

use super::container::{Draining, State};
use super::exec::ExecState;
use super::{Server, clock};
use crate::cgroup_kill::kill_cgroup;
use crate::log::Stream;
use crate::protocol::{ExitInfo, Notice};
use crate::records::write_exit;

/// How long the announcement of an end may wait for its output to be logged.
const PATIENCE: Duration = Duration::from_secs(2);

impl Server {
    /// Takes all children that have ended: containers, execs, and the orphans that came to the shim.
    pub(crate) fn reap(&mut self) {
        kingpost_sys::drain_signal_fd(&self.signals, |_| {});
        // A child may have ended after its last report: what it said decides what its end means.
        let starting: Vec<(u64, usize)> =
            self.containers.iter().map(|(&key, container)| (key, container.execs.len())).collect();
        for (key, execs) in starting {
            self.hear_start(key);
            for index in 0..execs {
                self.hear_exec(key, index);
            }
        }
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            self.end(pid, status);
        }
    }

    fn end(&mut self, pid: Pid, status: WaitStatus) {
        let signal = status.terminating_signal().unwrap_or(0);
        let code = status.exit_status().unwrap_or(128 + signal);
        let mut exit = ExitInfo { code, signal, at: clock::now(), oom: false, started_at: 0 };
        let found = self.containers.iter().find_map(|(&key, container)| {
            if matches!(&container.state, State::Running(running) if running.pid == pid) {
                return Some((key, None));
            }
            let of_exec =
                |state: &ExecState| matches!(state, ExecState::Running(running) if running.pid == pid);
            container.execs.iter().position(|exec| of_exec(&exec.state)).map(|index| (key, Some(index)))
        });
        match found {
            Some((key, None)) => self.end_container(key, pid, exit),
            Some((key, Some(index))) => {
                let Some(container) = self.containers.get_mut(&key) else { return };
                let Some(exec) = container.execs.get_mut(index) else { return };
                if let ExecState::Running(running) = &exec.state {
                    exit.started_at = running.started_at;
                }
                exec.state = ExecState::Over;
                let notice = Notice::Exited { id: container.id.clone(), exec: Some(exec.id.clone()), exit };
                self.tell(&notice);
            }
            None => {}
        }
    }

    /// Puts a container's end on record. It is announced when its output is in the log.
    fn end_container(&mut self, key: u64, pid: Pid, mut exit: ExitInfo) {
        let Some(container) = self.containers.get_mut(&key) else { return };
        if let State::Running(running) = &container.state {
            exit.started_at = running.started_at;
        }
        let oom = container.oom.take();
        exit.oom = oom.as_ref().is_some_and(super::oom::Oom::has_killed);
        let untold = exit.oom && oom.as_ref().is_some_and(|oom| oom.interest().is_some());
        // A record that cannot be written (no memory for the directory's file system) must not keep the end secret.
        let _ = write_exit(&self.exits, &container.id, &exit);
        if !container.own_pid_namespace
            && let Some(cgroup) = &container.kill_cgroup
        {
            // What is left of it in a PID namespace that lives on. The daemon kills again when it removes the cgroup.
            let _ = kill_cgroup(cgroup);
        }
        container.io.stdin = None;
        let deadline = Instant::now() + PATIENCE;
        container.state = State::Draining(Draining { pid, exit, deadline, ended: false });
        let id = container.id.clone();
        if untold {
            self.tell(&Notice::Oom { id });
        }
    }

    /// Announces the ends of containers whose output is logged, or has kept others waiting for long enough.
    pub(crate) fn announce_ends(&mut self, now: Instant) {
        let draining = |container: &super::Container| matches!(container.state, State::Draining(_));
        let keys: Vec<u64> = self
            .containers
            .iter()
            .filter(|(_, container)| draining(container))
            .map(|(&key, _)| key)
            .collect();
        for key in keys {
            let empty = self.pump_all(key);
            let Some(container) = self.containers.get_mut(&key) else { continue };
            let State::Draining(draining) = &mut container.state else { continue };
            if empty && !draining.ended {
                draining.ended = true;
                if let Some(log) = container.log {
                    self.logs.end(log, Stream::Stdout);
                    self.logs.end(log, Stream::Stderr);
                }
            }
            let logged = container.log.is_none_or(|log| self.logs.is_flushed(log));
            let read = container.io.attach_deadline().is_none();
            if (draining.ended && logged && read) || now >= draining.deadline {
                let exit = draining.exit;
                container.state = State::Exited(exit);
                container.io.close();
                let notice = Notice::Exited { id: container.id.clone(), exec: None, exit };
                self.tell(&notice);
            }
        }
    }
}
