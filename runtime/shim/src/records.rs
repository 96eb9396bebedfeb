//! Exit records on disk: what survives the shim itself.

use std::fs;
use std::io;
use std::path::Path;

use crate::protocol::ExitInfo;
use crate::wire::{DecodeError, decode, encode};

/// An exit record that cannot be written or read.
#[derive(Debug)]
pub enum ExitFileError {
    /// The file system's word.
    Io(io::Error),
    /// Not a record.
    Malformed(DecodeError),
}

impl std::fmt::Display for ExitFileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) => write!(f, "{error}"),
            Self::Malformed(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for ExitFileError {}

/// Writes a container's exit record below `directory`, in one step: it is there whole or not at all. (The state
/// directory lives in memory and ends with the machine, so there is nothing to sync.)
///
/// # Errors
/// If it cannot be written.
pub fn write_exit(directory: &Path, id: &str, exit: &ExitInfo) -> Result<(), ExitFileError> {
    let temporary = directory.join(format!(".{id}.tmp"));
    fs::write(&temporary, encode(exit)).map_err(ExitFileError::Io)?;
    fs::rename(&temporary, directory.join(id)).map_err(ExitFileError::Io)
}

/// Reads a container's exit record, if there is one.
///
/// # Errors
/// If it cannot be read.
pub fn read_exit(directory: &Path, id: &str) -> Result<Option<ExitInfo>, ExitFileError> {
    match fs::read(directory.join(id)) {
        Ok(bytes) => decode(&bytes).map(Some).map_err(ExitFileError::Malformed),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ExitFileError::Io(error)),
    }
}
