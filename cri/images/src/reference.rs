//! Names of images: `[registry/]path[:tag][@digest]`.
//!
//! The grammar is that of the `reference` package of the distribution project, which defines what users may write;
//! names without a registry are those of Docker Hub (`nginx` is `docker.io/library/nginx:latest`). The texts of errors are
//! upstream's, because people search for them.

use std::fmt;

use crate::digest::{Digest, DigestError};

/// The registry of names that mention none.
const DEFAULT_REGISTRY: &str = "docker.io";
/// An older name of it, which is the same registry.
const LEGACY_REGISTRY: &str = "index.docker.io";
/// The path of images of Docker Hub that have a single-part name.
const DEFAULT_PATH: &str = "library";
const DEFAULT_TAG: &str = "latest";
/// Most characters of registry and path together.
const MAX_NAME: usize = 255;
/// Most characters of a tag.
const MAX_TAG: usize = 128;

/// The name of an image, normalised: with registry and full path, and with a tag, a digest or both.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Reference {
    registry: String,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// A text that names no image. The kubelet gives the reason `InvalidImageName` with this text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("couldn't parse image name {name:?}: {reason}")]
pub struct ReferenceError {
    /// The text.
    pub name: String,
    /// What is wrong with it, in the words of the distribution project.
    pub reason: String,
}

impl Reference {
    /// Parses and normalises a name. A name with neither tag nor digest gets the tag `latest`.
    pub(crate) fn parse(name: &str) -> Result<Self, ReferenceError> {
        parse(name).map_err(|reason| ReferenceError { name: name.to_owned(), reason })
    }

    /// Host of the registry, with its port if it has one, as the name says it.
    pub(crate) fn registry(&self) -> &str {
        &self.registry
    }

    /// Path within the registry.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Tag; none if there is only a digest.
    pub(crate) fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// Digest of the manifest; it counts more than the tag.
    pub(crate) fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Registry and path.
    pub(crate) fn repository(&self) -> String {
        format!("{}/{}", self.registry, self.path)
    }

    /// The name with only its tag, if it has one and no digest: one that can be moved to another image.
    pub(crate) fn tagged(&self) -> Option<String> {
        let tag = self.tag.as_ref().filter(|_| self.digest.is_none())?;
        Some(format!("{}:{tag}", self.repository()))
    }

    /// The name with a manifest's digest in place of a tag.
    pub(crate) fn with_digest(&self, digest: &Digest) -> String {
        format!("{}@{digest}", self.repository())
    }

    /// The key by which the store knows the name: with a digest the tag does not count.
    pub(crate) fn key(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => self.with_digest(digest),
            (None, tag) => format!("{}:{}", self.repository(), tag.as_deref().unwrap_or(DEFAULT_TAG)),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.path)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

fn parse(name: &str) -> Result<Reference, String> {
    if name.is_empty() {
        return Err("repository name must have at least one component".to_owned());
    }
    if name.len() == 64 && is_hex(name) {
        return Err(format!("invalid repository name ({name}), cannot specify 64-byte hexadecimal strings"));
    }
    let (registry, rest) = split_registry(name);
    let path_end = rest.find([':', '@']).unwrap_or(rest.len());
    let (path, suffix) = rest.split_at(path_end);
    if path.chars().any(char::is_uppercase) {
        return Err(format!("invalid reference format: repository name ({path}) must be lowercase"));
    }
    let malformed = || "invalid reference format".to_owned();
    let (tag, digest) = split_suffix(suffix).ok_or_else(malformed)?;
    let path = match path {
        path if registry == DEFAULT_REGISTRY && !path.contains('/') => format!("{DEFAULT_PATH}/{path}"),
        path => path.to_owned(),
    };
    let valid = is_registry(registry)
        && path.split('/').all(is_path_component)
        && tag.is_none_or(is_tag)
        && !digest.is_some_and(str::is_empty);
    if !valid {
        return Err(malformed());
    }
    if registry.len() + 1 + path.len() > MAX_NAME {
        return Err(format!("repository name must not be more than {MAX_NAME} characters"));
    }
    let digest = digest.map(Digest::parse).transpose().map_err(|error| match error {
        DigestError::Format => malformed(),
        other => other.to_string(),
    })?;
    let tag = match (tag, &digest) {
        (None, None) => Some(DEFAULT_TAG),
        (tag, _) => tag,
    };
    Ok(Reference { registry: registry.to_owned(), path, tag: tag.map(str::to_owned), digest })
}

/// What is before the first slash is a registry if it looks like a host: with a dot, a port, `localhost` or upper case.
fn split_registry(name: &str) -> (&str, &str) {
    match name.split_once('/') {
        Some((host, rest))
            if host.contains(['.', ':']) || host == "localhost" || host.chars().any(char::is_uppercase) =>
        {
            (if host == LEGACY_REGISTRY { DEFAULT_REGISTRY } else { host }, rest)
        }
        _ => (DEFAULT_REGISTRY, name),
    }
}

/// Splits `:tag@digest`; none if there is something else.
fn split_suffix(suffix: &str) -> Option<(Option<&str>, Option<&str>)> {
    let (tag, digest) = match suffix.split_once('@') {
        Some((tag, digest)) => (tag, Some(digest)),
        None => (suffix, None),
    };
    match tag {
        "" => Some((None, digest)),
        tag => Some((Some(tag.strip_prefix(':')?), digest)),
    }
}

/// A host name, an IPv4 address or an IPv6 address in brackets, perhaps with a port.
fn is_registry(text: &str) -> bool {
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(rest) = text.strip_prefix('[') {
        let Some((address, after)) = rest.split_once(']') else { return false };
        let port = after.is_empty() || after.strip_prefix(':').is_some_and(is_port);
        return port && address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    port.is_none_or(is_port) && host.split('.').all(is_label)
}

/// Lower-case letters and digits in groups, with `.`, `_`, `__` or any number of `-` between them.
fn is_path_component(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut rest = text;
    loop {
        let end = rest.bytes().position(|byte| !is_word(byte)).unwrap_or(rest.len());
        if end == 0 {
            return false;
        }
        let (_, after) = rest.split_at(end);
        if after.is_empty() {
            return true;
        }
        let start = after.bytes().position(is_word).unwrap_or(after.len());
        let (separator, next) = after.split_at(start);
        let dashes = separator.bytes().all(|byte| byte == b'-');
        if !(dashes || matches!(separator, "." | "_" | "__")) {
            return false;
        }
        rest = next;
    }
}

fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= MAX_TAG
        && text.bytes().next().is_some_and(is_word)
        && text.bytes().all(|byte| is_word(byte) || matches!(byte, b'.' | b'-'))
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests;
