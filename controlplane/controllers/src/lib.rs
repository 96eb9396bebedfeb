//! The control plane's controllers: each makes one kind of promise true, through the same API as everyone else.
//!
//! | module | promise |
//! |---|---|
//! | `deployment` | a Deployment's pods move from one template to the next without losing service |
//! | `replicas` | a ReplicaSet or ReplicationController has as many pods as it asks for |
//! | `endpoints` | a Service's EndpointSlices and Endpoints name the pods that serve it |
//! | `namespace` | a namespace that is being deleted is emptied, then ends |
//! | `service_account` | every namespace has a `default` account and the cluster's root certificate |
//! | `garbage` | what has lost all its owners goes, as deletion policies say |
//! | `node` | a node that does not report is marked, its pods marked and evicted; new nodes get a pod range |
//! | `pod_gc` | pods of nodes that no longer exist are deleted |
//!
//! Reads come from one shared informer per kind; writes go through the API server under the identity of each controller's own
//! service account (`system:serviceaccount:kube-system:…`), so that RBAC and audit see who did what.

mod deployment;
mod endpoints;
mod garbage;
mod identity;
mod namespace;
mod node;
mod pod;
mod pod_gc;
mod references;
mod replicas;
mod run;
mod service_account;

pub use identity::Clients;
pub use run::{Config, run};
