//! The CRI server as its clients see it: each test starts one in a network namespace of its own, with its own
//! directories and cgroups, and drives it through the socket. They need root, `ip` and `nsenter`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests, and what they share, fail by panics"
)]

mod crash;
mod crictl;
mod events;
mod exec;
mod harness;
mod lifecycle;
mod measure;
mod refusals;
mod settings;

use tokio_util::sync::CancellationToken;

/// Not a test: the harness runs this binary again with it, as the server, so that it can be killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the server that the tests start"]
async fn serve() {
    // The worst umask: nothing may rely on it.
    rustix::process::umask(rustix::fs::Mode::empty());
    let config = harness::config_from_environment();
    let archive = harness::archive_from_environment();
    let server = kingpost_cri::Server::start(config, CancellationToken::new()).await.unwrap();
    if let Some(archive) = archive {
        server.import_image(&archive).await.unwrap();
    }
    server.serve().await.unwrap();
}
