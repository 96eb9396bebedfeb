//! The CRI server of a node: `RuntimeService` and `ImageService` of CRI v1 on a Unix socket.
//!
//! A stock kubelet, crictl or our own agent drives it; it drives the runtime (shims and containers), the image store
//! and the pod network. It can be killed at any instant: what it knows is in records that are written before each
//! step, what runs is held by shims, and the next start takes both over.
//!
//! - [`run`] serves until told to stop; containers run on.
//! - One file per RPC in `rpc/`; steps that several share are in `lifecycle/`.
//! - `spec/` makes OCI specifications from requests and images.
//! - `record/` and `store/` are what is known, on disk and in memory.

mod config;
mod error;
mod events;
mod filter;
mod id;
mod image_service;
mod lifecycle;
mod listener;
mod node;
mod pod_files;
mod projection;
mod record;
mod rpc;
mod runtime_service;
mod server;
mod spec;
mod stats;
mod store;
mod streaming;

pub use config::Config;
pub use server::{Server, run};
