//! The HTTP side: accepts connections, finds the session of a token, switches to WebSocket.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts as _, Path, Request, State};
use axum::http::{StatusCode, request::Parts};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use kingpost_proto::remote_command::{SUBPROTOCOLS, Version};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::session;
use crate::node::Node;

/// Connections at a time, sessions among them.
const MAX_CONNECTIONS: usize = 1024;
/// How long a client may take to send its request.
const REQUEST_TIME: Duration = Duration::from_secs(10);
/// Largest message; kubectl sends 32 KiB.
const MAX_MESSAGE: usize = 1 << 20;

/// Listens on a free port of the loopback.
pub(crate) async fn bind() -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Serves until the node shuts down.
pub(crate) async fn serve(listener: TcpListener, node: Arc<Node>) {
    let router = Router::new().route("/{verb}/{token}", any(handle)).with_state(Arc::clone(&node));
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            () = node.shutdown.cancelled() => return,
            accepted = accept(&listener, &slots) => accepted,
        };
        match accepted {
            Ok((stream, slot)) => {
                let (router, shutdown) = (router.clone(), node.shutdown.clone());
                node.tasks.spawn(async move {
                    let _slot = slot;
                    tokio::select! {
                        () = shutdown.cancelled() => {}
                        () = connection(stream, router) => {}
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "streaming server cannot accept");
                // Out of descriptors: wait until some are closed, rather than spin.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, slot))
}

async fn connection(stream: TcpStream, router: Router) {
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_TIME)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "streaming connection");
    }
}

async fn handle(
    State(node): State<Arc<Node>>,
    Path((verb, token)): Path<(String, String)>,
    request: Request,
) -> Response {
    let (mut parts, _) = request.into_parts();
    // The token is spent by any request that names it.
    let Some(session) = node.streams.take(&verb, &token) else {
        return (StatusCode::NOT_FOUND, "unknown or expired session\n").into_response();
    };
    match upgrade(&mut parts).await {
        Ok((upgrade, version)) => {
            let (tasks, shutdown) = (node.tasks.clone(), node.shutdown.clone());
            upgrade.on_upgrade(move |socket| async move {
                let work = tasks.track_future(session::run(node, socket, version, session));
                tokio::select! {
                    () = shutdown.cancelled() => {}
                    () = work => {}
                }
            })
        }
        Err(response) => *response,
    }
}

async fn upgrade(parts: &mut Parts) -> Result<(WebSocketUpgrade, Version), Box<Response>> {
    let refuse = |message: String| Box::new((StatusCode::BAD_REQUEST, message).into_response());
    let upgrade = WebSocketUpgrade::from_request_parts(parts, &())
        .await
        .map_err(|error| refuse(format!("only WebSocket is served here: {error}\n")))?
        .protocols(SUBPROTOCOLS)
        .max_message_size(MAX_MESSAGE)
        .max_frame_size(MAX_MESSAGE)
        .max_write_buffer_size(2 * MAX_MESSAGE);
    let version = upgrade
        .selected_protocol()
        .and_then(|protocol| protocol.to_str().ok())
        .and_then(|protocol| Version::negotiate([protocol]))
        .ok_or_else(|| refuse(format!("no common subprotocol: have {}\n", SUBPROTOCOLS.join(", "))))?;
    Ok((upgrade, version))
}
