//! Control plane: apimachinery.
