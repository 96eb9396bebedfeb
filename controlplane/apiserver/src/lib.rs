//! Control plane: apiserver.
