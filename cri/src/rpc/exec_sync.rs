//! ExecSync: "runs a command in a container synchronously". "The runtime should cap the output of this response to
//! 16MB. If the stdout of the command produces more than 16MB, the remaining output should be discarded, and the
//! command should proceed with no error."
//!
//! The cap is on both streams together: clients take no larger message (CVE-2022-1708, CVE-2022-31030).

use std::os::fd::OwnedFd;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::{FusedFuture as _, FutureExt as _};
use kingpost_proto::cri::{ExecSyncRequest, ExecSyncResponse};
use kingpost_runtime::{Exec, ExecIo};
use parking_lot::Mutex;
use tokio::time::timeout;

use crate::error::{CriError, Result};
use crate::lifecycle::exec;
use crate::node::Node;
use crate::spec::signal;
use crate::streaming::{AsyncPipe, ExecSession};

/// What fits into a gRPC message of 16 MiB with the rest of the answer.
const CAP: usize = (16 << 20) - 1024;
/// How long output may stay open after the command ended: descendants may have inherited it.
const DRAIN: Duration = Duration::from_millis(250);

pub(crate) async fn exec_sync(node: Arc<Node>, request: ExecSyncRequest) -> Result<ExecSyncResponse> {
    exec::check_command(&request.cmd)?;
    let limit = match request.timeout {
        0 => None,
        seconds => {
            let seconds = u64::try_from(seconds).map_err(|_| CriError::field("timeout", "is negative"))?;
            Some(Duration::from_secs(seconds))
        }
    };
    let session = ExecSession {
        container_id: request.container_id,
        cmd: request.cmd,
        tty: false,
        stdin: false,
        stdout: true,
        stderr: true,
    };
    let mut exec = exec::start(&node, &session).await?;
    let Some(limit) = limit else { return finish(&mut exec).await };
    if let Ok(result) = timeout(limit, finish(&mut exec)).await {
        return result;
    }
    if let Err(error) = exec.signal(signal::KILL).await {
        tracing::warn!(container = session.container_id, %error, "cannot kill a command that timed out");
    }
    Err(CriError::Timeout { operation: "failed to exec in container", seconds: request.timeout })
}

/// Collects output until the command has ended.
async fn finish(exec: &mut Exec) -> Result<ExecSyncResponse> {
    let none = ExecIo::Pipes { stdin: None, stdout: None, stderr: None };
    let (stdout, stderr) = match std::mem::replace(exec.io(), none) {
        ExecIo::Pipes { stdout, stderr, .. } => (stdout, stderr),
        ExecIo::Terminal(_) => (None, None),
    };
    let room = AtomicUsize::new(CAP);
    let (out, err) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let exit = {
        let mut output =
            pin!(async { tokio::join!(collect(stdout, &room, &out), collect(stderr, &room, &err)) }.fuse());
        let mut wait = pin!(exec.wait());
        let exit = tokio::select! {
            exit = &mut wait => exit,
            _ = &mut output => wait.await,
        };
        if !output.is_terminated() {
            let _ = timeout(DRAIN, output).await;
        }
        exit.map_err(CriError::runtime("wait for command in container", "exec"))?
    };
    Ok(ExecSyncResponse { stdout: out.into_inner(), stderr: err.into_inner(), exit_code: exit.code })
}

/// Reads to the end, and keeps what there is room for.
async fn collect(from: Option<OwnedFd>, room: &AtomicUsize, into: &Mutex<Vec<u8>>) -> Result<()> {
    let Some(from) = from else { return Ok(()) };
    let io = |source| CriError::io("read", Path::new("output of the command"), source);
    let from = AsyncPipe::new(from).map_err(io)?;
    let mut buffer = vec![0; 32 << 10];
    loop {
        let read = from.read(&mut buffer).await.map_err(io)?;
        if read == 0 {
            return Ok(());
        }
        let kept = take(room, read);
        into.lock().extend_from_slice(buffer.get(..kept).unwrap_or_default());
    }
}

/// Takes up to `wanted` from what is left.
fn take(room: &AtomicUsize, wanted: usize) -> usize {
    let before =
        room.fetch_update(Ordering::AcqRel, Ordering::Acquire, |room| Some(room.saturating_sub(wanted)));
    before.unwrap_or(0).min(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SECURITY.md, S10: what is over the cap is read and dropped, so that the command is not blocked.
    #[tokio::test]
    async fn output_is_capped_and_read_to_its_end() {
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::NONBLOCK).unwrap();
        let room = AtomicUsize::new(100_000);
        let kept = Mutex::new(Vec::new());
        let writer = async {
            let write = AsyncPipe::new(write).unwrap();
            for _ in 0..10 {
                write.write_all(&[b'x'; 50_000]).await.unwrap();
            }
        };
        let (result, ()) = tokio::join!(collect(Some(read), &room, &kept), writer);
        result.unwrap();
        assert_eq!(kept.into_inner(), vec![b'x'; 100_000]);
    }
}
