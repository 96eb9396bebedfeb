//! Control plane: store.
