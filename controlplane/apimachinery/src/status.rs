//! Every error as clients see it: `metav1.Status` (upstream's `apimachinery/pkg/api/errors`).

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::field::{FieldError, FieldErrorKind};
use crate::gvk::GroupResource;

/// Why, in one word that programs understand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// 404.
    NotFound,
    /// 409: something of that name is there.
    AlreadyExists,
    /// 409: somebody else was faster.
    Conflict,
    /// 422: the object is not valid.
    Invalid,
    /// 400.
    BadRequest,
    /// 403.
    Forbidden,
    /// 401.
    Unauthorized,
    /// 410: the resource version is too old.
    Expired,
    /// 410.
    Gone,
    /// 413.
    RequestEntityTooLarge,
    /// 405.
    MethodNotAllowed,
    /// 406.
    NotAcceptable,
    /// 415.
    UnsupportedMediaType,
    /// 429.
    TooManyRequests,
    /// 500.
    InternalError,
    /// 503.
    ServiceUnavailable,
    /// 504.
    Timeout,
    /// 504: the server is busy, try again.
    ServerTimeout,
}

/// One of several causes, with the field that it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// `FieldValueInvalid` and the like.
    pub reason: String,
    /// In words.
    pub message: String,
    /// Path of the field, or empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub field: String,
}

/// An error of the API, to be shown as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// HTTP status.
    pub code: u16,
    /// Why, in one word; none where no word fits (a 404 for an unknown path).
    pub reason: Option<Reason>,
    /// In words.
    pub message: String,
    /// What it is about.
    pub details: Option<Box<Details>>,
}

/// What a status is about.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Details {
    /// Name of the object.
    pub name: String,
    /// Its group.
    pub group: String,
    /// Its resource, or its kind for invalid objects.
    pub kind: String,
    /// Its uid.
    pub uid: String,
    /// The single causes.
    pub causes: Vec<Cause>,
    /// Seconds after which to try again; 0 for none.
    pub retry_after_seconds: u32,
}

impl Status {
    /// An error without details.
    pub fn new(code: u16, reason: Reason, message: impl Into<String>) -> Self {
        Self { code, reason: Some(reason), message: message.into(), details: None }
    }

    fn about(mut self, resource: &GroupResource, name: &str) -> Self {
        let details = Details {
            name: name.to_owned(),
            group: resource.group.clone(),
            kind: resource.resource.clone(),
            ..Details::default()
        };
        self.details = Some(Box::new(details));
        self
    }

    /// 404: `pods "x" not found`.
    #[must_use]
    pub fn not_found(resource: &GroupResource, name: &str) -> Self {
        Self::new(404, Reason::NotFound, format!("{resource} {name:?} not found")).about(resource, name)
    }

    /// 404 for a path that leads nowhere.
    #[must_use]
    pub fn unknown_path() -> Self {
        Self::new(404, Reason::NotFound, "the server could not find the requested resource")
    }

    /// 409: `pods "x" already exists`.
    #[must_use]
    pub fn already_exists(resource: &GroupResource, name: &str) -> Self {
        Self::new(409, Reason::AlreadyExists, format!("{resource} {name:?} already exists"))
            .about(resource, name)
    }

    /// 409: `Operation cannot be fulfilled on pods "x": …`.
    #[must_use]
    pub fn conflict(resource: &GroupResource, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {resource} {name:?}: {why}");
        Self::new(409, Reason::Conflict, message).about(resource, name)
    }

    /// 409 for a write with an old resource version.
    #[must_use]
    pub fn modified(resource: &GroupResource, name: &str) -> Self {
        let why =
            "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(resource, name, why)
    }

    /// 422: `Pod "x" is invalid: spec.containers: Required value`; the group stands behind the kind.
    #[must_use]
    pub fn invalid(group: &str, kind: &str, name: &str, errors: &[FieldError]) -> Self {
        let full = GroupResource::new(group, kind);
        let texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
        let what = match texts.as_slice() {
            [] => String::new(),
            [one] => format!(": {one}"),
            several => format!(": [{}]", several.join(", ")),
        };
        let mut status =
            Self::new(422, Reason::Invalid, format!("{full} {name:?} is invalid{what}")).about(&full, name);
        if let Some(details) = &mut status.details {
            details.causes = errors.iter().map(FieldError::cause).collect();
        }
        status
    }

    /// 400.
    #[must_use]
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, Reason::BadRequest, message)
    }

    /// 403: `pods "x" is forbidden: …`; without a name `pods is forbidden: …`.
    #[must_use]
    pub fn forbidden(resource: &GroupResource, name: &str, why: &str) -> Self {
        let message = match (resource.resource.as_str(), name) {
            ("", _) => format!("forbidden: {why}"),
            (_, "") => format!("{resource} is forbidden: {why}"),
            (_, name) => format!("{resource} {name:?} is forbidden: {why}"),
        };
        Self::new(403, Reason::Forbidden, message).about(resource, name)
    }

    /// 401.
    #[must_use]
    pub fn unauthorized() -> Self {
        Self::new(401, Reason::Unauthorized, "Unauthorized")
    }

    /// 410 for a list or watch at a resource version that is too old.
    #[must_use]
    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(410, Reason::Expired, message)
    }

    /// 413.
    #[must_use]
    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new(413, Reason::RequestEntityTooLarge, message)
    }

    /// 405.
    #[must_use]
    pub fn method_not_allowed() -> Self {
        Self::new(
            405,
            Reason::MethodNotAllowed,
            "the server does not allow this method on the requested resource",
        )
    }

    /// 406: none of the wanted media types can be sent.
    #[must_use]
    pub fn not_acceptable(offered: &[&str]) -> Self {
        let message = format!("only the following media types are accepted: {}", offered.join(", "));
        Self::new(406, Reason::NotAcceptable, message)
    }

    /// 415: the body is of a type that cannot be read.
    #[must_use]
    pub fn unsupported_media_type(accepted: &[&str]) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {}",
            accepted.join(", ")
        );
        Self::new(415, Reason::UnsupportedMediaType, message)
    }

    /// 429, to be tried again after some seconds.
    #[must_use]
    pub fn too_many_requests(message: impl Into<String>, retry_after_seconds: u32) -> Self {
        let mut status = Self::new(429, Reason::TooManyRequests, message);
        status.details = Some(Box::new(Details { retry_after_seconds, ..Details::default() }));
        status
    }

    /// 500: `Internal error occurred: …`.
    pub fn internal(why: impl fmt::Display) -> Self {
        let message = format!("Internal error occurred: {why}");
        let mut status = Self::new(500, Reason::InternalError, message);
        let cause = Cause { reason: String::new(), message: why.to_string(), field: String::new() };
        status.details = Some(Box::new(Details { causes: vec![cause], ..Details::default() }));
        status
    }

    /// 503.
    #[must_use]
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(503, Reason::ServiceUnavailable, message)
    }

    /// 504.
    #[must_use]
    pub fn timeout(message: impl Into<String>) -> Self {
        Self::new(504, Reason::Timeout, message)
    }

    /// Adds a cause.
    #[must_use]
    pub fn with_cause(mut self, reason: &str, message: impl Into<String>, field: &str) -> Self {
        let cause = Cause { reason: reason.to_owned(), message: message.into(), field: field.to_owned() };
        self.details.get_or_insert_default().causes.push(cause);
        self
    }

    /// The object as it goes out.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut value = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "code": self.code,
        });
        if let Some(fields) = value.as_object_mut() {
            if let Some(reason) = self.reason {
                fields.insert("reason".to_owned(), json!(reason));
            }
            if let Some(details) = &self.details {
                fields.insert("details".to_owned(), details.to_value());
            }
        }
        value
    }
}

impl Details {
    fn to_value(&self) -> Value {
        let texts = [("name", &self.name), ("group", &self.group), ("kind", &self.kind), ("uid", &self.uid)];
        let texts = texts.into_iter().filter(|(_, text)| !text.is_empty());
        let mut fields: serde_json::Map<_, _> =
            texts.map(|(key, text)| (key.to_owned(), json!(text))).collect();
        if !self.causes.is_empty() {
            fields.insert("causes".to_owned(), json!(self.causes));
        }
        if self.retry_after_seconds > 0 {
            fields.insert("retryAfterSeconds".to_owned(), json!(self.retry_after_seconds));
        }
        Value::Object(fields)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Status {}

impl FieldError {
    fn cause(&self) -> Cause {
        let reason = match self.kind {
            FieldErrorKind::Required => "FieldValueRequired",
            FieldErrorKind::Invalid => "FieldValueInvalid",
            FieldErrorKind::NotSupported => "FieldValueNotSupported",
            FieldErrorKind::Duplicate => "FieldValueDuplicate",
            FieldErrorKind::Forbidden => "FieldValueForbidden",
            FieldErrorKind::TooLong => "FieldValueTooLong",
            FieldErrorKind::TooMany => "FieldValueTooMany",
            FieldErrorKind::NotFound => "FieldValueNotFound",
            FieldErrorKind::Internal => "InternalError",
            FieldErrorKind::TypeInvalid => "FieldValueTypeInvalid",
        };
        Cause { reason: reason.to_owned(), message: self.body(), field: self.field.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::Path;

    #[test]
    fn messages_are_those_that_kubectl_users_know() {
        let deployments = GroupResource::new("apps", "deployments");
        assert_eq!(Status::not_found(&deployments, "x").message, "deployments.apps \"x\" not found");
        assert_eq!(
            Status::modified(&deployments, "x").message,
            "Operation cannot be fulfilled on deployments.apps \"x\": the object has been modified; please apply your \
             changes to the latest version and try again"
        );
        let nodes = GroupResource::new("", "nodes");
        assert_eq!(Status::forbidden(&nodes, "", "no").message, "nodes is forbidden: no");
    }

    #[test]
    fn an_invalid_object_lists_its_fields_and_their_causes() {
        let errors = [
            FieldError::required(&Path::new("spec").child("selector"), ""),
            FieldError::invalid(
                &Path::new("spec").child("replicas"),
                json!(-1),
                "must be greater than or equal to 0",
            ),
        ];
        let status = Status::invalid("apps", "Deployment", "x", &errors);
        assert_eq!(
            status.message,
            "Deployment.apps \"x\" is invalid: [spec.selector: Required value, spec.replicas: Invalid value: -1: must be \
             greater than or equal to 0]"
        );
        let value = status.to_value();
        assert_eq!(
            value["details"]["causes"][1],
            json!({
                "reason": "FieldValueInvalid",
                "message": "Invalid value: -1: must be greater than or equal to 0",
                "field": "spec.replicas",
            })
        );
        assert_eq!((&value["code"], &value["reason"]), (&json!(422), &json!("Invalid")));
    }
}
