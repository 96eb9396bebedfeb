//! PullImage: "pulls an image with authentication config". `image_ref`: "MUST always return the same value for
//! Image.id, Container.image_id, ContainerStatus.image_id".

use kingpost_images::AuthConfig;
use kingpost_proto::cri::{PullImageRequest, PullImageResponse};

use crate::error::{CriError, Result};
use crate::node::Node;

pub(crate) async fn pull_image(node: &Node, request: PullImageRequest) -> Result<PullImageResponse> {
    let spec = request.image.ok_or_else(|| CriError::field("image", "is required"))?;
    if !spec.runtime_handler.is_empty() {
        let reason = format!("no runtime handler {:?}", spec.runtime_handler);
        return Err(CriError::field("image.runtime_handler", reason));
    }
    let auth = request.auth.map(|auth| AuthConfig {
        username: auth.username,
        password: auth.password,
        auth: auth.auth,
        server_address: auth.server_address,
        identity_token: auth.identity_token,
        registry_token: auth.registry_token,
    });
    let pulled = node.images.pull(&spec.image, auth, None).await;
    let image = pulled.map_err(CriError::images("failed to pull image", &spec.image))?;
    tracing::info!(reference = spec.image, image = image.id, "image pulled");
    Ok(PullImageResponse { image_ref: image.id })
}
