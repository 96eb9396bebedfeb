//! GetContainerEvents.

use kingpost_proto::cri::{self, ContainerEventType};
use tokio_stream::StreamExt as _;

use crate::harness::{Node, PATIENCE, Requests as _, able, script};

#[tokio::test]
async fn events_come_in_causal_order() {
    if !able() {
        return;
    }
    let node = Node::start().await;
    let mut runtime = node.runtime().await;
    let mut events = runtime.get_container_events(cri::GetEventsRequest {}).await.unwrap().into_inner();
    let sandbox = node.sandbox("events");
    let pod = runtime.run(&sandbox).await;
    let container = runtime.create(&pod, &sandbox, script("short", "exit 5")).await.unwrap();
    runtime.begin(&container).await.unwrap();
    runtime.exited(&container).await;
    runtime.remove_pod(&pod).await;

    let mut seen = Vec::new();
    while !seen.contains(&(pod.clone(), ContainerEventType::ContainerDeletedEvent)) {
        let event = tokio::time::timeout(PATIENCE, events.next()).await.unwrap().unwrap().unwrap();
        if event.container_event_type() == ContainerEventType::ContainerStoppedEvent
            && event.container_id == container
        {
            let status = event.containers_statuses.iter().find(|status| status.id == container).unwrap();
            assert_eq!(status.exit_code, 5, "the event shows what it tells of");
        }
        seen.push((event.container_id.clone(), event.container_event_type()));
    }
    let kinds =
        |id: &str| seen.iter().filter(|(seen, _)| seen == id).map(|(_, kind)| *kind).collect::<Vec<_>>();
    let life = [
        ContainerEventType::ContainerCreatedEvent,
        ContainerEventType::ContainerStartedEvent,
        ContainerEventType::ContainerStoppedEvent,
        ContainerEventType::ContainerDeletedEvent,
    ];
    assert_eq!(kinds(&container), life);
    assert_eq!(kinds(&pod), life);
}
