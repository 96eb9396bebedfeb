//! ListImages: "lists existing images".

use kingpost_proto::cri::{Image, ImageFilter, ListImagesRequest, ListImagesResponse};

use crate::error::{CriError, Result};
use crate::node::Node;
use crate::projection;

pub(crate) async fn list_images(node: &Node, request: &ListImagesRequest) -> Result<ListImagesResponse> {
    Ok(ListImagesResponse { images: select(node, request.filter.as_ref()).await? })
}

/// With a filter, the image that it names, or none.
pub(crate) async fn select(node: &Node, by: Option<&ImageFilter>) -> Result<Vec<Image>> {
    let name =
        by.and_then(|filter| filter.image.as_ref()).map(|image| image.image.as_str()).unwrap_or_default();
    let images = if name.is_empty() {
        node.images.list().await.map_err(CriError::images("list images", "all"))?
    } else {
        node.images.get(name).await.map_err(CriError::images("look up image", name))?.into_iter().collect()
    };
    Ok(images.iter().map(projection::image).collect())
}
