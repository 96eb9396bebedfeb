//! Events about objects, with repetitions counted (client-go's `EventCorrelator`, its aggregation of equal events).

use std::collections::HashMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, Time};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::mpsc;
use tracing::{debug, warn};

/// How many different events are remembered for counting.
const REMEMBERED: usize = 4096;
/// How many events may wait to be written; more are dropped with a warning rather than kept without bound.
const WAITING: usize = 1024;

/// Whether an event is worth an operator's attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventType {
    /// All is as it should be.
    Normal,
    /// Something should be looked at.
    Warning,
}

impl EventType {
    fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// Writes events in the background, under one component's name. Cloning shares the writer.
#[derive(Clone)]
pub struct Recorder {
    queue: mpsc::Sender<Note>,
}

/// An event that waits to be written.
struct Note {
    object: ObjectReference,
    event_type: EventType,
    reason: String,
    message: String,
    at: jiff::Timestamp,
}

/// What makes two events the same one.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Identity {
    uid: String,
    field_path: Option<String>,
    event_type: EventType,
    reason: String,
    message: String,
}

struct Written {
    name: String,
    count: i32,
}

impl Recorder {
    /// A recorder for `component` (the event's source), which writes until the last clone is dropped.
    pub fn new(client: Client, component: &str) -> Self {
        let (queue, notes) = mpsc::channel(WAITING);
        let source = Arc::from(component);
        tokio::spawn(write_all(client, source, notes));
        Self { queue }
    }

    /// Says that something happened to `object`.
    pub fn event(
        &self,
        object: &ObjectReference,
        event_type: EventType,
        reason: &str,
        message: impl Into<String>,
    ) {
        let note = Note {
            object: object.clone(),
            event_type,
            reason: reason.to_owned(),
            message: message.into(),
            at: jiff::Timestamp::now(),
        };
        if self.queue.try_send(note).is_err() {
            warn!(reason, "too many events wait to be written, dropped one");
        }
    }
}

async fn write_all(client: Client, component: Arc<str>, mut notes: mpsc::Receiver<Note>) {
    let known = Mutex::new(HashMap::<Identity, Written>::new());
    while let Some(note) = notes.recv().await {
        if let Err(error) = write(&client, &component, &known, &note).await {
            debug!(reason = note.reason, %error, "event not written");
        }
    }
}

async fn write(
    client: &Client,
    component: &str,
    known: &Mutex<HashMap<Identity, Written>>,
    note: &Note,
) -> Result<(), kube::Error> {
    let namespace = note.object.namespace.as_deref().filter(|ns| !ns.is_empty()).unwrap_or("default");
    let api = Api::<Event>::namespaced(client.clone(), namespace);
    let identity = Identity {
        uid: note.object.uid.clone().unwrap_or_default(),
        field_path: note.object.field_path.clone(),
        event_type: note.event_type,
        reason: note.reason.clone(),
        message: note.message.clone(),
    };

    let repeated = known.lock().get(&identity).map(|written| (written.name.clone(), written.count + 1));
    if let Some((name, count)) = repeated {
        let patch = json!({"count": count, "lastTimestamp": Time(note.at)});
        match api.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await {
            Ok(_) => {
                known.lock().insert(identity, Written { name, count });
                return Ok(());
            }
            // It expired: write a new one.
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => return Err(error),
        }
    }

    let event = new_event(component, namespace, note);
    let name = event.metadata.name.clone().unwrap_or_default();
    api.create(&PostParams::default(), &event).await?;
    let mut known = known.lock();
    if known.len() >= REMEMBERED {
        known.clear();
    }
    known.insert(identity, Written { name, count: 1 });
    Ok(())
}

fn new_event(component: &str, namespace: &str, note: &Note) -> Event {
    let object = note.object.name.as_deref().unwrap_or_default();
    // Upstream's form: the object's name and the time in hexadecimal nanoseconds.
    let name = format!("{object}.{:x}", note.at.as_nanosecond());
    Event {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        involved_object: note.object.clone(),
        type_: Some(note.event_type.as_str().to_owned()),
        reason: Some(note.reason.clone()),
        message: Some(note.message.clone()),
        source: Some(EventSource { component: Some(component.to_owned()), host: None }),
        first_timestamp: Some(Time(note.at)),
        last_timestamp: Some(Time(note.at)),
        event_time: None::<MicroTime>,
        count: Some(1),
        reporting_component: Some(component.to_owned()),
        ..Event::default()
    }
}
