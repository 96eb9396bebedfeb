//! ImageStatus: "returns the status of the image. If the image is not present, returns a response with
//! ImageStatusResponse.Image set to nil."

use kingpost_proto::cri::{ImageStatusRequest, ImageStatusResponse};
use serde_json::json;

use crate::error::{CriError, Result};
use crate::node::Node;
use crate::projection;

pub(crate) async fn image_status(node: &Node, request: ImageStatusRequest) -> Result<ImageStatusResponse> {
    let spec = request.image.ok_or_else(|| CriError::field("image", "is required"))?;
    let found = node.images.get(&spec.image).await.map_err(CriError::images("look up image", &spec.image))?;
    let Some(image) = found else { return Ok(ImageStatusResponse::default()) };
    let mut answer = projection::image(&image);
    if let Some(answered) = &mut answer.spec {
        answered.annotations = spec.annotations;
    }
    let info = request.verbose.then(|| projection::info(&json!({ "imageSpec": image.config })));
    Ok(ImageStatusResponse { image: Some(answer), info: info.unwrap_or_default() })
}
