//! The scheduler: gives every pod that has no node one, or says in an Event why none will do.
//!
//! One pod at a time: [`filter`] drops the nodes that cannot take it, [`score`] orders the rest, a `binding` makes it so. The nodes'
//! free resources are kept in [`cluster`], fed by informers; a pod that was just bound counts there at once (it is *assumed*)
//! and not only when its change comes back. Pods that fit nowhere wait in [`waiting`] until something changes that could help.
//!
//! Follows upstream's scheduling framework: plugin names in comments say which one a rule is taken from.

mod bind;
mod cluster;
mod filter;
mod pod;
mod quantity;
mod resources;
mod run;
mod score;
mod waiting;

pub use run::{Config, run};
