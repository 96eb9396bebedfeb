//! Control plane: auth.
