//! RuntimeConfig: "returns configuration information of the runtime ... It is the expectation of the Kubelet that
//! these fields are static for the lifecycle of the Kubelet."

use kingpost_proto::cri::{CgroupDriver, LinuxRuntimeConfiguration, RuntimeConfigResponse};

/// Cgroups are plain directories here, whatever the init system.
pub(crate) fn runtime_config() -> RuntimeConfigResponse {
    let linux = LinuxRuntimeConfiguration { cgroup_driver: CgroupDriver::Cgroupfs.into() };
    RuntimeConfigResponse { linux: Some(linux) }
}
