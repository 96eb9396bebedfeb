//! Starts the server: opens what it works on, takes over what was left, serves until told to stop.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use kingpost_proto::cri::image_service_server::ImageServiceServer;
use kingpost_proto::cri::runtime_service_server::RuntimeServiceServer;
use tokio::net::{TcpListener, UnixListener};
use tokio_stream::wrappers::UnixListenerStream;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::image_service::Images;
use crate::lifecycle::recovery;
use crate::listener;
use crate::node::Node;
use crate::runtime_service::Runtime;
use crate::streaming;

/// Largest message in either direction; what kubelet and crictl take.
const MAX_MESSAGE: usize = 16 << 20;
/// How long requests may take to finish once the server shall stop.
const DRAIN: Duration = Duration::from_secs(5);
/// Largest number of requests at work on one connection.
const MAX_REQUESTS: u32 = 512;

/// A server that has taken over what it found, and listens.
#[derive(Debug)]
pub struct Server {
    node: Arc<Node>,
    socket: UnixListener,
    streaming: TcpListener,
}

impl Server {
    /// Opens the stores, takes over pods of an earlier server, and listens. Clients that connect from here on
    /// are answered once [`Server::serve`] runs.
    ///
    /// # Errors
    /// When a store cannot be opened or another server listens on the socket.
    pub async fn start(config: Config, shutdown: CancellationToken) -> anyhow::Result<Self> {
        // First of all: two servers must never work on the same state.
        let socket = listener::bind(&config.socket, config.socket_mode)?;
        let (streaming, address) = streaming::bind().await.context("listen for streams")?;
        let node = Node::open(config, streaming::Streams::new(address), shutdown.child_token()).await?;
        recovery::recover(&node).await.context("take over what was left")?;
        Ok(Self { node, socket, streaming })
    }

    /// Imports the images of an OCI or Docker archive.
    ///
    /// # Errors
    /// When the archive cannot be read or is not well-formed.
    pub async fn import_image(&self, archive: &Path) -> anyhow::Result<()> {
        let imported = self.node.images.import(archive).await;
        imported.with_context(|| format!("import {}", archive.display()))?;
        Ok(())
    }

    /// Serves until the token given to [`Server::start`] is cancelled; then ends streams, lets requests finish and
    /// leaves containers running.
    ///
    /// # Errors
    /// When the socket fails.
    pub async fn serve(self) -> anyhow::Result<()> {
        let Self { node, socket, streaming } = self;
        tracing::info!(socket = %node.config.socket.display(), "CRI server ready");
        node.tasks.spawn(streaming::serve(streaming, Arc::clone(&node)));
        let runtime = RuntimeServiceServer::new(Runtime(Arc::clone(&node)))
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_MESSAGE);
        let images = ImageServiceServer::new(Images(Arc::clone(&node)))
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_MESSAGE);
        let shutdown = node.shutdown.clone();
        let served = tonic::transport::Server::builder()
            .max_concurrent_streams(MAX_REQUESTS)
            .add_service(runtime)
            .add_service(images)
            .serve_with_incoming_shutdown(
                UnixListenerStream::new(socket),
                shutdown.clone().cancelled_owned(),
            );
        let finished = async {
            let served = served.await;
            node.shutdown.cancel();
            node.tasks.close();
            node.tasks.wait().await;
            served
        };
        let late = async {
            shutdown.cancelled().await;
            tokio::time::sleep(DRAIN).await;
        };
        // A request that is cut off (a stop with a long grace) is carried on by the next start.
        let served = tokio::select! {
            served = finished => served,
            () = late => Ok(()),
        };
        served.context("serve CRI")
    }
}

/// Runs the server until `shutdown` is cancelled.
///
/// # Errors
/// As [`Server::start`] and [`Server::serve`].
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    Server::start(config, shutdown).await?.serve().await
}
