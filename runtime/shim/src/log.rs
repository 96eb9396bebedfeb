//! Container logs in the CRI format: the lines, and the thread that writes them.

mod line;
mod queue;

pub use line::{LineWriter, MAX_LINE, Stream, format_timestamp};
pub(crate) use queue::{LogQueue, STALL};
