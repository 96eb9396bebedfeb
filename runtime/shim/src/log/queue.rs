//! What is read from containers and not yet in their log files.
//!
//! The polling thread pushes chunks and never waits; one writer thread takes them. A container's queue is bounded: while
//! it is full the polling thread leaves the container's pipe alone, so that the container waits as it would with any
//! slow log. If the writer has been inside one write for [`STALL`] (a frozen or dead disk), or a write fails (a full
//! one), output is taken and dropped instead; it is counted, and a line in the log says so once there is room.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::line::{LineWriter, Stream, format_timestamp};
use crate::server::clock;

/// Bytes of one container that may wait.
const QUEUE_LIMIT: usize = 256 << 10;
/// How long one write may take before output is dropped.
pub(crate) const STALL: Duration = Duration::from_secs(2);

/// The polling thread's end.
#[derive(Debug)]
pub(crate) struct LogQueue {
    shared: Arc<Shared>,
    running: bool,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    work: Condvar,
    /// Tells the polling thread that a queue has become empty.
    wake: OwnedFd,
}

#[derive(Debug, Default)]
struct State {
    logs: BTreeMap<u64, Log>,
    next: u64,
    writing_since: Option<Instant>,
}

#[derive(Debug)]
struct Log {
    file: Arc<OwnedFd>,
    chunks: VecDeque<Chunk>,
    /// Bytes in `chunks` and in the writer's hands.
    bytes: usize,
    /// Bytes lost so far, and how many of them no line in the log tells of yet.
    lost: u64,
    unmarked: u64,
    /// A failed write ended in the middle of a line.
    torn: bool,
    writers: Option<Box<[LineWriter; 2]>>,
    removed: bool,
}

#[derive(Debug)]
enum Chunk {
    Data(Stream, Vec<u8>),
    End(Stream),
}

impl LogQueue {
    /// `wake` is an eventfd that the polling thread polls.
    pub(crate) fn new(wake: OwnedFd) -> Self {
        let shared = Shared { state: Mutex::new(State::default()), work: Condvar::new(), wake };
        Self { shared: Arc::new(shared), running: false }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }

    /// Starts a log; the first starts the writer.
    pub(crate) fn open(&mut self, file: OwnedFd) -> std::io::Result<u64> {
        if !self.running {
            let shared = self.shared.clone();
            std::thread::Builder::new()
                .name("log".into())
                .stack_size(128 << 10)
                .spawn(move || shared.write())?;
            self.running = true;
        }
        let mut state = self.lock();
        state.next += 1;
        let key = state.next;
        let log = Log {
            file: Arc::new(file),
            chunks: VecDeque::new(),
            bytes: 0,
            lost: 0,
            unmarked: 0,
            torn: false,
            writers: Some(Box::new([LineWriter::new(Stream::Stdout), LineWriter::new(Stream::Stderr)])),
            removed: false,
        };
        state.logs.insert(key, log);
        Ok(key)
    }

    /// Writes to another file from the next line on.
    pub(crate) fn reopen(&self, key: u64, file: OwnedFd) {
        if let Some(log) = self.lock().logs.get_mut(&key) {
            log.file = Arc::new(file);
            log.torn = false;
        }
    }

    /// Whether a container's next bytes can be taken: there is room, or they will be dropped.
    pub(crate) fn takes(&self, key: u64) -> bool {
        let state = self.lock();
        state.stalled() || state.logs.get(&key).is_none_or(|log| log.bytes < QUEUE_LIMIT)
    }

    /// Adds output, or drops and counts it where there is no room.
    pub(crate) fn push(&self, key: u64, stream: Stream, bytes: Vec<u8>) {
        let mut state = self.lock();
        let Some(log) = state.logs.get_mut(&key) else { return };
        if log.bytes >= QUEUE_LIMIT {
            log.lose(bytes.len());
            return;
        }
        log.bytes += bytes.len();
        log.chunks.push_back(Chunk::Data(stream, bytes));
        drop(state);
        self.shared.work.notify_one();
    }

    /// Ends a stream, so that its unfinished line is written.
    pub(crate) fn end(&self, key: u64, stream: Stream) {
        if let Some(log) = self.lock().logs.get_mut(&key) {
            log.chunks.push_back(Chunk::End(stream));
        }
        self.shared.work.notify_one();
    }

    /// Whether all that was pushed is in the file or lost.
    pub(crate) fn is_flushed(&self, key: u64) -> bool {
        self.lock().logs.get(&key).is_none_or(|log| log.chunks.is_empty() && log.writers.is_some())
    }

    /// Bytes that were not logged.
    pub(crate) fn lost(&self, key: u64) -> u64 {
        self.lock().logs.get(&key).map_or(0, |log| log.lost)
    }

    /// Forgets a log and what has not been written of it.
    pub(crate) fn close(&self, key: u64) {
        let mut state = self.lock();
        if state.logs.get(&key).is_some_and(|log| log.writers.is_some()) {
            state.logs.remove(&key);
        } else if let Some(log) = state.logs.get_mut(&key) {
            log.removed = true;
            log.chunks.clear();
        }
    }
}

impl State {
    fn stalled(&self) -> bool {
        self.writing_since.is_some_and(|since| since.elapsed() > STALL)
    }
}

impl Log {
    fn lose(&mut self, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.lost = self.lost.saturating_add(count);
        self.unmarked = self.unmarked.saturating_add(count);
    }
}

/// What the writer has taken from a log.
struct Batch {
    key: u64,
    file: Arc<OwnedFd>,
    chunks: VecDeque<Chunk>,
    writers: Box<[LineWriter; 2]>,
    unmarked: u64,
    torn: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A poisoned lock only means that the other thread panicked; the state is valid between statements.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) {
        let mut last = 0;
        let mut written_since_trim = 0_usize;
        loop {
            let mut batch = self.next_batch(last);
            last = batch.key;
            let bytes: usize = batch.chunks.iter().map(Chunk::len).sum();
            let result = batch.write();
            self.put_back(batch, bytes, result);
            // Whoever waits for room or for the end of a log looks again.
            let _ = rustix::io::write(self.wake.as_fd(), &1_u64.to_ne_bytes());
            written_since_trim += bytes;
            if written_since_trim > 4 << 20 {
                kingpost_sys::trim_malloc();
                written_since_trim = 0;
            }
        }
    }

    /// The next log in turn that has something to write.
    fn next_batch(&self, last: u64) -> Batch {
        let mut state = self.lock();
        loop {
            let ready = |(_, log): &(&u64, &Log)| !log.chunks.is_empty() && log.writers.is_some();
            let after = state.logs.range(last + 1..).find(ready).map(|(&key, _)| key);
            let key = after.or_else(|| state.logs.iter().find(ready).map(|(&key, _)| key));
            if let Some(batch) = key.and_then(|key| state.take(key)) {
                state.writing_since = Some(Instant::now());
                return batch;
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn put_back(&self, batch: Batch, bytes: usize, result: Written) {
        let mut state = self.lock();
        state.writing_since = None;
        let Some(log) = state.logs.get_mut(&batch.key) else { return };
        if log.removed {
            state.logs.remove(&batch.key);
            return;
        }
        log.bytes = log.bytes.saturating_sub(bytes);
        log.writers = Some(batch.writers);
        match result {
            Written::All => {
                log.unmarked = log.unmarked.saturating_sub(batch.unmarked);
                log.torn = false;
            }
            Written::Failed { torn } => {
                log.lose(bytes);
                log.torn = torn;
            }
        }
    }
}

impl State {
    fn take(&mut self, key: u64) -> Option<Batch> {
        let log = self.logs.get_mut(&key)?;
        Some(Batch {
            key,
            file: log.file.clone(),
            chunks: std::mem::take(&mut log.chunks),
            writers: log.writers.take()?,
            unmarked: log.unmarked,
            torn: log.torn,
        })
    }
}

impl Chunk {
    fn len(&self) -> usize {
        match self {
            Self::Data(_, bytes) => bytes.len(),
            Self::End(_) => 0,
        }
    }
}

enum Written {
    All,
    Failed { torn: bool },
}

impl Batch {
    fn write(&mut self) -> Written {
        let time = format_timestamp(clock::now());
        let mut text = Vec::new();
        if self.torn {
            text.push(b'\n');
        }
        if self.unmarked > 0 {
            let note =
                format!("{time} stderr F [kingpost: {} bytes of output were lost here]\n", self.unmarked);
            text.extend_from_slice(note.as_bytes());
        }
        let [stdout, stderr] = &mut *self.writers;
        for chunk in &self.chunks {
            match chunk {
                Chunk::Data(Stream::Stdout, bytes) => stdout.push(bytes, time.as_bytes(), &mut text),
                Chunk::Data(Stream::Stderr, bytes) => stderr.push(bytes, time.as_bytes(), &mut text),
                Chunk::End(Stream::Stdout) => stdout.finish(time.as_bytes(), &mut text),
                Chunk::End(Stream::Stderr) => stderr.finish(time.as_bytes(), &mut text),
            }
        }
        let mut rest = text.as_slice();
        while !rest.is_empty() {
            match rustix::io::write(self.file.as_fd(), rest) {
                Ok(count) if count > 0 => rest = rest.get(count..).unwrap_or_default(),
                Err(rustix::io::Errno::INTR) => {}
                _ => {
                    let written = text.get(..text.len() - rest.len()).unwrap_or_default();
                    return Written::Failed { torn: written.last().map_or(self.torn, |&byte| byte != b'\n') };
                }
            }
        }
        Written::All
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{EventfdFlags, eventfd};
    use std::io::Read;

    fn queue() -> LogQueue {
        LogQueue::new(eventfd(0, EventfdFlags::CLOEXEC).unwrap())
    }

    fn wait_flushed(queue: &LogQueue, key: u64) {
        while !queue.is_flushed(key) {
            let mut count = [0; 8];
            rustix::io::read(&queue.shared.wake, &mut count).unwrap();
        }
    }

    #[test]
    fn what_a_full_disk_takes_is_counted_and_marked() {
        let mut queue = queue();
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let key = queue.open(full.into()).unwrap();
        queue.push(key, Stream::Stdout, b"lost line\n".to_vec());
        wait_flushed(&queue, key);
        assert_eq!(queue.lost(key), 10);
        let (mut read, write) = std::io::pipe().unwrap();
        queue.reopen(key, write.into());
        queue.push(key, Stream::Stdout, b"kept\n".to_vec());
        wait_flushed(&queue, key);
        queue.close(key);
        let mut text = String::new();
        read.read_to_string(&mut text).unwrap();
        assert!(text.contains("10 bytes of output were lost"), "{text}");
        assert!(text.ends_with(" stdout F kept\n"), "{text}");
    }

    #[test]
    fn a_stuck_writer_blocks_no_push_and_the_queue_is_bounded() {
        let mut queue = queue();
        // A pipe that nobody reads stands for a disk that does not answer.
        let (_read, write) = std::io::pipe().unwrap();
        let key = queue.open(write.into()).unwrap();
        for _ in 0..100 {
            queue.push(key, Stream::Stdout, vec![b'x'; 16 << 10]);
        }
        assert!(queue.lost(key) > 0);
        assert!(!queue.takes(key) || queue.lock().stalled());
        assert!(queue.lock().logs[&key].bytes <= QUEUE_LIMIT + (16 << 10));
    }
}
