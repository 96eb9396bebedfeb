//! Who asks.

use std::collections::BTreeMap;

/// A user as `authentication.k8s.io/v1` has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserInfo {
    /// User name; empty for nobody.
    pub name: String,
    /// Something that tells users of one name apart over time.
    pub uid: String,
    /// Groups.
    pub groups: Vec<String>,
    /// More facts, such as `authentication.kubernetes.io/pod-name`.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl UserInfo {
    /// Group that may do everything.
    pub const MASTERS: &str = "system:masters";
    /// Group of everybody who proved who he is.
    pub const AUTHENTICATED: &str = "system:authenticated";
    /// Group of everybody else.
    pub const UNAUTHENTICATED: &str = "system:unauthenticated";
    /// Group of nodes.
    pub const NODES: &str = "system:nodes";
    /// Group of service accounts.
    pub const SERVICE_ACCOUNTS: &str = "system:serviceaccounts";

    /// Somebody who proved who he is: his groups and [`Self::AUTHENTICATED`].
    pub fn authenticated(name: impl Into<String>, groups: impl IntoIterator<Item = String>) -> Self {
        let mut groups: Vec<String> = groups.into_iter().collect();
        if !groups.iter().any(|group| group == Self::AUTHENTICATED) {
            groups.push(Self::AUTHENTICATED.to_owned());
        }
        Self { name: name.into(), groups, ..Self::default() }
    }

    /// `system:anonymous`.
    #[must_use]
    pub fn anonymous() -> Self {
        Self {
            name: "system:anonymous".to_owned(),
            groups: vec![Self::UNAUTHENTICATED.to_owned()],
            ..Self::default()
        }
    }

    /// A component within the server's process, by its upstream name. Service accounts get their groups; the control
    /// plane's own users get none but [`Self::AUTHENTICATED`], as with upstream's certificates.
    #[must_use]
    pub fn component(name: &str) -> Self {
        let mut groups = Vec::new();
        if let Some((namespace, _)) =
            name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'))
        {
            groups.push(Self::SERVICE_ACCOUNTS.to_owned());
            groups.push(format!("{}:{namespace}", Self::SERVICE_ACCOUNTS));
        }
        Self::authenticated(name, groups)
    }

    /// Whether the user is a member of `group`.
    #[must_use]
    pub fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|own| own == group)
    }
}
