//! Control plane: controllers.
