//! The cluster's certificates, keys and kubeconfigs.
//!
//! * [`Pki`]: a directory with the cluster CA, the key that signs service-account tokens, and certificates issued on
//!   demand. Opening it again changes nothing that is still good.
//! * [`CertificateRequest`]: who a certificate is for, with the ones a cluster needs ready made.
//! * [`Kubeconfig`]: the file that tells a client where the server is and who it is itself.
//!
//! Every file is written beside its place and renamed, with mode 0600, so that neither a crash nor a bystander sees half a
//! key.

mod authority;
mod directory;
mod file;
mod kubeconfig;
mod request;

pub use authority::Authority;
pub use directory::{Issued, Pki, PkiError};
pub use file::{FileError, write_private};
pub use kubeconfig::Kubeconfig;
pub use request::{CertificateRequest, Usage};
