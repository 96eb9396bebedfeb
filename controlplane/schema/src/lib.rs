//! Control plane: schema.
