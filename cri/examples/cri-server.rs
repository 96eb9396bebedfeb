//! The CRI server by itself, for tests and for trying things out.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Parser;
use ipnet::IpNet;
use kingpost_cri::Config;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

#[derive(Parser)]
struct Flags {
    /// Socket of the gRPC services.
    #[arg(long)]
    socket: PathBuf,
    /// Records, images and snapshots.
    #[arg(long)]
    root_dir: PathBuf,
    /// Sockets of shims and what else a reboot clears.
    #[arg(long)]
    state_dir: PathBuf,
    /// The kingpost-runtime binary.
    #[arg(long)]
    runtime_binary: PathBuf,
    /// Range of pod addresses.
    #[arg(long)]
    pod_cidr: Option<IpNet>,
    /// Address of the node.
    #[arg(long)]
    node_address: Option<IpAddr>,
    /// Parent of pods' cgroups.
    #[arg(long, default_value = "/kingpost-pods")]
    pod_cgroup: String,
    /// Cgroup of shims.
    #[arg(long, default_value = "/kingpost-shims")]
    shim_cgroup: String,
    /// Archive of an image to import before serving.
    #[arg(long)]
    import: Vec<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let flags = Flags::parse();
    let config = Config {
        socket: flags.socket,
        root_dir: flags.root_dir,
        state_dir: flags.state_dir,
        runtime_binary: flags.runtime_binary,
        pod_cidr: flags.pod_cidr,
        node_address: flags.node_address,
        pod_cgroup: flags.pod_cgroup,
        shim_cgroup: flags.shim_cgroup,
        ..Config::default()
    };
    let shutdown = CancellationToken::new();
    let server = kingpost_cri::Server::start(config, shutdown.clone()).await?;
    for archive in &flags.import {
        server.import_image(archive).await?;
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        shutdown.cancel();
    });
    server.serve().await
}
