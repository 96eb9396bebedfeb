//! `ImageService`: delegates to `rpc/`.

use std::sync::Arc;

use kingpost_proto::cri;
use kingpost_proto::cri::image_service_server::ImageService;
use tonic::{Request, Response, Status};

use crate::node::Node;
use crate::rpc;
use crate::rpc::stream_lists::{Parts, parts};
use crate::runtime_service::detached;

type Answer<T> = Result<Response<T>, Status>;

/// The service.
#[derive(Clone, Debug)]
pub(crate) struct Images(pub(crate) Arc<Node>);

#[tonic::async_trait]
impl ImageService for Images {
    async fn list_images(&self, request: Request<cri::ListImagesRequest>) -> Answer<cri::ListImagesResponse> {
        Ok(Response::new(rpc::list_images::list_images(&self.0, request.get_ref()).await?))
    }

    type StreamImagesStream = Parts<cri::StreamImagesResponse>;

    async fn stream_images(
        &self,
        request: Request<cri::StreamImagesRequest>,
    ) -> Answer<Self::StreamImagesStream> {
        let images = rpc::list_images::select(&self.0, request.get_ref().filter.as_ref()).await?;
        Ok(Response::new(parts(images, |images| cri::StreamImagesResponse { images })))
    }

    async fn image_status(
        &self,
        request: Request<cri::ImageStatusRequest>,
    ) -> Answer<cri::ImageStatusResponse> {
        Ok(Response::new(rpc::image_status::image_status(&self.0, request.into_inner()).await?))
    }

    async fn pull_image(&self, request: Request<cri::PullImageRequest>) -> Answer<cri::PullImageResponse> {
        // Not detached: a client that gives up ends its pull.
        Ok(Response::new(rpc::pull_image::pull_image(&self.0, request.into_inner()).await?))
    }

    async fn remove_image(
        &self,
        request: Request<cri::RemoveImageRequest>,
    ) -> Answer<cri::RemoveImageResponse> {
        let node = Arc::clone(&self.0);
        let request = request.into_inner();
        let work = async move { rpc::remove_image::remove_image(&node, request).await };
        detached(&self.0, "RemoveImage", work).await
    }

    async fn image_fs_info(&self, _: Request<cri::ImageFsInfoRequest>) -> Answer<cri::ImageFsInfoResponse> {
        Ok(Response::new(rpc::image_fs_info::image_fs_info(&self.0).await?))
    }
}
