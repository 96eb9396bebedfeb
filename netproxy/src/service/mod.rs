//! Services and EndpointSlices as the proxy sees them.

mod catalog;
mod definition;
mod slice;

pub use catalog::{Catalog, Changes, ServiceKey};
pub use definition::{Definition, Notice, PortDefinition};
pub use slice::{EndpointState, Slice};
