//! Who may do what: the seams between the API server and authentication, authorization and admission.
//!
//! * [`UserInfo`]: who asks, from [`Authenticator`]s;
//! * [`Attributes`]: what is asked, judged by an [`Authorizer`];
//! * [`AdmissionRequest`]: what is about to be stored, changed or refused by an [`Admission`];
//! * [`TokenIssuer`]: makes service-account tokens;
//! * [`ObjectReader`]: the objects that those decisions depend on.
//!
//! And what stands behind them: [`Rbac`], [`NodeAuthorizer`], [`ServiceAccountTokens`], and the admission plug-ins
//! [`ServiceAccountAdmission`], [`NodeRestriction`], [`EscalationCheck`] and [`PodDefaults`].

mod admission;
mod attributes;
mod authenticator;
mod node;
mod pod_defaults;
mod rbac;
mod reader;
mod service_account;
mod token;
mod user;

pub use admission::{Admission, AdmissionError, AdmissionRequest, Operation};
pub use attributes::{Attributes, Authorizer, Decision, ResourceRule, Rules, SuperUsers};
pub use authenticator::{Authenticated, Authenticator, InvalidToken};
pub use node::{NodeAuthorizer, NodeRestriction};
pub use pod_defaults::PodDefaults;
pub use rbac::{EscalationCheck, Rbac, bootstrap_objects};
pub use reader::ObjectReader;
pub use service_account::{ServiceAccountAdmission, ServiceAccountTokens};
pub use token::{TokenError, TokenIssuer, TokenSubject};
pub use user::UserInfo;
