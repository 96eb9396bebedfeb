//! A pod whose shim is dead: what is left of it, and clearing that up.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use crate::cgroup;
use crate::error::{Error, Result};
use crate::records::PodDirectory;
use crate::runtime::{Shared, blocking};
use crate::spec::{ContainerState, ExitRecord, Status};
use crate::{shm, wire};

/// The exit code of a container that ended while nobody was there to see it.
const UNSEEN: i32 = 255;

/// A pod without its shim: what is left of it.
#[derive(Debug)]
pub struct Gone {
    shared: Arc<Shared>,
    id: String,
}

impl Gone {
    pub(crate) const fn new(shared: Arc<Shared>, id: String) -> Self {
        Self { shared, id }
    }

    /// The pod.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Kills what still runs in the pod's cgroups, removes these, its mounts and its directory, and returns the
    /// last known states of its containers: those whose exit was recorded have it, the others are reported as
    /// exited with code 255 at the time of this call.
    ///
    /// # Errors
    /// If something cannot be removed; reconnecting and calling again carries on.
    pub async fn clean_up(self) -> Result<Vec<ContainerState>> {
        let Self { shared, id } = self;
        blocking(move || {
            let directory = PodDirectory::new(&shared.config.state_dir, &id);
            let states = last_states(&directory)?;
            remove_all(&shared, &directory)?;
            Ok(states)
        })
        .await
    }
}

fn last_states(directory: &PodDirectory) -> Result<Vec<ContainerState>> {
    let mut states = Vec::new();
    for id in directory.container_ids()? {
        let recorded = kingpost_shim::read_exit(&directory.exits(), &id)
            .map_err(|error| Error::io("read", directory.exits().join(&id), std::io::Error::other(error)))?;
        let status = match recorded {
            Some(exit) => wire::exited(&exit),
            None => {
                let exit = ExitRecord { code: UNSEEN, signal: None, at: SystemTime::now(), oom: false };
                Status::Exited { started_at: None, exit }
            }
        };
        states.push(ContainerState { id, status, log_bytes_lost: 0 });
    }
    Ok(states)
}

/// Removes a pod's cgroups, mounts and directory; the directory last, so that a failure can be carried on from.
pub(crate) fn remove_all(shared: &Shared, directory: &PodDirectory) -> Result<()> {
    for id in directory.container_ids()? {
        if let Some(record) = directory.read_container(&id)? {
            cgroup::remove(&shared.hierarchies.paths(&record.cgroup)?)?;
        }
    }
    if let Some(record) = directory.read_pod()? {
        if record.owns_cgroup
            && let Some(parent) = &record.cgroup_parent
        {
            cgroup::remove(&shared.hierarchies.paths(parent)?)?;
        }
        if record.has_shm {
            shm::unmount(&directory.shm())?;
        }
    }
    remove_directory(directory.path())
}

fn remove_directory(path: &Path) -> Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path, error)),
        _ => Ok(()),
    }
}
