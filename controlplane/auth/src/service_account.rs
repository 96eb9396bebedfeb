//! Service accounts: tokens, and what a pod gets of its account.

mod admission;
mod claims;
mod issuer;
mod verifier;

pub use admission::ServiceAccountAdmission;
pub use issuer::ServiceAccountTokens;
