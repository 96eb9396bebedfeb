//! OCI runtime library.
