//! The kingpost command.
fn main() {}
