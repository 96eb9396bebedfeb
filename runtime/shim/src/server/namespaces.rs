//! The pod's namespaces: made once, held open by descriptors.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use kingpost_sys::{CloneOptions, setns, unshare};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{Pid, Signal, pidfd_send_signal};

use crate::child::{NEWIPC, NEWNET, NEWNS, NEWPID, NEWUSER, NEWUTS, enter_empty_root, spawn, write_proc};
use crate::plan::{IdMapLine, PodPlan};
use crate::protocol::{ChildFailure, Step};

const KINDS: [(u64, &CStr); 5] =
    [(NEWUSER, c"user"), (NEWNET, c"net"), (NEWIPC, c"ipc"), (NEWUTS, c"uts"), (NEWPID, c"pid")];

/// The shim's own namespaces, to return to.
pub(crate) struct OwnNamespaces {
    pub(crate) net: OwnedFd,
    ipc: OwnedFd,
    uts: OwnedFd,
    pub(crate) pid: OwnedFd,
}

/// The pod's.
#[derive(Default)]
pub(crate) struct PodNamespaces {
    held: Vec<(u64, OwnedFd)>,
    /// PID 1 of a shared PID namespace.
    reaper: Option<OwnedFd>,
}

impl OwnNamespaces {
    pub(crate) fn open(proc: BorrowedFd<'_>) -> Result<Self, Errno> {
        Ok(Self {
            net: open_namespace(proc, c"self/ns/net")?,
            ipc: open_namespace(proc, c"self/ns/ipc")?,
            uts: open_namespace(proc, c"self/ns/uts")?,
            pid: open_namespace(proc, c"self/ns/pid")?,
        })
    }

    fn all(&self) -> [(u64, BorrowedFd<'_>); 3] {
        [(NEWNET, self.net.as_fd()), (NEWIPC, self.ipc.as_fd()), (NEWUTS, self.uts.as_fd())]
    }
}

/// Namespace files are magic links, which nothing but the kernel can have put into a private procfs.
fn open_namespace(proc: BorrowedFd<'_>, path: &CStr) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(proc, path, OFlags::RDONLY | OFlags::CLOEXEC, rustix::fs::Mode::empty())
}

fn enter(fd: impl AsFd, kind: u64) -> Result<(), Errno> {
    setns(fd, i32::try_from(kind).map_err(|_| Errno::INVAL)?)
}

fn failure(step: Step, errno: Errno, detail: &str) -> ChildFailure {
    ChildFailure { step, errno: errno.raw_os_error(), detail: detail.into() }
}

impl PodNamespaces {
    pub(crate) fn get(&self, kind: u64) -> Option<BorrowedFd<'_>> {
        self.held.iter().find(|(held, _)| *held == kind).map(|(_, fd)| fd.as_fd())
    }

    pub(crate) fn all(&self) -> (Vec<u64>, Vec<BorrowedFd<'_>>) {
        self.held.iter().map(|(kind, fd)| (*kind, fd.as_fd())).unzip()
    }

    /// Ends the reaper, and with it all processes of a shared PID namespace.
    pub(crate) fn end(&self) {
        if let Some(reaper) = &self.reaper {
            // It may have ended already.
            let _ = pidfd_send_signal(reaper, Signal::KILL);
        }
    }

    /// Makes what the plan says, and configures it.
    pub(crate) fn make(
        plan: &PodPlan,
        fds: Vec<OwnedFd>,
        own: &OwnNamespaces,
        proc: BorrowedFd<'_>,
    ) -> Result<Self, ChildFailure> {
        let mut pod = Self::default();
        let net = plan.net.and_then(|net| fds.into_iter().nth(usize::try_from(net.index).ok()?));
        if plan.net.is_some() && net.is_none() {
            return Err(failure(Step::Namespaces, Errno::BADF, "network namespace"));
        }
        if plan.new & NEWUSER != 0 {
            pod.make_by_child(plan, plan.new, proc)?;
        } else {
            pod.make_here(plan.new & !NEWPID, own, proc)?;
            if plan.new & NEWPID != 0 {
                pod.make_by_child(plan, NEWPID, proc)?;
            }
        }
        if let Some(net) = net {
            pod.held.push((NEWNET, net));
        }
        let configured = pod.configure(plan, proc);
        own.restore(&pod)?;
        configured?;
        Ok(pod)
    }

    /// Makes namespaces for this process, keeps them and leaves them again.
    fn make_here(&mut self, new: u64, own: &OwnNamespaces, proc: BorrowedFd<'_>) -> Result<(), ChildFailure> {
        if new == 0 {
            return Ok(());
        }
        let made = i32::try_from(new).map_err(|_| Errno::INVAL).and_then(unshare);
        made.map_err(|errno| failure(Step::Namespaces, errno, "unshare"))?;
        let mut opened = Ok(());
        for (kind, name) in KINDS.iter().filter(|(kind, _)| new & kind != 0) {
            let path = [c"self/ns/".to_bytes(), name.to_bytes()].concat();
            let fd =
                CString::new(path).map_err(|_| Errno::INVAL).and_then(|path| open_namespace(proc, &path));
            match fd {
                Ok(fd) => self.held.push((*kind, fd)),
                Err(errno) => opened = Err(failure(Step::Namespaces, errno, "open a namespace")),
            }
        }
        own.restore_kinds(new)?;
        opened
    }

    /// Makes namespaces that take a process: a user namespace and all that it owns, or a PID namespace.
    fn make_by_child(&mut self, plan: &PodPlan, new: u64, proc: BorrowedFd<'_>) -> Result<(), ChildFailure> {
        let clone_failure = |errno| failure(Step::Namespaces, errno, "clone3");
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .map_err(clone_failure)?;
        let stays = new & NEWPID != 0;
        let options = CloneOptions { namespaces: new, ..CloneOptions::default() };
        // SAFETY: the child makes system calls on what exists here already, and never returns.
        let (pid, pidfd) =
            unsafe { spawn(&options, || wait_and_reap(theirs.as_fd(), stays)) }.map_err(clone_failure)?;
        drop(theirs);
        let done = self.adopt(plan, new, pid, proc);
        if done.is_err() {
            let _ = pidfd_send_signal(&pidfd, Signal::KILL);
            return done;
        }
        let go = rustix::io::write(&ours, b"g").and_then(|_| match rustix::io::read(&ours, &mut [0; 1])? {
            1 => Ok(()),
            _ => Err(Errno::CHILD),
        });
        go.map_err(|errno| failure(Step::Namespaces, errno, "reaper"))?;
        if stays {
            self.reaper = Some(pidfd);
        }
        Ok(())
    }

    /// Maps a child's ids and opens its namespaces.
    fn adopt(
        &mut self,
        plan: &PodPlan,
        new: u64,
        pid: Pid,
        proc: BorrowedFd<'_>,
    ) -> Result<(), ChildFailure> {
        let path = |file: &str| {
            CString::new(format!("{}/{file}", pid.as_raw_nonzero()))
                .map_err(|_| failure(Step::Namespaces, Errno::INVAL, file))
        };
        if new & NEWUSER != 0 {
            for (file, map) in [("uid_map", &plan.uid_map), ("gid_map", &plan.gid_map)] {
                write_proc(proc, path(file)?.as_c_str(), map_text(map).as_bytes())
                    .map_err(|errno| failure(Step::Namespaces, errno, file))?;
            }
        }
        for (kind, name) in KINDS.iter().filter(|(kind, _)| new & kind != 0) {
            let name = name.to_string_lossy();
            let fd = open_namespace(proc, path(&format!("ns/{name}"))?.as_c_str())
                .map_err(|errno| failure(Step::Namespaces, errno, &name))?;
            self.held.push((*kind, fd));
        }
        Ok(())
    }

    /// Sets the host name and sysctls from inside the namespaces; the caller returns to its own.
    fn configure(&self, plan: &PodPlan, proc: BorrowedFd<'_>) -> Result<(), ChildFailure> {
        if plan.hostname.is_none() && plan.sysctls.is_empty() {
            return Ok(());
        }
        for kind in [NEWNET, NEWIPC, NEWUTS] {
            if let Some(fd) = self.get(kind) {
                enter(fd, kind).map_err(|errno| failure(Step::Namespaces, errno, "setns"))?;
            }
        }
        if let Some(name) = &plan.hostname {
            rustix::system::sethostname(name.as_bytes())
                .map_err(|errno| failure(Step::Hostname, errno, name))?;
        }
        for sysctl in &plan.sysctls {
            write_proc(proc, &sysctl.path, sysctl.value.as_bytes())
                .map_err(|errno| failure(Step::Sysctl, errno, &sysctl.path.to_string_lossy()))?;
        }
        Ok(())
    }
}

impl OwnNamespaces {
    fn restore(&self, pod: &PodNamespaces) -> Result<(), ChildFailure> {
        self.restore_kinds(pod.held.iter().fold(0, |all, (kind, _)| all | kind))
    }

    fn restore_kinds(&self, kinds: u64) -> Result<(), ChildFailure> {
        for (kind, fd) in self.all().into_iter().filter(|(kind, _)| kinds & kind != 0) {
            enter(fd, kind).map_err(|errno| failure(Step::Namespaces, errno, "return to the shim's"))?;
        }
        Ok(())
    }
}

fn map_text(map: &[IdMapLine]) -> String {
    map.iter().map(|line| format!("{} {} {}\n", line.inside, line.outside, line.count)).collect()
}

/// The child: waits for its parent's word; then ends, or becomes the reaper of its PID namespace, confined to nothing.
fn wait_and_reap(channel: BorrowedFd<'_>, stays: bool) {
    if rustix::io::read(channel, &mut [0; 1]) != Ok(1) {
        return;
    }
    if !stays {
        let _ = rustix::io::write(channel, b"d");
        kingpost_sys::exit(0);
    }
    if confine().is_err() {
        return;
    }
    let _ = rustix::io::write(channel, b"d");
    // SAFETY: this copy of the shim uses no descriptor any more, and never returns to code that owns one.
    if unsafe { kingpost_sys::close_range_now(0) }.is_err() {
        return;
    }
    loop {
        // Without children this fails, and a child that comes later wakes nothing: SIGCHLD, blocked, is waited for.
        match rustix::process::wait(rustix::process::WaitOptions::empty()) {
            Ok(_) => {}
            Err(_) => kingpost_sys::wait_for_child_signal(),
        }
    }
}

/// Leaves the host's file systems, privileges and name to nobody.
fn confine() -> Result<(), Errno> {
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    rustix::thread::set_name(c"kingpost-reaper")?;
    rustix::process::setsid()?;
    kingpost_sys::unshare(i32::try_from(NEWNS).map_err(|_| Errno::INVAL)?)?;
    enter_empty_root(c"/usr")?;
    rustix::thread::set_no_new_privs(true)?;
    let none = rustix::thread::CapabilitySet::empty();
    rustix::thread::set_capabilities(
        None,
        rustix::thread::CapabilitySets { effective: none, permitted: none, inheritable: none },
    )
}
