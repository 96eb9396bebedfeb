//! The `kingpost` command.
#[expect(dead_code, reason = "the up and down commands that call it land next")]
mod node_network;
fn main() {}
