//! What a node's agent may do: see what its own pods need, and write about itself and them alone.
//!
//! Follows upstream's Node authorizer (`plugin/pkg/auth/authorizer/node`) and the NodeRestriction admission plug-in. The first
//! says which requests a node may make, by the graph of nodes, pods and what they refer to; the second looks into what is written.

mod authorizer;
mod references;
mod restriction;

use crate::UserInfo;

pub use authorizer::NodeAuthorizer;
pub use restriction::NodeRestriction;

/// The node that a user is the agent of (`DefaultNodeIdentifier`).
fn node_of(user: &UserInfo) -> Option<&str> {
    user.name.strip_prefix("system:node:").filter(|name| !name.is_empty() && user.is_in(UserInfo::NODES))
}
