//! What clients ask for.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use rustix::io::Errno;
use rustix::termios::Winsize;

use super::container::{Container, State};
use super::io::{ContainerIo, duplicate};
use super::namespaces::PodNamespaces;
use super::{Client, Server};
use crate::cgroup_kill::kill_cgroup;
use crate::child::NEWPID;
use crate::log::Stream;
use crate::plan::{ContainerPlan, PodPlan};
use crate::protocol::{ContainerRecord, Reply, Request};

const SIGKILL: i32 = 9;

fn os_error(message: &str, errno: Errno) -> Reply {
    Reply::Error { errno: errno.raw_os_error(), message: message.into() }
}

impl Server {
    pub(crate) fn serve_request(&mut self, client: Client, request: Request, fds: Vec<OwnedFd>) {
        let reply = match request {
            Request::Hello { .. } => os_error("already greeted", Errno::PROTO),
            Request::CreatePod(plan) => self.create_pod(&plan, fds),
            Request::CreateContainer { id, plan } => self.create_container(id, plan, fds),
            Request::States => Reply::States(self.states()),
            Request::Namespaces => return self.send_namespaces(client),
            Request::Destroy => return self.destroy(client),
            Request::Start { id } => return self.request_start(client, &id),
            Request::Exec { id, exec, plan } => return self.request_exec(client, &id, exec, &plan, &fds),
            Request::Attach { id, stdin, stdout, stderr } => {
                return self.attach(client, &id, [stdin, stdout, stderr]);
            }
            Request::Signal { id, exec, signal, all } => self.signal(&id, exec.as_deref(), signal, all),
            Request::Resize { id, rows, columns } => self.resize(&id, rows, columns),
            Request::CloseStdin { id } => self.with(&id, |container| {
                container.io.stdin = None;
                Reply::Done
            }),
            Request::ReopenLog { id } => self.reopen_log(&id, fds),
            Request::Delete { id } => self.delete(&id),
        };
        self.reply(client, &reply, &[]);
    }

    fn with(&mut self, id: &str, act: impl FnOnce(&mut Container) -> Reply) -> Reply {
        self.containers.values_mut().find(|container| container.id == id).map_or(Reply::NotFound, act)
    }

    fn create_pod(&mut self, plan: &PodPlan, fds: Vec<OwnedFd>) -> Reply {
        if self.pod.is_some() {
            return Reply::Exists;
        }
        match PodNamespaces::make(plan, fds, &self.own, self.proc.as_fd()) {
            Ok(pod) => {
                self.pod = Some(pod);
                Reply::Done
            }
            Err(failure) => Reply::Failed(failure),
        }
    }

    fn create_container(&mut self, id: String, plan: ContainerPlan, fds: Vec<OwnedFd>) -> Reply {
        if self.key_of(&id).is_some() {
            return Reply::Exists;
        }
        let container = Container {
            id,
            namespaces: plan.join.iter().fold(plan.new, |all, join| all | join.kind),
            own_pid_namespace: plan.new & NEWPID != 0,
            kill_cgroup: plan.kill_cgroup.clone().map(PathBuf::from),
            oom: None,
            io: ContainerIo::default(),
            log: None,
            execs: Vec::new(),
            state: State::Created(Box::new((plan, fds))),
        };
        self.next += 1;
        self.containers.insert(self.next, container);
        Reply::Done
    }

    fn states(&self) -> Vec<ContainerRecord> {
        let record = |container: &Container| ContainerRecord {
            id: container.id.clone(),
            status: container.status(),
            lost: container.log.map_or(0, |log| self.logs.lost(log)),
        };
        self.containers.values().map(record).collect()
    }

    fn send_namespaces(&mut self, client: Client) {
        let Some(connection) = self.connections.get_mut(&client.connection) else { return };
        match &self.pod {
            Some(pod) => {
                let (kinds, fds) = pod.all();
                connection.answer(client.request, Reply::Namespaces { kinds }, &fds);
            }
            None => connection.answer(client.request, Reply::NotFound, &[]),
        }
    }

    fn request_start(&mut self, client: Client, id: &str) {
        let Some(key) = self.key_of(id) else { return self.reply(client, &Reply::NotFound, &[]) };
        match self.containers.get(&key) {
            Some(Container { state: State::Created(_), .. }) if self.destroying.is_none() => {
                self.start(key, client);
            }
            Some(container) => {
                let state = container.state_number().max(1);
                self.reply(client, &Reply::WrongState { state }, &[]);
            }
            None => {}
        }
    }

    fn request_exec(
        &mut self,
        client: Client,
        id: &str,
        exec: String,
        plan: &crate::plan::ExecPlan,
        fds: &[OwnedFd],
    ) {
        let Some(key) = self.key_of(id) else { return self.reply(client, &Reply::NotFound, &[]) };
        let Some(container) = self.containers.get(&key) else { return };
        if !matches!(container.state, State::Running(_)) || self.destroying.is_some() {
            let state = container.state_number();
            return self.reply(client, &Reply::WrongState { state }, &[]);
        }
        if container.execs.iter().any(|other| other.id == exec && !other.is_over()) {
            return self.reply(client, &Reply::Exists, &[]);
        }
        self.exec(key, exec, plan, fds, client);
    }

    fn signal(&mut self, id: &str, exec: Option<&str>, signal: i32, all: bool) -> Reply {
        self.with(id, |container| {
            if matches!(container.state, State::Created(_)) {
                return Reply::WrongState { state: 0 };
            }
            let pidfd = match exec {
                None => container.pidfd(),
                Some(exec) => match container.execs.iter().find(|other| other.id == exec) {
                    Some(exec) => exec.pidfd(),
                    // It has ended, and with that been forgotten.
                    None => return Reply::Done,
                },
            };
            let cgroup = container.kill_cgroup.as_ref();
            let sent = match (all, cgroup, pidfd) {
                (true, Some(cgroup), _) => return signal_all(cgroup, signal),
                (_, _, Some(pidfd)) => kingpost_sys::pidfd_send_signal(pidfd, signal),
                (_, _, None) => Ok(()),
            };
            match sent {
                Ok(()) | Err(Errno::SRCH) => Reply::Done,
                Err(errno) => os_error("signal", errno),
            }
        })
    }

    fn resize(&mut self, id: &str, rows: u16, columns: u16) -> Reply {
        self.with(id, |container| match &container.io.master {
            Some(master) => {
                let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
                rustix::termios::tcsetwinsize(master, size)
                    .map_or_else(|errno| os_error("resize", errno), |()| Reply::Done)
            }
            None => Reply::WrongState { state: container.state_number() },
        })
    }

    fn attach(&mut self, client: Client, id: &str, wanted: [bool; 3]) {
        let Some(key) = self.key_of(id) else { return self.reply(client, &Reply::NotFound, &[]) };
        let Some(container) = self.containers.get_mut(&key) else { return };
        if !matches!(container.state, State::Running(_)) {
            let state = container.state_number();
            return self.reply(client, &Reply::WrongState { state }, &[]);
        }
        let terminal = container.io.master.is_some();
        match attach_fds(&mut container.io, wanted) {
            Ok(fds) => {
                let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
                self.reply(client, &Reply::Attached { terminal }, &fds);
            }
            Err(errno) => self.reply(client, &os_error("attach", errno), &[]),
        }
    }

    fn reopen_log(&mut self, id: &str, fds: Vec<OwnedFd>) -> Reply {
        let Some(file) = fds.into_iter().next() else { return os_error("reopen log", Errno::BADF) };
        let Some(container) = self.key_of(id).and_then(|key| self.containers.get(&key)) else {
            return Reply::NotFound;
        };
        match container.log {
            Some(log) => {
                self.logs.reopen(log, file);
                Reply::Done
            }
            None => Reply::WrongState { state: container.state_number() },
        }
    }

    fn delete(&mut self, id: &str) -> Reply {
        let Some(key) = self.key_of(id) else { return Reply::NotFound };
        if self.containers.get(&key).is_some_and(Container::is_alive) {
            return Reply::WrongState { state: 1 };
        }
        if let Some(log) = self.containers.remove(&key).and_then(|container| container.log) {
            self.logs.close(log);
        }
        // An absent record is what is wanted.
        let _ = std::fs::remove_file(self.exits.join(id));
        kingpost_sys::trim_malloc();
        Reply::Done
    }

    fn destroy(&mut self, client: Client) {
        for container in self.containers.values() {
            for pidfd in
                container.pidfd().into_iter().chain(container.execs.iter().filter_map(|exec| exec.pidfd()))
            {
                // Whoever has ended meanwhile is what is wanted.
                let _ = kingpost_sys::pidfd_send_signal(pidfd, SIGKILL);
            }
            if let Some(cgroup) = container.kill_cgroup.as_ref().filter(|_| container.is_alive()) {
                let _ = kill_cgroup(cgroup);
            }
        }
        self.destroying = Some(client);
    }
}

fn signal_all(cgroup: &std::path::Path, signal: i32) -> Reply {
    if signal == SIGKILL {
        return kill_cgroup(cgroup).map_or_else(io_error, |()| Reply::Done);
    }
    match std::fs::read_to_string(cgroup.join("cgroup.procs")) {
        Ok(text) => {
            for pid in
                text.lines().filter_map(|line| line.parse().ok()).filter_map(rustix::process::Pid::from_raw)
            {
                if let Ok(pidfd) = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) {
                    // It may end at any time.
                    let _ = kingpost_sys::pidfd_send_signal(pidfd, signal);
                }
            }
            Reply::Done
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Reply::Done,
        Err(error) => io_error(error),
    }
}

fn io_error(error: std::io::Error) -> Reply {
    Reply::Error { errno: error.raw_os_error().unwrap_or(0), message: error.to_string() }
}

/// The client's ends, in the order stdin, stdout, stderr.
fn attach_fds(io: &mut ContainerIo, [stdin, stdout, stderr]: [bool; 3]) -> Result<Vec<OwnedFd>, Errno> {
    let mut fds = Vec::new();
    if stdin {
        fds.push(match (&io.master, &io.stdin) {
            (Some(master), _) => duplicate(master)?,
            (None, Some(stdin)) => duplicate(stdin)?,
            (None, None) => return Err(Errno::BADF),
        });
        if io.stdin_once {
            // The client has the last writing end now: when it goes, the container reads the end.
            io.stdin = None;
        }
    }
    if stdout {
        fds.push(io.attach(Stream::Stdout)?);
    }
    if stderr && io.master.is_none() {
        fds.push(io.attach(Stream::Stderr)?);
    }
    Ok(fds)
}
