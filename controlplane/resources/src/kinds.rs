//! One file per kind, and the table of all.

mod binding;
mod config_map;
mod deployment;
mod endpoint_slice;
mod endpoints;
mod event;
mod lease;
mod namespace;
mod node;
mod pod;
mod rbac;
mod replica_set;
mod replication_controller;
mod secret;
mod service;
mod service_account;
mod workload;

use crate::resource::{ALL_VERBS, Resource, SubresourceInfo};

const CORE: &str = "";
const APPS: &str = "apps";
const RBAC: &str = "rbac.authorization.k8s.io";

/// All resources, in the order of discovery.
#[must_use]
pub fn resources() -> &'static [Resource] {
    RESOURCES
}

const fn core(
    plural: &'static str,
    singular: &'static str,
    kind: &'static str,
    strategy: &'static dyn crate::Strategy,
) -> Resource {
    Resource {
        group: CORE,
        version: "v1",
        plural,
        singular,
        kind,
        short_names: &[],
        categories: &[],
        namespaced: true,
        verbs: ALL_VERBS,
        subresources: &[],
        strategy,
    }
}

static RESOURCES: &[Resource] = &[
    Resource { verbs: &["create"], ..core("bindings", "binding", "Binding", &binding::Bindings) },
    Resource {
        short_names: &["cm"],
        ..core("configmaps", "configmap", "ConfigMap", &config_map::ConfigMaps)
    },
    Resource {
        short_names: &["ep"],
        ..core("endpoints", "endpoints", "Endpoints", &endpoints::EndpointsKind)
    },
    Resource { short_names: &["ev"], ..core("events", "event", "Event", &event::Events) },
    Resource {
        short_names: &["ns"],
        namespaced: false,
        verbs: &["create", "delete", "get", "list", "patch", "update", "watch"],
        subresources: &[
            SubresourceInfo::update("finalize", "Namespace"),
            SubresourceInfo::status(CORE, "Namespace"),
        ],
        ..core("namespaces", "namespace", "Namespace", &namespace::Namespaces)
    },
    Resource {
        short_names: &["no"],
        namespaced: false,
        subresources: &[SubresourceInfo::status(CORE, "Node")],
        ..core("nodes", "node", "Node", &node::Nodes)
    },
    Resource {
        short_names: &["po"],
        categories: &["all"],
        subresources: &[
            SubresourceInfo::connect("attach", "PodAttachOptions"),
            SubresourceInfo::create("binding", CORE, "Binding"),
            SubresourceInfo {
                name: "ephemeralcontainers",
                group: CORE,
                version: "v1",
                kind: "Pod",
                verbs: &["get", "patch", "update"],
            },
            SubresourceInfo::create("eviction", "policy", "Eviction"),
            SubresourceInfo::connect("exec", "PodExecOptions"),
            SubresourceInfo::get("log", "Pod"),
            SubresourceInfo::connect("portforward", "PodPortForwardOptions"),
            SubresourceInfo::status(CORE, "Pod"),
        ],
        ..core("pods", "pod", "Pod", &pod::Pods)
    },
    Resource {
        short_names: &["rc"],
        categories: &["all"],
        subresources: &[SubresourceInfo::scale(), SubresourceInfo::status(CORE, "ReplicationController")],
        ..core(
            "replicationcontrollers",
            "replicationcontroller",
            "ReplicationController",
            &replication_controller::ReplicationControllers,
        )
    },
    core("secrets", "secret", "Secret", &secret::Secrets),
    Resource {
        short_names: &["sa"],
        subresources: &[SubresourceInfo::create("token", "authentication.k8s.io", "TokenRequest")],
        ..core("serviceaccounts", "serviceaccount", "ServiceAccount", &service_account::ServiceAccounts)
    },
    Resource {
        short_names: &["svc"],
        categories: &["all"],
        subresources: &[SubresourceInfo::status(CORE, "Service")],
        ..core("services", "service", "Service", &service::Services)
    },
    Resource {
        group: APPS,
        short_names: &["deploy"],
        categories: &["all"],
        subresources: &[SubresourceInfo::scale(), SubresourceInfo::status(APPS, "Deployment")],
        ..core("deployments", "deployment", "Deployment", &deployment::Deployments)
    },
    Resource {
        group: APPS,
        short_names: &["rs"],
        categories: &["all"],
        subresources: &[SubresourceInfo::scale(), SubresourceInfo::status(APPS, "ReplicaSet")],
        ..core("replicasets", "replicaset", "ReplicaSet", &replica_set::ReplicaSets)
    },
    Resource { group: "coordination.k8s.io", ..core("leases", "lease", "Lease", &lease::Leases) },
    Resource {
        group: "discovery.k8s.io",
        ..core("endpointslices", "endpointslice", "EndpointSlice", &endpoint_slice::EndpointSlices)
    },
    Resource {
        group: RBAC,
        namespaced: false,
        ..core(
            "clusterrolebindings",
            "clusterrolebinding",
            "ClusterRoleBinding",
            &rbac::CLUSTER_ROLE_BINDINGS,
        )
    },
    Resource {
        group: RBAC,
        namespaced: false,
        ..core("clusterroles", "clusterrole", "ClusterRole", &rbac::CLUSTER_ROLES)
    },
    Resource { group: RBAC, ..core("rolebindings", "rolebinding", "RoleBinding", &rbac::ROLE_BINDINGS) },
    Resource { group: RBAC, ..core("roles", "role", "Role", &rbac::ROLES) },
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_row_has_a_cell_for_every_column() {
        let bare = json!({"metadata": {"name": "x"}});
        for resource in resources() {
            let cells = resource.strategy.cells(&bare, jiff::Timestamp::UNIX_EPOCH);
            assert_eq!(cells.len(), resource.strategy.columns().len(), "{resource:?}");
        }
    }

    #[test]
    fn what_is_filled_in_is_not_changed_when_it_is_filled_in_again() {
        for resource in resources() {
            let mut object = json!({"metadata": {"name": "x"}, "spec": {"template": {"spec": {"containers": [{"name": "c", "image": "i"}]}},
                "containers": [{"name": "c", "image": "i"}], "ports": [{"port": 1}]}});
            resource.strategy.default(&mut object);
            let once = object.clone();
            resource.strategy.default(&mut object);
            assert_eq!(object, once, "{resource:?}");
        }
    }
}
