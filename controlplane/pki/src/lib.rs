//! Control plane: pki.
