//! Services onto nf_tables: what kube-proxy does.
//!
//! [`run`] follows the cluster's Services and EndpointSlices and keeps one table of this node equal to them. Layers, each
//! usable by itself:
//!
//! * [`Catalog`] – pure: objects in, [`Changes`] of frontends out;
//! * [`Installed`] – pure: changes in, one transaction ([`kingpost_nftables::Batch`]) out, whose size depends on the change only;
//! * [`Proxy`] – the transaction into the kernel, taking over from an earlier process, stale UDP flows.
//!
//! Not served, each logged with the Service's name: IPv6 cluster IPs, external IPs (refused on purpose), addresses of load
//! balancers.

mod config;
mod error;
mod flows;
mod frontend;
mod node;
mod proxy;
mod rules;
mod service;
mod watch;

pub use config::Config;
pub use error::Error;
pub use frontend::{Backends, Endpoint, Frontend, Protocol};
pub use node::{prepare, uninstall};
pub use proxy::{Proxy, Synced};
pub use rules::{Installed, Layout, adopt, arrange, slots_for};
pub use service::{Catalog, Changes, Definition, EndpointState, Notice, PortDefinition, ServiceKey, Slice};
pub use watch::{run, run_with};
