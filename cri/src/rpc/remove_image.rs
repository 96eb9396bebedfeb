//! RemoveImage: "removes the image. This call is idempotent, and must not return an error if the image has already
//! been removed."

use kingpost_proto::cri::{RemoveImageRequest, RemoveImageResponse};

use crate::error::{CriError, Result};
use crate::node::Node;

pub(crate) async fn remove_image(node: &Node, request: RemoveImageRequest) -> Result<RemoveImageResponse> {
    let spec = request.image.ok_or_else(|| CriError::field("image", "is required"))?;
    let name = spec.image.as_str();
    let found = node.images.get(name).await.map_err(CriError::images("look up image", name))?;
    if let Some(image) = found {
        // Its layers stay while a container's snapshot uses them.
        node.images.remove(&image.id).await.map_err(CriError::images("remove image", name))?;
        tracing::info!(image = image.id, "image removed");
    }
    Ok(RemoveImageResponse {})
}
