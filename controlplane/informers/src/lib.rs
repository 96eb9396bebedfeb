//! What every controller and the scheduler are made of.
//!
//! * [`Informer`]: one list-and-watch per kind, shared by all who read that kind; a local copy with an index by owner, and
//!   handlers that are told of every change (client-go's `SharedIndexInformer`).
//! * [`Queue`]: a work queue of object keys, each at most once in the queue and at most once being worked on, with back-off
//!   per key (client-go's `workqueue`).
//! * [`Reconcile`] and [`run_workers`]: the loop that takes keys from a queue.
//! * [`Recorder`]: Events, repeated ones counted rather than created again.
//! * [`lead`]: leader election by a Lease.

mod controller;
mod events;
mod informer;
mod key;
mod leader;
mod queue;

pub use controller::{Error, Reconcile, run_workers};
pub use events::{EventType, Recorder};
pub use informer::{Change, Informer, Object, controller_of};
pub use key::Key;
pub use leader::{LeaderConfig, lead};
pub use queue::Queue;
