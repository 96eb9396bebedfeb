//! What runs between `clone3` and `execve`.
//!
//! Nothing here allocates, locks or logs: the child makes system calls on what [`Prepared`] holds, tells its parent
//! of warnings, of its terminal and of a failure by [`report`], and becomes the container's program.

mod devices;
mod fs;
mod identity;
mod inroot;
mod mounts;
mod namespaces;
mod procfs;
mod program;
mod report;
mod root;
mod stdio;
mod terminal;

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use kingpost_sys::{CStrArray, CloneOptions, Cloned};
use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::thread::Gid;

pub(crate) use namespaces::{NEWCGROUP, NEWIPC, NEWNET, NEWNS, NEWPID, NEWUSER, NEWUTS};
pub(crate) use procfs::{private_proc, write_proc};
use report::{Context, Outcome, Reporter};
pub(crate) use report::{FromChild, take_report};
pub(crate) use root::enter_empty_root;

use crate::plan::{ContainerPlan, PlanFd, ProcessPlan};
use crate::protocol::Step;

/// A process's plan, with all that `execve` and `setgroups` want in the kernel's form.
pub(crate) struct Prepared<'a> {
    pub(crate) process: &'a ProcessPlan,
    argv: CStrArray,
    env: CStrArray,
    /// Paths to try, in order.
    candidates: Vec<CString>,
    groups: Vec<Gid>,
}

impl<'a> Prepared<'a> {
    pub(crate) fn new(process: &'a ProcessPlan) -> Self {
        Self {
            process,
            argv: CStrArray::new(process.argv.clone()),
            env: CStrArray::new(process.env.clone()),
            candidates: program::candidates(process),
            groups: process.user.groups.iter().map(|&gid| Gid::from_raw(gid)).collect(),
        }
    }
}

/// The ends of its stdio that a child gets.
pub(crate) struct ChildStdio<'a> {
    pub(crate) stdin: BorrowedFd<'a>,
    pub(crate) stdout: BorrowedFd<'a>,
    pub(crate) stderr: BorrowedFd<'a>,
}

/// What both kinds of children need.
pub(crate) struct Environment<'a> {
    /// Where to report: the child's end of a socket pair.
    pub(crate) channel: BorrowedFd<'a>,
    /// The shim's private procfs.
    pub(crate) proc: BorrowedFd<'a>,
    /// Descriptors of the plan.
    pub(crate) fds: &'a [OwnedFd],
    pub(crate) stdio: ChildStdio<'a>,
    /// `tasks` files.
    pub(crate) cgroup_tasks: &'a [PlanFd],
    pub(crate) keyring: &'a CString,
}

impl Environment<'_> {
    fn fd(&self, plan: PlanFd) -> Result<BorrowedFd<'_>, Errno> {
        let index = usize::try_from(plan.index).map_err(|_| Errno::BADF)?;
        self.fds.get(index).map(AsFd::as_fd).ok_or(Errno::BADF)
    }
}

/// The first process of a container, from `clone3` on.
pub(crate) fn run_container(
    environment: &Environment<'_>,
    plan: &ContainerPlan,
    join: &[(u64, BorrowedFd<'_>)],
    prepared: &Prepared<'_>,
) -> ! {
    let reporter = Reporter::new(environment.channel);
    match container(environment, plan, join, prepared, reporter) {
        Ok(never) => match never {},
        Err(failure) => reporter.fail(&failure),
    }
}

fn container<'a>(
    environment: &'a Environment<'a>,
    plan: &'a ContainerPlan,
    join: &[(u64, BorrowedFd<'_>)],
    prepared: &'a Prepared<'a>,
    reporter: Reporter<'_>,
) -> Outcome<'a, std::convert::Infallible> {
    let joins_user = join.iter().any(|(kind, _)| *kind == NEWUSER);
    before_namespaces(environment, prepared, reporter, joins_user)?;
    namespaces::join(join)?;
    if joins_user {
        identity::become_root().step(Step::Namespaces, b"setresuid")?;
        namespaces::make_in_user_namespace(plan.new, reporter)?;
    } else {
        namespaces::unshare_late(plan.new)?;
    }
    if let Some(name) = &plan.hostname {
        rustix::system::sethostname(name.as_bytes()).step(Step::Hostname, name.as_bytes())?;
    }
    for sysctl in &plan.sysctls {
        write_proc(environment.proc, &sysctl.path, sysctl.value.as_bytes())
            .step(Step::Sysctl, sysctl.path.as_bytes())?;
    }
    let terminal = root::assemble(environment, plan, reporter)?;
    run_program(environment, prepared, terminal, !joins_user, reporter)
}

/// A process in a running container, from `clone3` on. `init` is a pidfd of the container's first process.
pub(crate) fn run_exec(
    environment: &Environment<'_>,
    init: BorrowedFd<'_>,
    namespaces: u64,
    prepared: &Prepared<'_>,
) -> ! {
    let reporter = Reporter::new(environment.channel);
    match exec(environment, init, namespaces, prepared, reporter) {
        Ok(never) => match never {},
        Err(failure) => reporter.fail(&failure),
    }
}

fn exec<'a>(
    environment: &'a Environment<'a>,
    init: BorrowedFd<'_>,
    namespaces: u64,
    prepared: &'a Prepared<'a>,
    reporter: Reporter<'_>,
) -> Outcome<'a, std::convert::Infallible> {
    let joins_user = namespaces & NEWUSER != 0;
    before_namespaces(environment, prepared, reporter, joins_user)?;
    namespaces::join_process(init, namespaces)?;
    if joins_user {
        identity::become_root().step(Step::Namespaces, b"setresuid")?;
    }
    let root = rustix::fs::openat(CWD, c"/", fs::PATH_DIRECTORY, rustix::fs::Mode::empty())
        .step(Step::Root, b"/")?;
    let terminal = match prepared.process.terminal {
        Some(size) => Some(terminal::open(root.as_fd(), size, &prepared.process.user, reporter)?),
        None => None,
    };
    drop(root);
    run_program(environment, prepared, terminal, !joins_user, reporter)
}

/// What needs the host's privileges and view: cgroups, `oom_score_adj`, limits above the hard ones.
fn before_namespaces<'a>(
    environment: &Environment<'_>,
    prepared: &'a Prepared<'_>,
    reporter: Reporter<'_>,
    limits_now: bool,
) -> Outcome<'a, ()> {
    rustix::process::umask(rustix::fs::Mode::empty());
    // Until execve nobody in the container may look into this process, a copy of the shim.
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .step(Step::Identity, b"PR_SET_DUMPABLE")?;
    rustix::process::setsid().step(Step::Clone, b"setsid")?;
    for &tasks in environment.cgroup_tasks {
        let file = environment.fd(tasks).step(Step::Cgroup, b"tasks")?;
        rustix::io::write(file, b"0").step(Step::Cgroup, b"tasks")?;
    }
    if let Some(adjustment) = prepared.process.oom_score_adj {
        identity::set_oom_score(environment.proc, adjustment, reporter)?;
    }
    if limits_now {
        identity::set_limits(&prepared.process.rlimits, reporter)?;
    }
    // Kernels without keys, and users with too many, go without.
    let _ = kingpost_sys::join_session_keyring(environment.keyring);
    Ok(())
}

/// From inside the root to the program.
fn run_program<'a>(
    environment: &'a Environment<'a>,
    prepared: &'a Prepared<'a>,
    terminal: Option<OwnedFd>,
    limits_now: bool,
    reporter: Reporter<'_>,
) -> Outcome<'a, std::convert::Infallible> {
    let process = prepared.process;
    match &terminal {
        Some(slave) => stdio::take_terminal(slave.as_fd())?,
        None => stdio::take(&environment.stdio, &process.user)?,
    }
    fs::enter_working_directory(&process.cwd)?;
    if limits_now {
        identity::set_limits(&process.rlimits, reporter)?;
    }
    identity::assume(process, &prepared.groups, reporter)?;
    kingpost_sys::reset_signal_dispositions();
    kingpost_sys::unblock_all_signals().step(Step::Clone, b"sigprocmask")?;
    kingpost_sys::close_range_on_exec(3).step(Step::Exec, b"close_range")?;
    reporter.ready();
    program::execute(prepared)
}

/// Clones a child that runs `body`.
///
/// # Safety
/// As of [`kingpost_sys::clone3`]: `body` may only make system calls on memory prepared before.
pub(crate) unsafe fn spawn(
    options: &CloneOptions<'_>,
    body: impl FnOnce(),
) -> Result<(rustix::process::Pid, OwnedFd), Errno> {
    // SAFETY: as the caller promises.
    match unsafe { kingpost_sys::clone3(options) }? {
        Cloned::Parent { pid, pidfd } => Ok((pid, pidfd)),
        Cloned::Child => {
            body();
            kingpost_sys::exit(1)
        }
    }
}
