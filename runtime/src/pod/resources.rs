//! Changing limits of what runs.

use std::sync::Arc;

use oci_spec::runtime::LinuxResources;

use crate::cgroup;
use crate::error::{Error, Result};
use crate::runtime::{Shared, blocking};

pub(super) async fn update(shared: &Arc<Shared>, cgroup: String, resources: LinuxResources) -> Result<()> {
    if resources.devices().as_ref().is_some_and(|devices| !devices.is_empty()) {
        return Err(Error::invalid("linux.resources.devices", "cannot be changed"));
    }
    let shared = shared.clone();
    blocking(move || {
        let paths = shared.hierarchies.paths(&cgroup)?;
        Ok(cgroup::update(&shared.hierarchies, &paths, &resources)?)
    })
    .await
}
