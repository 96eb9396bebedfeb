//! Steps in the lives of sandboxes and containers that several RPCs, the followers of pods' events and the start of
//! the server share. Each can be repeated after a crash at any point of it.

pub(crate) mod container;
pub(crate) mod exec;
pub(crate) mod follow;
pub(crate) mod recovery;
pub(crate) mod sandbox;
