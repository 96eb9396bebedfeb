//! The built-in pod network.
