//! From an OCI specification to a shim's plan: every field is resolved, applied, or refused by name.

mod container;
mod home;
mod mounts;
mod namespaces;
mod options;
mod process;
mod rootfs;

use std::ffi::CString;
use std::os::fd::OwnedFd;

use kingpost_shim::PlanFd;

pub(crate) use container::{ContainerInput, container};
pub(crate) use home::home_of_process;
pub(crate) use namespaces::{NEWIPC, NEWNET, NEWPID, NEWUSER, NEWUTS, PodNamespaces, sysctls};
pub(crate) use process::{ProcessInput, process};

use crate::error::{Error, Result};

/// The descriptors that go with a plan.
#[derive(Debug, Default)]
pub(crate) struct PlanFds {
    pub(crate) list: Vec<OwnedFd>,
}

impl PlanFds {
    pub(crate) fn add(&mut self, fd: OwnedFd) -> Result<PlanFd> {
        let index = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        if self.list.len() >= kingpost_shim::MAX_FDS {
            return Err(Error::invalid("mounts", format!("more than {}", kingpost_shim::MAX_FDS)));
        }
        self.list.push(fd);
        Ok(PlanFd { index })
    }
}

/// A string for the kernel, which ends them at a NUL.
pub(crate) fn c_string(field: &str, value: impl Into<Vec<u8>>) -> Result<CString> {
    CString::new(value).map_err(|_| Error::invalid(field, "contains a NUL byte"))
}
