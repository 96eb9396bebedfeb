//! Who is behind a bearer token.

use crate::user::UserInfo;

/// A bearer token's owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticated {
    /// The user.
    pub user: UserInfo,
    /// Those of the wanted audiences that the token is for.
    pub audiences: Vec<String>,
}

/// The token is one of this authenticator's, and not valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidToken {
    /// Why; for the log and for TokenReviews, never for the 401's text.
    pub reason: String,
}

/// Finds out who is behind a bearer token. Answers come from memory: implementations never wait.
pub trait Authenticator: Send + Sync {
    /// The owner of `token`, if it is of a kind that this authenticator knows; `audiences` empty means the API server's own.
    ///
    /// # Errors
    /// [`InvalidToken`] if the token is of a known kind and expired, revoked, for somebody else, or forged.
    fn authenticate(&self, token: &str, audiences: &[String]) -> Result<Option<Authenticated>, InvalidToken>;
}
