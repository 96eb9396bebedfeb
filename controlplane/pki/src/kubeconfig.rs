//! The kubeconfig file.

use std::path::Path;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use crate::{
    directory::{Issued, PkiError},
    file::write_private,
};

/// A kubeconfig with one cluster, one user (by client certificate) and one context.
#[derive(Clone)]
pub struct Kubeconfig {
    /// Name of the cluster.
    pub cluster: String,
    /// URL of the server, such as `https://192.0.2.1:6443`.
    pub server: String,
    /// The CA's certificate as PEM.
    pub ca: String,
    /// Name of the user.
    pub user: String,
    /// Certificate and key of the user.
    pub identity: Issued,
}

impl Kubeconfig {
    /// The file's text.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        // A JSON string is a YAML string.
        let quoted = |text: &str| Value::from(text).to_string();
        let (cluster, user) = (quoted(&self.cluster), quoted(&self.user));
        let context = quoted(&format!("{}@{}", self.user, self.cluster));
        format!(
            "apiVersion: v1\n\
             kind: Config\n\
             clusters:\n\
             - name: {cluster}\n\
             \x20 cluster:\n\
             \x20   server: {server}\n\
             \x20   certificate-authority-data: {ca}\n\
             users:\n\
             - name: {user}\n\
             \x20 user:\n\
             \x20   client-certificate-data: {certificate}\n\
             \x20   client-key-data: {key}\n\
             contexts:\n\
             - name: {context}\n\
             \x20 context:\n\
             \x20   cluster: {cluster}\n\
             \x20   user: {user}\n\
             current-context: {context}\n\
             preferences: {{}}\n",
            server = quoted(&self.server),
            ca = STANDARD.encode(&self.ca),
            certificate = STANDARD.encode(&self.identity.certificate),
            key = STANDARD.encode(&self.identity.key),
        )
    }

    /// Writes the file, mode 0600.
    ///
    /// # Errors
    /// [`PkiError::File`].
    pub fn write(&self, path: &Path) -> Result<(), PkiError> {
        Ok(write_private(path, self.to_yaml().as_bytes())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_and_data_is_base64() {
        let identity = Issued { certificate: "C".into(), key: "K".into() };
        let yaml = Kubeconfig {
            cluster: "kingpost".into(),
            server: "https://192.0.2.1:6443".into(),
            ca: "A".into(),
            user: "system:node:a \"b\"".into(),
            identity,
        }
        .to_yaml();
        assert!(yaml.contains("server: \"https://192.0.2.1:6443\"\n"));
        assert!(
            yaml.contains(
                "- name: \"system:node:a \\\"b\\\"\"\n  user:\n    client-certificate-data: Qw==\n"
            )
        );
        assert!(yaml.contains("certificate-authority-data: QQ==\n"));
    }
}
