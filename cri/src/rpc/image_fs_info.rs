//! ImageFsInfo: "returns information of the filesystem that is used to store images". Images and containers share one.

use kingpost_proto::cri::{FilesystemIdentifier, FilesystemUsage, ImageFsInfoResponse, UInt64Value};

use crate::error::{CriError, Result};
use crate::id;
use crate::node::Node;

pub(crate) async fn image_fs_info(node: &Node) -> Result<ImageFsInfoResponse> {
    let info = node.images.fs_info().await.map_err(CriError::images("measure", "image file system"))?;
    let usage = FilesystemUsage {
        timestamp: id::now(),
        fs_id: Some(FilesystemIdentifier { mountpoint: info.mountpoint.display().to_string() }),
        used_bytes: Some(UInt64Value { value: info.used_bytes }),
        inodes_used: Some(UInt64Value { value: info.inodes_used }),
    };
    Ok(ImageFsInfoResponse { image_filesystems: vec![usage.clone()], container_filesystems: vec![usage] })
}
