//! What the runtime itself remembers of a pod, for whoever takes it over: plain files in the pod's directory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use oci_spec::runtime::LinuxSeccomp;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A pod, written before its shim is started.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PodRecord {
    pub(crate) cgroup_parent: Option<String>,
    /// Whether the pod's cgroup was made for it, and goes with it.
    pub(crate) owns_cgroup: bool,
    pub(crate) has_shm: bool,
    /// Whether `/dev/shm` is the node's.
    pub(crate) host_ipc: bool,
    /// `CLONE_NEW*` of the namespaces that the shim holds.
    pub(crate) namespaces: u64,
    /// Where ids of the pod's root lie outside.
    pub(crate) root_ids: Option<(u32, u32)>,
}

/// A container, written before the shim hears of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ContainerRecord {
    pub(crate) cgroup: String,
    pub(crate) log: Option<(PathBuf, PathBuf)>,
    pub(crate) seccomp: Option<LinuxSeccomp>,
    pub(crate) no_new_privileges: bool,
    pub(crate) terminal: bool,
}

/// Files of one pod.
#[derive(Debug, Clone)]
pub(crate) struct PodDirectory(PathBuf);

impl PodDirectory {
    pub(crate) fn new(state_dir: &Path, id: &str) -> Self {
        Self(state_dir.join(id))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn shm(&self) -> PathBuf {
        self.0.join("shm")
    }

    pub(crate) fn exits(&self) -> PathBuf {
        self.0.join("exits")
    }

    fn containers(&self) -> PathBuf {
        self.0.join("containers")
    }

    /// Makes the directories; `AlreadyExists` if the pod has them.
    pub(crate) fn create(&self) -> io::Result<()> {
        fs::create_dir(&self.0)?;
        fs::create_dir(self.exits())?;
        fs::create_dir(self.containers())
    }

    pub(crate) fn write_pod(&self, record: &PodRecord) -> Result<()> {
        write(&self.0.join("pod.json"), record)
    }

    pub(crate) fn read_pod(&self) -> Result<Option<PodRecord>> {
        read(&self.0.join("pod.json"))
    }

    pub(crate) fn write_container(&self, id: &str, record: &ContainerRecord) -> Result<()> {
        write(&self.containers().join(id), record)
    }

    pub(crate) fn read_container(&self, id: &str) -> Result<Option<ContainerRecord>> {
        read(&self.containers().join(id))
    }

    pub(crate) fn remove_container(&self, id: &str) -> Result<()> {
        let path = self.containers().join(id);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", path, error)),
            _ => Ok(()),
        }
    }

    /// The ids of all containers that were not deleted.
    pub(crate) fn container_ids(&self) -> Result<Vec<String>> {
        list(&self.containers())
    }
}

/// The names in a directory that are no temporary files; none if it is missing.
pub(crate) fn list(directory: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(|error| Error::io("read", directory, error))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| Error::io("read", directory, error))?;
        names.extend(entry.file_name().into_string().ok().filter(|name| !name.starts_with('.')));
    }
    names.sort_unstable();
    Ok(names)
}

fn write(path: &Path, record: &impl Serialize) -> Result<()> {
    let failed = |error: io::Error| Error::io("write", path, error);
    let bytes = serde_json::to_vec(record).map_err(|error| failed(error.into()))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.tmp"));
    fs::write(&temporary, bytes).map_err(failed)?;
    fs::rename(&temporary, path).map_err(failed)
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| Error::io("parse", path, io::Error::from(error))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", path, error)),
    }
}

/// Whether an id may be a file's name.
pub(crate) fn check_id(kind: &'static str, id: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let valid = !id.is_empty() && id.len() <= 128 && !id.starts_with('.') && id.bytes().all(plain);
    if valid {
        Ok(())
    } else {
        Err(Error::invalid(format!("{kind} id"), format!("{id:?} is not a valid id")))
    }
}
