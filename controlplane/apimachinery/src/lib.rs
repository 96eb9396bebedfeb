//! What all kinds of the Kubernetes API have in common (upstream's `k8s.io/apimachinery`), on [`serde_json::Value`].
//!
//! * [`Status`]: every error as clients see it;
//! * [`FieldError`] and [`Path`]: what is wrong with which field;
//! * [`names`]: what names, labels and keys may look like;
//! * [`LabelSelector`], [`FieldSelector`]: which objects are meant;
//! * [`Quantity`], [`IntOrString`], [`time`]: the special values;
//! * [`GroupResource`], [`GroupVersionKind`]: which kind is meant.
//!
//! Texts are upstream's to the letter: users and their tools know them.

mod field;
mod field_selector;
mod generate;
mod gvk;
mod intstr;
mod label_selector;
pub mod names;
mod quantity;
mod status;
pub mod time;

pub use field::{FieldError, FieldErrorKind, Path};
pub use field_selector::{FieldSelector, FieldTerm, InvalidFieldSelector};
pub use generate::{generate_name, random_suffix, safe_encode};
pub use gvk::{GroupResource, GroupVersionKind};
pub use intstr::IntOrString;
pub use label_selector::{InvalidSelector, LabelSelector, Operator, Requirement};
pub use quantity::{InvalidQuantity, Quantity};
pub use status::{Cause, Reason, Status};
