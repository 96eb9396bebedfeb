//! The kinds that the API server serves: what each one defaults, allows, keeps apart and shows.
//!
//! [`resources`] is the table that drives the generic registry. A [`Strategy`] is pure: it sees objects as
//! [`serde_json::Value`]s and never reads anything else. Texts are upstream's (`pkg/apis/*/validation`), and so are the
//! columns of tables (`pkg/printers/internalversion`).

mod defaults;
mod kinds;
mod metadata;
mod object;
mod pod_spec;
mod resource;
mod strategy;
mod table;

pub use kinds::resources;
pub use resource::{Resource, SubresourceInfo};
pub use strategy::{Strategy, Subresource};
pub use table::Column;
