//! Where images are kept, and how registries are reached.
//!
//! Registries are configured by a file in YAML (or JSON, which is YAML):
//!
//! ```yaml
//! hosts:
//!   docker.io:
//!     mirrors:                       # asked in order, before the registry itself
//!     - url: http://127.0.0.1:5000
//!     - url: https://mirror.example:8443/hub
//!       caFiles: [/etc/kingpost/mirror.pem]
//!       credentials: {username: reader, password: secret}
//!     mirrorsOnly: true              # never ask the registry itself
//!   registry.example:5000:
//!     plainHttp: true
//!     credentials: {registryToken: abc}
//!   "*": {}                          # every other registry
//! ```
//!
//! Credentials belong to the one address that they stand beside, and are sent to no other.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use http::Uri;
use serde::Deserialize;

/// What an [`crate::ImageStore`] needs to know.
#[derive(Clone, Debug)]
pub struct ImageConfig {
    /// Directory of layers, snapshots and records; made with mode 0700. It must be on a file system that overlayfs can
    /// write to, and survive a reboot.
    pub root: PathBuf,
    /// How registries are reached.
    pub registries: RegistryConfig,
}

/// How registries are reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RegistryConfig {
    /// By the registry's host, with its port if it has one, as image names write it; `*` is for all that have no entry.
    #[serde(default)]
    pub hosts: BTreeMap<String, HostConfig>,
}

/// How one registry is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct HostConfig {
    /// Addresses that are asked before the registry itself, in this order.
    pub mirrors: Vec<Endpoint>,
    /// Never ask the registry itself.
    pub mirrors_only: bool,
    /// Speak HTTP to the registry itself. Without a value: only when it is on this machine (loopback).
    pub plain_http: Option<bool>,
    /// Certificate authorities (PEM) that may vouch for the registry itself, besides the system's.
    pub ca_files: Vec<PathBuf>,
    /// Credentials for the registry itself; those of a pull request go before them.
    pub credentials: Option<AuthConfig>,
}

/// An address that serves a registry's images.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Endpoint {
    /// `http://` or `https://`, host, and perhaps a port and a path, beneath which `/v2/` begins.
    pub url: String,
    /// Certificate authorities (PEM) that may vouch for it, besides the system's.
    #[serde(default)]
    pub ca_files: Vec<PathBuf>,
    /// Credentials for this address.
    #[serde(default)]
    pub credentials: Option<AuthConfig>,
}

/// Credentials of a registry; the fields are those of CRI's `AuthConfig`, empty where there is none.
#[derive(Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct AuthConfig {
    /// User name, with `password`.
    pub username: String,
    /// Password of `username`.
    pub password: String,
    /// `username:password` in base64, in place of both.
    pub auth: String,
    /// The registry that they are for; they are sent to no other. Empty: the one that the image's name says.
    pub server_address: String,
    /// An OAuth 2 refresh token, for which the registry's token server gives access tokens.
    pub identity_token: String,
    /// A bearer token that is sent as it is.
    pub registry_token: String,
}

impl fmt::Debug for AuthConfig {
    /// Says which fields are set, and nothing of what is in them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = |value: &str| if value.is_empty() { "none" } else { "set" };
        f.debug_struct("AuthConfig")
            .field("username", &secret(&self.username))
            .field("password", &secret(&self.password))
            .field("auth", &secret(&self.auth))
            .field("server_address", &self.server_address)
            .field("identity_token", &secret(&self.identity_token))
            .field("registry_token", &secret(&self.registry_token))
            .finish()
    }
}

/// A configuration of registries that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("read registry configuration {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The text is not of the documented form.
    #[error("registry configuration: {0}")]
    Syntax(String),
    /// Values that make no sense: all of them.
    #[error("registry configuration: {}", .0.join("; "))]
    Invalid(Vec<String>),
}

impl RegistryConfig {
    /// Reads a file of the form that the module describes.
    ///
    /// # Errors
    /// When the file cannot be read, is malformed or has values that make no sense.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::from_yaml(&text)
    }

    /// Parses and checks a configuration.
    ///
    /// # Errors
    /// When it is malformed or has values that make no sense.
    pub fn from_yaml(text: &str) -> Result<Self, ConfigError> {
        let config: Self =
            serde_saphyr::from_str(text).map_err(|error| ConfigError::Syntax(error.to_string()))?;
        config.check()?;
        Ok(config)
    }

    /// The same configuration, with one more mirror for a registry, after those that it has.
    #[must_use]
    pub fn with_mirror(mut self, host: impl Into<String>, url: impl Into<String>) -> Self {
        let mirror = Endpoint { url: url.into(), ..Endpoint::default() };
        self.hosts.entry(host.into()).or_default().mirrors.push(mirror);
        self
    }

    /// Finds all values that make no sense.
    ///
    /// # Errors
    /// Names each of them.
    pub fn check(&self) -> Result<(), ConfigError> {
        let mut problems = Vec::new();
        for (host, config) in &self.hosts {
            if config.mirrors_only && config.mirrors.is_empty() {
                problems.push(format!("hosts.{host}: mirrorsOnly without a mirror"));
            }
            for (index, mirror) in config.mirrors.iter().enumerate() {
                if let Err(reason) = base_url(&mirror.url) {
                    problems.push(format!("hosts.{host}.mirrors[{index}].url: {reason}"));
                }
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(ConfigError::Invalid(problems)) }
    }

    /// The entry of a registry.
    pub(crate) fn host(&self, host: &str) -> Option<&HostConfig> {
        self.hosts.get(host).or_else(|| self.hosts.get("*"))
    }
}

/// An endpoint's address as a URI without a slash at its end.
pub(crate) fn base_url(url: &str) -> Result<Uri, String> {
    let uri: Uri =
        url.trim_end_matches('/').parse().map_err(|error| format!("{url:?} is no URL: {error}"))?;
    match uri.scheme_str() {
        Some("http" | "https") => {}
        _ => return Err(format!("{url:?} begins with neither http:// nor https://")),
    }
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err("an URL with a password in it: use credentials".to_owned());
    }
    if uri.query().is_some() {
        return Err(format!("{url:?} has a query"));
    }
    Ok(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_form_is_read() {
        let config = RegistryConfig::from_yaml(
            r#"
hosts:
  docker.io:
    mirrors:
    - url: http://127.0.0.1:5000
    - url: https://mirror.example:8443/hub
      caFiles: [/etc/kingpost/mirror.pem]
      credentials: {username: reader, password: secret}
    mirrorsOnly: true
  registry.example:5000:
    plainHttp: true
    credentials: {registryToken: abc}
  "*": {}
"#,
        )
        .unwrap();
        let hub = config.host("docker.io").unwrap();
        assert!(hub.mirrors_only);
        assert_eq!(hub.mirrors[1].credentials.as_ref().unwrap().username, "reader");
        assert_eq!(config.host("registry.example:5000").unwrap().plain_http, Some(true));
        assert_eq!(config.host("other.example"), Some(&HostConfig::default()));
        let json = r#"{"hosts": {"docker.io": {"mirrors": [{"url": "http://127.0.0.1:5000"}]}}}"#;
        assert!(RegistryConfig::from_yaml(json).is_ok());
    }

    #[test]
    fn all_mistakes_are_reported_at_once() {
        let text = "hosts: {a.example: {mirrorsOnly: true}, b.example: {mirrors: [{url: 'ftp://x'}]}}";
        let error = RegistryConfig::from_yaml(text).unwrap_err().to_string();
        assert!(error.contains("a.example") && error.contains("b.example"), "{error}");
        assert!(RegistryConfig::from_yaml("hosts: {a.example: {mirror: []}}").is_err());
    }

    #[test]
    fn secrets_are_not_printed() {
        let auth = AuthConfig { password: "hunter2".into(), ..AuthConfig::default() };
        assert!(!format!("{auth:?}").contains("hunter2"));
    }
}
