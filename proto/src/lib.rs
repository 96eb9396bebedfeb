//! Wire protocols that several parts of Kingpost speak.
//!
//! - [`cri`]: the Container Runtime Interface v1 as Kubernetes 1.37 has it, client and server, compiled
//!   from `api.proto`.
//! - [`remote_command`]: the framing of exec and attach streams over WebSocket
//!   (`v4.channel.k8s.io`, `v5.channel.k8s.io`).
//! - [`log_line`]: the lines of a container's log file.

mod auth_debug;
pub mod cri;
pub mod log_line;
pub mod remote_command;
