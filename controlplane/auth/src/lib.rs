//! Who may do what: the seams between the API server and authentication, authorization and admission.
//!
//! * [`UserInfo`]: who asks, from [`Authenticator`]s;
//! * [`Attributes`]: what is asked, judged by an [`Authorizer`];
//! * [`AdmissionRequest`]: what is about to be stored, changed or refused by an [`Admission`];
//! * [`TokenIssuer`]: makes service-account tokens;
//! * [`ObjectReader`]: the objects that those decisions depend on.

mod admission;
mod attributes;
mod authenticator;
mod rbac;
mod reader;
mod token;
mod user;

pub use admission::{Admission, AdmissionError, AdmissionRequest, Operation};
pub use attributes::{Attributes, Authorizer, Decision, ResourceRule, Rules, SuperUsers};
pub use authenticator::{Authenticated, Authenticator, InvalidToken};
pub use rbac::{EscalationCheck, Rbac, bootstrap_objects};
pub use reader::ObjectReader;
pub use token::{TokenError, TokenIssuer, TokenSubject};
pub use user::UserInfo;
