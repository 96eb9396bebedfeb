//! Who a controller is when it talks to the API server.

use std::sync::Arc;

use kube::Client;

/// Gives out API clients by user name; the same on the server's own handlers and over the network.
#[derive(Clone)]
pub struct Clients {
    make: Arc<dyn Fn(&str) -> Client + Send + Sync>,
}

impl Clients {
    /// Clients made by `make` from a full user name such as `system:serviceaccount:kube-system:deployment-controller`.
    pub fn new(make: impl Fn(&str) -> Client + Send + Sync + 'static) -> Self {
        Self { make: Arc::new(make) }
    }

    /// A client for the service account `account` of `kube-system`, as upstream names its controllers' accounts.
    pub(crate) fn controller(&self, account: &str) -> Client {
        (self.make)(&format!("system:serviceaccount:kube-system:{account}"))
    }

    /// A client for the component itself, which shared informers read with.
    pub(crate) fn component(&self) -> Client {
        (self.make)("system:kube-controller-manager")
    }
}
