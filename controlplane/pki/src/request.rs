//! What a certificate is asked to say.

use std::net::IpAddr;

/// What a certificate may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// TLS server.
    Server,
    /// TLS client.
    Client,
}

/// Subject, alternative names and usage of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRequest {
    /// CN: the user name of a client.
    pub common_name: String,
    /// O: the groups of a client, each one attribute.
    pub organizations: Vec<String>,
    /// DNS names of a server.
    pub dns_names: Vec<String>,
    /// Addresses of a server.
    pub addresses: Vec<IpAddr>,
    /// What it is for.
    pub usage: Usage,
}

impl CertificateRequest {
    /// A client with a user name and groups.
    #[must_use]
    pub fn client(user: impl Into<String>, groups: &[&str]) -> Self {
        Self {
            common_name: user.into(),
            organizations: groups.iter().map(|group| (*group).to_owned()).collect(),
            dns_names: Vec::new(),
            addresses: Vec::new(),
            usage: Usage::Client,
        }
    }

    /// The administrator, member of `system:masters`.
    #[must_use]
    pub fn admin() -> Self {
        Self::client("kubernetes-admin", &["system:masters"])
    }

    /// The agent of a node.
    #[must_use]
    pub fn node(name: &str) -> Self {
        Self::client(format!("system:node:{name}"), &["system:nodes"])
    }

    /// The proxy of a node.
    #[must_use]
    pub fn kube_proxy() -> Self {
        Self::client("system:kube-proxy", &["system:node-proxier"])
    }

    /// The API server as a client of the nodes' APIs (kubeadm's name for it).
    #[must_use]
    pub fn kubelet_client() -> Self {
        Self::client("kube-apiserver-kubelet-client", &["system:masters"])
    }

    /// The API server: its names within the cluster, the loopback, and `addresses` (its own ones, and the `kubernetes`
    /// Service's).
    #[must_use]
    pub fn api_server(addresses: &[IpAddr], cluster_domain: &str) -> Self {
        let mut dns_names: Vec<String> =
            ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost"]
                .map(str::to_owned)
                .into();
        dns_names.push(format!("kubernetes.default.svc.{cluster_domain}"));
        let mut all = vec![IpAddr::from([127, 0, 0, 1]), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])];
        for address in addresses {
            if !address.is_unspecified() && !all.contains(address) {
                all.push(*address);
            }
        }
        Self {
            common_name: "kube-apiserver".into(),
            organizations: Vec::new(),
            dns_names,
            addresses: all,
            usage: Usage::Server,
        }
    }

    /// The node API (`:10250`) of a node.
    #[must_use]
    pub fn kubelet_serving(name: &str, addresses: &[IpAddr]) -> Self {
        Self {
            common_name: format!("system:node:{name}"),
            organizations: vec!["system:nodes".into()],
            dns_names: vec![name.to_owned()],
            addresses: addresses.to_vec(),
            usage: Usage::Server,
        }
    }
}
