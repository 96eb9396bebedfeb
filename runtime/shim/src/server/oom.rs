//! Processes killed for lack of memory.

use std::os::fd::OwnedFd;

use rustix::event::PollFlags;

use super::Server;
use crate::protocol::Notice;

/// The kernel's counter, and how to hear of its changes.
pub(crate) struct Oom {
    counter: OwnedFd,
    eventfd: Option<OwnedFd>,
    at_start: u64,
    told: bool,
    /// The cgroup has gone, or cannot be polled.
    deaf: bool,
}

impl Oom {
    pub(crate) fn new(counter: OwnedFd, eventfd: Option<OwnedFd>) -> Self {
        let at_start = read_counter(&counter);
        Self { counter, eventfd, at_start, told: false, deaf: false }
    }

    pub(crate) fn interest(&self) -> Option<(&OwnedFd, PollFlags)> {
        if self.told || self.deaf {
            return None;
        }
        Some(match &self.eventfd {
            Some(eventfd) => (eventfd, PollFlags::IN),
            None => (&self.counter, PollFlags::PRI),
        })
    }

    /// Whether a process was killed since the start.
    pub(crate) fn has_killed(&self) -> bool {
        read_counter(&self.counter) > self.at_start
    }
}

/// The number in the line `oom_kill N`.
fn read_counter(file: &OwnedFd) -> u64 {
    let mut buffer = [0; 1024];
    let count = rustix::io::pread(file, &mut buffer, 0).unwrap_or(0);
    let text = std::str::from_utf8(buffer.get(..count).unwrap_or_default()).unwrap_or_default();
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok()).unwrap_or(0)
}

impl Server {
    pub(crate) fn hear_oom(&mut self, key: u64) {
        let Some(container) = self.containers.get_mut(&key) else { return };
        let Some(oom) = &mut container.oom else { return };
        if let Some(eventfd) = &oom.eventfd {
            // A v1 cgroup also signals its removal, which is no kill; the descriptor is drained either way.
            oom.deaf = rustix::io::read(eventfd, &mut [0; 8]).is_err();
        }
        if !oom.has_killed() {
            return;
        }
        oom.told = true;
        let notice = Notice::Oom { id: container.id.clone() };
        self.tell(&notice);
    }
}
