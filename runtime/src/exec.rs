//! A process run inside a running container.

use std::os::fd::{AsFd, OwnedFd};

use kingpost_shim::{ExecPlan, PlanFd, Reply, Request};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::termios::Winsize;
use tokio::sync::broadcast;

use crate::cgroup;
use crate::error::{Error, Result};
use crate::plan::{self, PlanFds, ProcessInput, c_string};
use crate::pod::{Pod, SignalTarget, set_nonblocking};
use crate::records::{ContainerRecord, check_id};
use crate::runtime::blocking;
use crate::spec::{Event, ExecIo, ExecSpec, ExitRecord, Status, TerminalSize};

/// A running exec. Dropping it closes its stdio and leaves the process running.
#[derive(Debug)]
pub struct Exec {
    pod: Pod,
    container: String,
    id: String,
    pid: u32,
    io: ExecIo,
    events: broadcast::Receiver<Event>,
    exit: Option<ExitRecord>,
}

impl Exec {
    /// The process, in the PID namespace of the shim.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Its stdio.
    pub fn io(&mut self) -> &mut ExecIo {
        &mut self.io
    }

    /// Sets the size of its terminal.
    ///
    /// # Errors
    /// If it has none.
    pub fn resize(&self, size: TerminalSize) -> Result<()> {
        let ExecIo::Terminal(master) = &self.io else {
            return Err(Error::invalid("process.terminal", "the process has none"));
        };
        let size = Winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(master, size).map_err(|errno| Error::io("resize", "terminal", errno))
    }

    /// Sends it a signal; none if it has ended.
    ///
    /// # Errors
    /// [`crate::Error::Gone`].
    pub async fn signal(&self, signal: i32) -> Result<()> {
        self.pod.signal(&self.container, signal, SignalTarget::Exec(&self.id)).await
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// [`crate::Error::Gone`] if the shim dies before it, or so many events were missed that its end may have been
    /// among them.
    pub async fn wait(&mut self) -> Result<ExitRecord> {
        if let Some(exit) = &self.exit {
            return Ok(exit.clone());
        }
        loop {
            match self.events.recv().await {
                Ok(Event::Exited { container, exec: Some(exec), exit })
                    if container == self.container && exec == self.id =>
                {
                    self.exit = Some(exit.clone());
                    return Ok(exit);
                }
                Ok(Event::Gone) | Err(_) => return Err(Error::Gone { pod: self.pod.id().into() }),
                Ok(_) => {}
            }
        }
    }
}

/// Runs a process.
pub(crate) async fn start(pod: &Pod, container: &str, spec: ExecSpec) -> Result<Exec> {
    check_id("exec", &spec.id)?;
    let state = pod.state(container).await?;
    let Status::Running { pid: init, .. } = state.status else {
        let created = state.status == Status::Created;
        let state = if created { "created" } else { "exited" };
        return Err(Error::WrongState { id: container.into(), operation: "exec in", state });
    };
    let record = pod.container_record(container).await?;
    let events = pod.events();
    let id = spec.id.clone();
    let (plan, fds, io) = {
        let pod = pod.clone();
        blocking(move || prepare(&pod, &record, &spec, init)).await?
    };
    let request = Request::Exec { id: container.into(), exec: id.clone(), plan };
    match pod.request("exec", &request, fds.list).await? {
        (Reply::Started { pid, warnings, terminal, .. }, fds) => {
            for warning in &warnings {
                tracing::warn!(
                    pod = pod.id(),
                    container,
                    exec = id,
                    warning,
                    "started with less than asked for"
                );
            }
            let io = match (terminal, fds.into_iter().next()) {
                (true, Some(master)) => ExecIo::Terminal(master),
                _ => io,
            };
            Ok(Exec { pod: pod.clone(), container: container.into(), id, pid, io, events, exit: None })
        }
        (Reply::Exists, _) => Err(Error::AlreadyExists { kind: "exec", id }),
        (reply, _) => Err(pod.refusal("exec in", container, &reply)),
    }
}

fn prepare(
    pod: &Pod,
    record: &ContainerRecord,
    spec: &ExecSpec,
    init: u32,
) -> Result<(ExecPlan, PlanFds, ExecIo)> {
    let shared = &pod.inner.shared;
    let mut fds = PlanFds::default();
    let entry = cgroup::open_entry(&shared.hierarchies.paths(&record.cgroup)?)?;
    let process = plan::process(&ProcessInput {
        process: &spec.process,
        seccomp: record.seccomp.as_ref(),
        no_new_privileges: record.no_new_privileges,
        size: spec.size,
        home: plan::home_of_process(init, spec.process.user().uid()),
        oom_score_adj: shared.oom_score_adj,
    })?;
    let terminal = process.terminal.is_some();
    let mut io = Pipes::default();
    if !terminal {
        io.open(spec, &mut fds)?;
    }
    let plan = ExecPlan {
        cgroup_tasks: entry.tasks.into_iter().map(|fd| fds.add(fd)).collect::<Result<_>>()?,
        cgroup_v2: entry.unified.map(|fd| fds.add(fd)).transpose()?,
        keyring: c_string("id", format!("_ses.{}", spec.id))?,
        process,
        stdin: io.child[0],
        stdout: io.child[1],
        stderr: io.child[2],
    };
    let [stdin, stdout, stderr] = io.own;
    Ok((plan, fds, ExecIo::Pipes { stdin, stdout, stderr }))
}

/// Pipes to a child.
#[derive(Default)]
struct Pipes {
    child: [Option<PlanFd>; 3],
    own: [Option<OwnedFd>; 3],
}

impl Pipes {
    fn open(&mut self, spec: &ExecSpec, fds: &mut PlanFds) -> Result<()> {
        let wanted = [spec.stdin, spec.stdout, spec.stderr];
        let ends = self.child.iter_mut().zip(&mut self.own).zip(wanted).enumerate();
        for (number, ((child, own), _)) in ends.filter(|(_, (_, wanted))| *wanted) {
            let failed = |errno| Error::io("make", "a pipe", errno);
            let (read, write) = pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
            let (ours, theirs) = if number == 0 { (write, read) } else { (read, write) };
            set_nonblocking(ours.as_fd()).map_err(failed)?;
            *child = Some(fds.add(theirs)?);
            *own = Some(ours);
        }
        Ok(())
    }
}
