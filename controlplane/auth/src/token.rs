//! Making service-account tokens.

use serde_json::Value;

/// The account that a token is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSubject {
    /// Namespace of the account.
    pub namespace: String,
    /// Name of the account.
    pub name: String,
    /// Its UID.
    pub uid: String,
}

/// Why no token was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenError {
    /// 422: (field, value, detail) as in an `Invalid` field error.
    Invalid(&'static str, Value, String),
    /// 404: the bound object (resource, name) does not exist.
    NotFound(&'static str, String),
    /// 409 with this text: the bound object has another UID.
    Conflict(String),
    /// 500 with this text.
    Internal(String),
}

/// Makes service-account tokens (`serviceaccounts/token`).
pub trait TokenIssuer: Send + Sync {
    /// Answers a `TokenRequest`, given decoded, with the same object completed: `spec` defaulted, `status.token` and
    /// `status.expirationTimestamp` set.
    ///
    /// # Errors
    /// [`TokenError`].
    fn issue(&self, subject: &TokenSubject, request: Value) -> Result<Value, TokenError>;
}
