//! GetContainerEvents: "gets container events from the CRI runtime".
//!
//! A client that is too slow is cut off with DATA_LOSS: it has to list everything and connect again.

use futures::Stream;
use kingpost_proto::cri::ContainerEventResponse;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::node::Node;

pub(crate) fn get_container_events(
    node: &Node,
) -> impl Stream<Item = Result<ContainerEventResponse, Status>> + Send + 'static {
    let mut events = BroadcastStream::new(node.events.subscribe());
    let shutdown: CancellationToken = node.shutdown.clone();
    let (sender, receiver) = tokio::sync::mpsc::channel(16);
    node.tasks.spawn(async move {
        loop {
            let event = tokio::select! {
                () = shutdown.cancelled() => return,
                () = sender.closed() => return,
                event = events.next() => event,
            };
            let message = match event {
                None => return,
                Some(Ok(event)) => Ok(event),
                Some(Err(BroadcastStreamRecvError::Lagged(missed))) => {
                    Err(Status::data_loss(format!("{missed} events were missed")))
                }
            };
            let last = message.is_err();
            if sender.send(message).await.is_err() || last {
                return;
            }
        }
    });
    tokio_stream::wrappers::ReceiverStream::new(receiver)
}
