//! A sandbox and a container in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kingpost_runtime::Pod;
use parking_lot::RwLock;
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio_util::sync::CancellationToken;

use crate::error::{CriError, Result};
use crate::record::{ContainerPhase, ContainerRecord, Durability, RecordError, Recorded, SandboxRecord};

/// One step of an object's life at a time: whoever has the turn takes it.
#[derive(Debug)]
struct Turn(Semaphore);

impl Turn {
    fn new() -> Self {
        Self(Semaphore::new(1))
    }

    async fn take(&self) -> Option<SemaphorePermit<'_>> {
        // Never closed, so never an error.
        self.0.acquire().await.ok()
    }
}

/// A sandbox.
#[derive(Debug)]
pub(crate) struct Sandbox {
    pub(crate) record: Arc<Recorded<SandboxRecord>>,
    /// The live pod, while there is one.
    pod: RwLock<Option<Pod>>,
    turn: Turn,
    /// Ends the task that follows the pod's events.
    pub(crate) unfollow: CancellationToken,
}

impl Sandbox {
    pub(crate) fn new(record: Arc<Recorded<SandboxRecord>>) -> Arc<Self> {
        Arc::new(Self {
            record,
            pod: RwLock::new(None),
            turn: Turn::new(),
            unfollow: CancellationToken::new(),
        })
    }

    pub(crate) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.turn.take().await
    }

    pub(crate) fn set_pod(&self, pod: Option<Pod>) {
        *self.pod.write() = pod;
    }

    /// The live pod, if there is one.
    pub(crate) fn pod(&self) -> Option<Pod> {
        self.pod.read().clone()
    }

    /// The live pod, or the error of an operation that needs it.
    pub(crate) fn live(&self, operation: &'static str) -> Result<Pod> {
        self.pod().ok_or_else(|| CriError::WrongState {
            kind: "sandbox",
            id: self.record.get().id.clone(),
            operation,
            reason: "it is not running".into(),
        })
    }
}

/// A container.
#[derive(Debug)]
pub(crate) struct Container {
    pub(crate) record: Arc<Recorded<ContainerRecord>>,
    turn: Turn,
    /// Follows the record's phase.
    phase: watch::Sender<ContainerPhase>,
    stop_signalled: AtomicBool,
}

impl Container {
    pub(crate) fn new(record: Arc<Recorded<ContainerRecord>>) -> Arc<Self> {
        let phase = watch::Sender::new(record.get().phase());
        Arc::new(Self { record, turn: Turn::new(), phase, stop_signalled: AtomicBool::new(false) })
    }

    pub(crate) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.turn.take().await
    }

    pub(crate) fn phase(&self) -> ContainerPhase {
        self.record.get().phase()
    }

    /// Changes the record, and lets those know who wait for a phase.
    pub(crate) async fn update(
        &self,
        durability: Durability,
        change: impl FnOnce(&mut ContainerRecord) + Send + 'static,
    ) -> std::result::Result<Arc<ContainerRecord>, RecordError> {
        let record = self.record.update(durability, change).await?;
        self.phase.send_replace(record.phase());
        Ok(record)
    }

    /// Waits until the container neither runs nor is being started.
    pub(crate) async fn ended(&self) {
        let mut phase = self.phase.subscribe();
        // The sender lives as long as self, so this does not fail.
        let _ = phase
            .wait_for(|phase| !matches!(phase, ContainerPhase::Starting | ContainerPhase::Running))
            .await;
    }

    /// True for the first caller: the stop signal is sent once.
    pub(crate) fn first_stop(&self) -> bool {
        !self.stop_signalled.swap(true, Ordering::AcqRel)
    }

    /// Lets the next stop send the signal again, after one that could not.
    pub(crate) fn stop_failed(&self) {
        self.stop_signalled.store(false, Ordering::Release);
    }
}
