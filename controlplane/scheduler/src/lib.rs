//! Control plane: scheduler.
