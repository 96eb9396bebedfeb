//! An image as its users see it.

use std::path::PathBuf;

use oci_spec::image::ImageConfiguration;

/// An image that is on this machine.
#[derive(Clone, Debug)]
pub struct Image {
    /// Digest of the image's configuration: `sha256:<64 hexadecimal digits>`.
    pub id: String,
    /// Names with a tag: `docker.io/library/nginx:1.14.2`; sorted.
    pub repo_tags: Vec<String>,
    /// Names with the digest of a manifest: `docker.io/library/nginx@sha256:…`; sorted.
    pub repo_digests: Vec<String>,
    /// Bytes that its layers (as transferred) and its configuration have.
    pub size: u64,
    /// The configuration, as data: whoever acts on it checks it.
    pub config: ImageConfiguration,
    /// Whether garbage collection must leave it alone.
    pub pinned: bool,
}

/// The directories that an overlay mount is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Read-only layers, the top first; at least one.
    pub lower: Vec<PathBuf>,
    /// What the container writes.
    pub upper: PathBuf,
    /// The kernel's work directory, on the file system of `upper`.
    pub work: PathBuf,
}

/// What files take up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes allocated on disk.
    pub bytes: u64,
    /// Files, directories and other objects.
    pub inodes: u64,
}

/// What images and snapshots take up together, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FsInfo {
    /// The directory by which the file system can be examined.
    pub mountpoint: PathBuf,
    /// Bytes allocated to layers and snapshots.
    pub used_bytes: u64,
    /// Files of layers and snapshots.
    pub inodes_used: u64,
}
