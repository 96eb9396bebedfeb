//! Version: "returns the runtime name, runtime version, and runtime API version".

use kingpost_proto::cri::VersionResponse;

/// Version of the CRI message, as every runtime gives it.
const KUBE_API_VERSION: &str = "0.1.0";

pub(crate) fn version() -> VersionResponse {
    VersionResponse {
        version: KUBE_API_VERSION.into(),
        runtime_name: "kingpost".into(),
        runtime_version: env!("CARGO_PKG_VERSION").into(),
        runtime_api_version: "v1".into(),
    }
}
