//! Control plane: resources.
