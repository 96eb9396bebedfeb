//! Resource use of a cgroup, from the files of cgroup v1 or v2.

mod cgroup;
mod rate;

pub(crate) use cgroup::{Usage, read};
pub(crate) use rate::Rates;
