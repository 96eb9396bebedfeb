//! A network namespace for one test, gone when the test ends.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failure here is a failed test"
)]

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// A named network namespace with loopback up.
pub(crate) struct Namespace(String);

impl Namespace {
    /// Makes one; the name carries the process id.
    pub(crate) fn new(name: &str) -> Self {
        let name = format!("kpnft-{}-{name}", std::process::id());
        command(&["ip", "netns", "add", &name]);
        let namespace = Self(name);
        namespace.exec(&["ip", "link", "set", "lo", "up"]);
        namespace
    }

    /// Runs code on a thread inside.
    pub(crate) fn run<T: Send>(&self, code: impl FnOnce() -> T + Send) -> T {
        let file = File::open(format!("/run/netns/{}", self.0)).unwrap();
        let outcome = std::thread::scope(|scope| {
            scope
                .spawn(|| {
                    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
                    code()
                })
                .join()
        });
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Runs a command inside; gives its output.
    pub(crate) fn exec(&self, arguments: &[&str]) -> String {
        command(&[&["ip", "netns", "exec", &self.0], arguments].concat())
    }

    /// Runs a command inside with this input.
    pub(crate) fn feed(&self, arguments: &[&str], input: &str) {
        let mut child = Command::new("ip")
            .args(["netns", "exec", &self.0])
            .args(arguments)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "{arguments:?}");
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "delete", &self.0]).status();
    }
}

fn command(arguments: &[&str]) -> String {
    let output = Command::new(arguments[0]).args(&arguments[1..]).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
