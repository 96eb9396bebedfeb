//! `Debug` of [`AuthConfig`] that shows no secret, so that a logged request leaks none.

use std::fmt;

use crate::cri::AuthConfig;

impl fmt::Debug for AuthConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = |secret: &str| if secret.is_empty() { "" } else { "***" };
        f.debug_struct("AuthConfig")
            .field("username", &self.username)
            .field("password", &hidden(&self.password))
            .field("auth", &hidden(&self.auth))
            .field("server_address", &self.server_address)
            .field("identity_token", &hidden(&self.identity_token))
            .field("registry_token", &hidden(&self.registry_token))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let auth = AuthConfig {
            username: "joe".into(),
            password: "s3cret-1".into(),
            auth: "s3cret-2".into(),
            server_address: "registry.example".into(),
            identity_token: "s3cret-3".into(),
            registry_token: "s3cret-4".into(),
        };
        let text = format!("{auth:?}");
        assert!(text.contains("joe") && text.contains("registry.example"));
        assert!(!text.contains("s3cret"), "{text}");
    }
}
