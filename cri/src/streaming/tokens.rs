//! Sessions that were asked for and not yet begun.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::id;

/// How long a URL works.
const LIFETIME: Duration = Duration::from_secs(60);
/// Most URLs that are out at a time; containerd's number.
const MOST: usize = 1000;

/// A command to run in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExecSession {
    pub(crate) container_id: String,
    pub(crate) cmd: Vec<String>,
    pub(crate) tty: bool,
    pub(crate) stdin: bool,
    pub(crate) stdout: bool,
    pub(crate) stderr: bool,
}

/// A container to attach to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AttachSession {
    pub(crate) container_id: String,
    pub(crate) stdin: bool,
    pub(crate) stdout: bool,
    pub(crate) stderr: bool,
}

/// What a URL stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Session {
    /// Run a command.
    Exec(ExecSession),
    /// Attach to the container.
    Attach(AttachSession),
}

impl Session {
    /// The first part of the URL's path.
    fn verb(&self) -> &'static str {
        match self {
            Self::Exec(_) => "exec",
            Self::Attach(_) => "attach",
        }
    }
}

/// The URLs that are out.
#[derive(Debug)]
pub(crate) struct Streams {
    address: SocketAddr,
    pending: Mutex<HashMap<String, (Instant, Session)>>,
}

impl Streams {
    /// For a server that listens on `address`.
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, pending: Mutex::default() }
    }

    /// A URL for a session; `None` when too many are out.
    pub(crate) fn issue(&self, session: Session) -> Option<String> {
        self.issue_at(session, Instant::now())
    }

    fn issue_at(&self, session: Session, now: Instant) -> Option<String> {
        let mut pending = self.pending.lock();
        pending.retain(|_, (since, _)| now.duration_since(*since) < LIFETIME);
        if pending.len() >= MOST {
            return None;
        }
        let token = id::new();
        let url = format!("http://{}/{}/{token}", self.address, session.verb());
        pending.insert(token, (now, session));
        Some(url)
    }

    /// The session of a token, which is worth nothing from then on.
    pub(crate) fn take(&self, verb: &str, token: &str) -> Option<Session> {
        self.take_at(verb, token, Instant::now())
    }

    fn take_at(&self, verb: &str, token: &str, now: Instant) -> Option<Session> {
        let (since, session) = self.pending.lock().remove(token)?;
        (now.duration_since(since) < LIFETIME && session.verb() == verb).then_some(session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        Session::Attach(AttachSession { container_id: "c".into(), stdin: false, stdout: true, stderr: false })
    }

    fn streams() -> Streams {
        Streams::new("127.0.0.1:1234".parse().unwrap())
    }

    /// SECURITY.md, S11.
    #[test]
    fn a_token_works_once_for_its_verb_and_for_a_minute() {
        let (streams, now) = (streams(), Instant::now());
        let token = |url: String| url.strip_prefix("http://127.0.0.1:1234/attach/").unwrap().to_owned();
        let first = token(streams.issue_at(session(), now).unwrap());
        assert_eq!(streams.take_at("attach", &first, now), Some(session()));
        assert_eq!(streams.take_at("attach", &first, now), None, "used");
        let second = token(streams.issue_at(session(), now).unwrap());
        assert_eq!(streams.take_at("exec", &second, now), None, "other verb");
        let third = token(streams.issue_at(session(), now).unwrap());
        assert_eq!(streams.take_at("attach", &third, now + LIFETIME), None, "expired");
        assert_eq!(streams.take_at("attach", "guess", now), None);
    }

    #[test]
    fn the_number_of_tokens_is_bounded_and_expired_ones_make_room() {
        let (streams, now) = (streams(), Instant::now());
        for _ in 0..MOST {
            assert!(streams.issue_at(session(), now).is_some());
        }
        assert!(streams.issue_at(session(), now).is_none());
        assert!(streams.issue_at(session(), now + LIFETIME).is_some());
    }
}
