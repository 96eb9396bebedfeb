//! Making tokens.

use std::sync::Arc;

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use kingpost_apimachinery::time;
use serde_json::{Value, json};
use uuid::Uuid;

use super::claims::{Claims, Named, Private};
use crate::{ObjectReader, TokenError, TokenIssuer, TokenSubject};

/// The life of a token that does not say otherwise, and its bounds, in seconds.
const DEFAULT_LIFE: i64 = 3600;
const MIN_LIFE: i64 = 600;
const MAX_LIFE: i64 = 1 << 32;

/// Makes and checks the tokens of service accounts: JSON Web Tokens signed with the cluster's own key (ES256).
pub struct ServiceAccountTokens {
    pub(super) reader: Arc<dyn ObjectReader>,
    pub(super) issuer: String,
    pub(super) verify: DecodingKey,
    sign: EncodingKey,
}

impl ServiceAccountTokens {
    /// Tokens of `issuer`, which is also the API server's own audience, with a P-256 key in PEM.
    ///
    /// # Errors
    /// The key cannot be read.
    pub fn new(
        reader: Arc<dyn ObjectReader>,
        issuer: impl Into<String>,
        private_key_pem: &str,
        public_key_pem: &str,
    ) -> Result<Self, jsonwebtoken::errors::Error> {
        Ok(Self {
            reader,
            issuer: issuer.into(),
            verify: DecodingKey::from_ec_pem(public_key_pem.as_bytes())?,
            sign: EncodingKey::from_ec_pem(private_key_pem.as_bytes())?,
        })
    }

    /// The object that a token is to die with, if the request names one, and the node of a pod.
    fn bound(&self, namespace: &str, account: &str, request: &Value) -> Result<Bound, TokenError> {
        let Some(reference) =
            request.pointer("/spec/boundObjectRef").filter(|reference| reference.is_object())
        else {
            return Ok(Bound::default());
        };
        let text = |field: &str| reference.get(field).and_then(Value::as_str).unwrap_or_default();
        let (resource, where_) = match (text("kind"), text("apiVersion")) {
            ("Pod", "v1") => ("pods", namespace),
            ("Secret", "v1") => ("secrets", namespace),
            ("Node", "v1") => ("nodes", ""),
            (kind, version) => {
                let why = format!(
                    "cannot bind token for serviceaccount {account:?} to object of kind {version}, Kind={kind}"
                );
                return Err(TokenError::Invalid("spec.boundObjectRef", reference.clone(), why));
            }
        };
        let name = text("name");
        let object = self.reader.get("", resource, where_, name);
        let object = object.ok_or_else(|| TokenError::NotFound(resource, name.to_owned()))?;
        let found = Named::of(&object);
        let uid = text("uid");
        if !uid.is_empty() && uid != found.uid {
            let why = format!(
                "the UID in the bound object reference ({uid}) does not match the UID in record. The object might have been deleted and then recreated"
            );
            return Err(TokenError::Conflict(why));
        }
        let mut bound = Bound::default();
        match resource {
            "pods" => {
                let own =
                    object.pointer("/spec/serviceAccountName").and_then(Value::as_str).unwrap_or_default();
                if own != account {
                    let why = format!(
                        "cannot bind token for serviceaccount {account:?} to pod running with different serviceaccount name."
                    );
                    return Err(TokenError::Invalid("spec.boundObjectRef", reference.clone(), why));
                }
                let node = object.pointer("/spec/nodeName").and_then(Value::as_str).unwrap_or_default();
                bound.node = self.reader.get("", "nodes", "", node).map(|node| Named::of(&node));
                bound.pod = Some(found);
            }
            "secrets" => bound.secret = Some(found),
            _ => bound.node = Some(found),
        }
        Ok(bound)
    }
}

#[derive(Default)]
struct Bound {
    pod: Option<Named>,
    secret: Option<Named>,
    node: Option<Named>,
}

impl TokenIssuer for ServiceAccountTokens {
    fn issue(&self, subject: &TokenSubject, mut request: Value) -> Result<Value, TokenError> {
        let asked =
            request.pointer("/spec/expirationSeconds").and_then(Value::as_i64).unwrap_or(DEFAULT_LIFE);
        let wrong = |why: &str| TokenError::Invalid("spec.expirationSeconds", json!(asked), why.to_owned());
        if asked < MIN_LIFE {
            return Err(wrong("may not specify a duration less than 10 minutes"));
        }
        if asked > MAX_LIFE {
            return Err(wrong("may not specify a duration larger than 2^32 seconds"));
        }
        let audiences = request.pointer("/spec/audiences").and_then(Value::as_array);
        let mut audiences: Vec<String> =
            audiences.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        if audiences.is_empty() {
            audiences.push(self.issuer.clone());
        }
        let bound = self.bound(&subject.namespace, &subject.name, &request)?;
        let now = u64::try_from(Timestamp::now().as_second()).unwrap_or(0);
        let expires = now.saturating_add(u64::try_from(asked).unwrap_or(0));
        let claims = Claims {
            iss: self.issuer.clone(),
            sub: format!("system:serviceaccount:{}:{}", subject.namespace, subject.name),
            aud: audiences.clone(),
            exp: expires,
            iat: now,
            nbf: now,
            jti: Uuid::new_v4().to_string(),
            private: Private {
                namespace: subject.namespace.clone(),
                serviceaccount: Named { name: subject.name.clone(), uid: subject.uid.clone() },
                pod: bound.pod,
                secret: bound.secret,
                node: bound.node,
            },
        };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &self.sign)
            .map_err(|error| TokenError::Internal(format!("cannot sign the token: {error}")))?;
        let expiration = i64::try_from(expires).ok().and_then(|at| Timestamp::from_second(at).ok());
        if let Some(fields) = request.as_object_mut() {
            let spec = fields.entry("spec").or_insert_with(|| json!({}));
            if let Some(spec) = spec.as_object_mut() {
                spec.insert("audiences".to_owned(), json!(audiences));
                spec.insert("expirationSeconds".to_owned(), json!(asked));
            }
            let expiration = expiration.map(time::rfc3339);
            fields.insert("status".to_owned(), json!({"token": token, "expirationTimestamp": expiration}));
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests;
