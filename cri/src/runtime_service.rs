//! `RuntimeService`: delegates to `rpc/`.
//!
//! Requests that change something run in a task of their own: a client that hangs up in the middle of one does not
//! leave it half done. Those that only read end with their client.

use std::future::Future;
use std::sync::Arc;

use futures::stream::BoxStream;
use kingpost_proto::cri;
use kingpost_proto::cri::runtime_service_server::RuntimeService;
use tonic::{Request, Response, Status};
use tracing::Instrument as _;

use crate::error::CriError;
use crate::node::Node;
use crate::rpc;
use crate::rpc::stream_lists::{Parts, parts};

type Answer<T> = Result<Response<T>, Status>;

/// The service.
#[derive(Clone, Debug)]
pub(crate) struct Runtime(pub(crate) Arc<Node>);

/// Runs work to its end, whether the client waits for it or not.
pub(crate) async fn detached<T: Send + 'static>(
    node: &Node,
    rpc: &'static str,
    work: impl Future<Output = Result<T, CriError>> + Send + 'static,
) -> Answer<T> {
    let span = tracing::info_span!("rpc", name = rpc);
    let result = node.tasks.spawn(work.instrument(span)).await.map_err(CriError::from).flatten();
    result.map(Response::new).map_err(|error| {
        tracing::warn!(rpc, %error, "request failed");
        Status::from(error)
    })
}

fn unimplemented<T>(name: &'static str) -> Answer<T> {
    Err(CriError::Unimplemented(name).into())
}

#[tonic::async_trait]
impl RuntimeService for Runtime {
    async fn version(&self, _: Request<cri::VersionRequest>) -> Answer<cri::VersionResponse> {
        Ok(Response::new(rpc::version::version()))
    }

    async fn runtime_config(
        &self,
        _: Request<cri::RuntimeConfigRequest>,
    ) -> Answer<cri::RuntimeConfigResponse> {
        Ok(Response::new(rpc::runtime_config::runtime_config()))
    }

    async fn pod_sandbox_status(
        &self,
        request: Request<cri::PodSandboxStatusRequest>,
    ) -> Answer<cri::PodSandboxStatusResponse> {
        Ok(Response::new(rpc::pod_sandbox_status::pod_sandbox_status(&self.0, request.into_inner()).await?))
    }

    async fn container_status(
        &self,
        request: Request<cri::ContainerStatusRequest>,
    ) -> Answer<cri::ContainerStatusResponse> {
        Ok(Response::new(rpc::container_status::container_status(&self.0, request.into_inner()).await?))
    }

    async fn reopen_container_log(
        &self,
        request: Request<cri::ReopenContainerLogRequest>,
    ) -> Answer<cri::ReopenContainerLogResponse> {
        Ok(Response::new(
            rpc::reopen_container_log::reopen_container_log(&self.0, request.into_inner()).await?,
        ))
    }

    async fn container_stats(
        &self,
        request: Request<cri::ContainerStatsRequest>,
    ) -> Answer<cri::ContainerStatsResponse> {
        Ok(Response::new(rpc::container_stats::container_stats(&self.0, request.into_inner()).await?))
    }

    async fn pod_sandbox_stats(
        &self,
        request: Request<cri::PodSandboxStatsRequest>,
    ) -> Answer<cri::PodSandboxStatsResponse> {
        Ok(Response::new(rpc::pod_sandbox_stats::pod_sandbox_stats(&self.0, request.into_inner()).await?))
    }

    async fn status(&self, request: Request<cri::StatusRequest>) -> Answer<cri::StatusResponse> {
        Ok(Response::new(rpc::status::status(&self.0, request.into_inner()).await?))
    }

    async fn update_runtime_config(
        &self,
        request: Request<cri::UpdateRuntimeConfigRequest>,
    ) -> Answer<cri::UpdateRuntimeConfigResponse> {
        Ok(Response::new(
            rpc::update_runtime_config::update_runtime_config(&self.0, request.into_inner()).await?,
        ))
    }

    async fn run_pod_sandbox(
        &self,
        request: Request<cri::RunPodSandboxRequest>,
    ) -> Answer<cri::RunPodSandboxResponse> {
        let work = rpc::run_pod_sandbox::run_pod_sandbox(Arc::clone(&self.0), request.into_inner());
        detached(&self.0, "RunPodSandbox", work).await
    }

    async fn stop_pod_sandbox(
        &self,
        request: Request<cri::StopPodSandboxRequest>,
    ) -> Answer<cri::StopPodSandboxResponse> {
        let work = rpc::stop_pod_sandbox::stop_pod_sandbox(Arc::clone(&self.0), request.into_inner());
        detached(&self.0, "StopPodSandbox", work).await
    }

    async fn remove_pod_sandbox(
        &self,
        request: Request<cri::RemovePodSandboxRequest>,
    ) -> Answer<cri::RemovePodSandboxResponse> {
        let work = rpc::remove_pod_sandbox::remove_pod_sandbox(Arc::clone(&self.0), request.into_inner());
        detached(&self.0, "RemovePodSandbox", work).await
    }

    async fn create_container(
        &self,
        request: Request<cri::CreateContainerRequest>,
    ) -> Answer<cri::CreateContainerResponse> {
        let work = rpc::create_container::create_container(Arc::clone(&self.0), request.into_inner());
        detached(&self.0, "CreateContainer", work).await
    }

    async fn start_container(
        &self,
        request: Request<cri::StartContainerRequest>,
    ) -> Answer<cri::StartContainerResponse> {
        let work = rpc::start_container::start_container(Arc::clone(&self.0), request.into_inner());
        detached(&self.0, "StartContainer", work).await
    }

    async fn stop_container(
        &self,
        request: Request<cri::StopContainerRequest>,
    ) -> Answer<cri::StopContainerResponse> {
        let work = rpc::stop_container::stop_container(Arc::clone(&self.0), request.into_inner());
        detached(&self.0, "StopContainer", work).await
    }

    async fn remove_container(
        &self,
        request: Request<cri::RemoveContainerRequest>,
    ) -> Answer<cri::RemoveContainerResponse> {
        let work = rpc::remove_container::remove_container(Arc::clone(&self.0), request.into_inner());
        detached(&self.0, "RemoveContainer", work).await
    }

    async fn update_container_resources(
        &self,
        request: Request<cri::UpdateContainerResourcesRequest>,
    ) -> Answer<cri::UpdateContainerResourcesResponse> {
        let work = rpc::update_container_resources::update_container_resources(
            Arc::clone(&self.0),
            request.into_inner(),
        );
        detached(&self.0, "UpdateContainerResources", work).await
    }

    async fn update_pod_sandbox_resources(
        &self,
        request: Request<cri::UpdatePodSandboxResourcesRequest>,
    ) -> Answer<cri::UpdatePodSandboxResourcesResponse> {
        let work = rpc::update_pod_sandbox_resources::update_pod_sandbox_resources(
            Arc::clone(&self.0),
            request.into_inner(),
        );
        detached(&self.0, "UpdatePodSandboxResources", work).await
    }

    async fn list_pod_sandbox(
        &self,
        request: Request<cri::ListPodSandboxRequest>,
    ) -> Answer<cri::ListPodSandboxResponse> {
        Ok(Response::new(rpc::list_pod_sandbox::list_pod_sandbox(&self.0, request.get_ref())))
    }

    async fn list_containers(
        &self,
        request: Request<cri::ListContainersRequest>,
    ) -> Answer<cri::ListContainersResponse> {
        Ok(Response::new(rpc::list_containers::list_containers(&self.0, request.get_ref())))
    }

    async fn list_container_stats(
        &self,
        request: Request<cri::ListContainerStatsRequest>,
    ) -> Answer<cri::ListContainerStatsResponse> {
        Ok(Response::new(rpc::list_container_stats::list_container_stats(&self.0, request.get_ref()).await))
    }

    async fn list_pod_sandbox_stats(
        &self,
        request: Request<cri::ListPodSandboxStatsRequest>,
    ) -> Answer<cri::ListPodSandboxStatsResponse> {
        Ok(Response::new(
            rpc::list_pod_sandbox_stats::list_pod_sandbox_stats(&self.0, request.get_ref()).await,
        ))
    }

    type StreamPodSandboxesStream = Parts<cri::StreamPodSandboxesResponse>;

    async fn stream_pod_sandboxes(
        &self,
        request: Request<cri::StreamPodSandboxesRequest>,
    ) -> Answer<Self::StreamPodSandboxesStream> {
        let items = rpc::list_pod_sandbox::select(&self.0, request.get_ref().filter.as_ref());
        Ok(Response::new(parts(items, |pod_sandboxes| cri::StreamPodSandboxesResponse { pod_sandboxes })))
    }

    type StreamContainersStream = Parts<cri::StreamContainersResponse>;

    async fn stream_containers(
        &self,
        request: Request<cri::StreamContainersRequest>,
    ) -> Answer<Self::StreamContainersStream> {
        let items = rpc::list_containers::select(&self.0, request.get_ref().filter.as_ref());
        Ok(Response::new(parts(items, |containers| cri::StreamContainersResponse { containers })))
    }

    type StreamContainerStatsStream = Parts<cri::StreamContainerStatsResponse>;

    async fn stream_container_stats(
        &self,
        request: Request<cri::StreamContainerStatsRequest>,
    ) -> Answer<Self::StreamContainerStatsStream> {
        let items = rpc::list_container_stats::select(&self.0, request.get_ref().filter.as_ref()).await;
        Ok(Response::new(parts(items, |container_stats| cri::StreamContainerStatsResponse {
            container_stats,
        })))
    }

    type StreamPodSandboxStatsStream = Parts<cri::StreamPodSandboxStatsResponse>;

    async fn stream_pod_sandbox_stats(
        &self,
        request: Request<cri::StreamPodSandboxStatsRequest>,
    ) -> Answer<Self::StreamPodSandboxStatsStream> {
        let items = rpc::list_pod_sandbox_stats::select(&self.0, request.get_ref().filter.as_ref()).await;
        Ok(Response::new(parts(items, |pod_sandbox_stats| cri::StreamPodSandboxStatsResponse {
            pod_sandbox_stats,
        })))
    }

    async fn exec_sync(&self, request: Request<cri::ExecSyncRequest>) -> Answer<cri::ExecSyncResponse> {
        let work = rpc::exec_sync::exec_sync(Arc::clone(&self.0), request.into_inner());
        detached(&self.0, "ExecSync", work).await
    }

    async fn exec(&self, request: Request<cri::ExecRequest>) -> Answer<cri::ExecResponse> {
        Ok(Response::new(rpc::exec::exec(&self.0, request.into_inner())?))
    }

    async fn attach(&self, request: Request<cri::AttachRequest>) -> Answer<cri::AttachResponse> {
        Ok(Response::new(rpc::attach::attach(&self.0, request.into_inner())?))
    }

    type GetContainerEventsStream = BoxStream<'static, Result<cri::ContainerEventResponse, Status>>;

    async fn get_container_events(
        &self,
        _: Request<cri::GetEventsRequest>,
    ) -> Answer<Self::GetContainerEventsStream> {
        Ok(Response::new(Box::pin(rpc::get_container_events::get_container_events(&self.0))))
    }

    async fn port_forward(&self, _: Request<cri::PortForwardRequest>) -> Answer<cri::PortForwardResponse> {
        unimplemented("PortForward")
    }

    async fn checkpoint_container(
        &self,
        _: Request<cri::CheckpointContainerRequest>,
    ) -> Answer<cri::CheckpointContainerResponse> {
        unimplemented("CheckpointContainer")
    }

    async fn checkpoint_pod(
        &self,
        _: Request<cri::CheckpointPodRequest>,
    ) -> Answer<cri::CheckpointPodResponse> {
        unimplemented("CheckpointPod")
    }

    async fn restore_pod(&self, _: Request<cri::RestorePodRequest>) -> Answer<cri::RestorePodResponse> {
        unimplemented("RestorePod")
    }

    async fn list_metric_descriptors(
        &self,
        _: Request<cri::ListMetricDescriptorsRequest>,
    ) -> Answer<cri::ListMetricDescriptorsResponse> {
        unimplemented("ListMetricDescriptors")
    }

    async fn list_pod_sandbox_metrics(
        &self,
        _: Request<cri::ListPodSandboxMetricsRequest>,
    ) -> Answer<cri::ListPodSandboxMetricsResponse> {
        unimplemented("ListPodSandboxMetrics")
    }

    type StreamPodSandboxMetricsStream =
        BoxStream<'static, Result<cri::StreamPodSandboxMetricsResponse, Status>>;

    async fn stream_pod_sandbox_metrics(
        &self,
        _: Request<cri::StreamPodSandboxMetricsRequest>,
    ) -> Answer<Self::StreamPodSandboxMetricsStream> {
        unimplemented("StreamPodSandboxMetrics")
    }
}
