//! The per-pod shim.
