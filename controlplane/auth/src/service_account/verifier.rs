//! Checking tokens: signature, time, audience, and that the account and what the token is bound to still exist.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, Validation};
use serde_json::Value;

use super::claims::{Claims, Named};
use super::issuer::ServiceAccountTokens;
use crate::{Authenticated, Authenticator, InvalidToken, UserInfo};

/// Keys of the facts that a token tells about its holder.
const CREDENTIAL: &str = "authentication.kubernetes.io/credential-id";
const POD_NAME: &str = "authentication.kubernetes.io/pod-name";
const POD_UID: &str = "authentication.kubernetes.io/pod-uid";
const NODE_NAME: &str = "authentication.kubernetes.io/node-name";
const NODE_UID: &str = "authentication.kubernetes.io/node-uid";

impl Authenticator for ServiceAccountTokens {
    fn authenticate(&self, token: &str, audiences: &[String]) -> Result<Option<Authenticated>, InvalidToken> {
        if claimed_issuer(token).as_deref() != Some(&self.issuer) {
            return Ok(None);
        }
        let mut validation = Validation::new(Algorithm::ES256);
        validation.leeway = 0;
        validation.validate_nbf = true;
        validation.validate_aud = false;
        validation.set_issuer(&[&self.issuer]);
        let claims = jsonwebtoken::decode::<Claims>(token, &self.verify, &validation)
            .map_err(|error| invalid(format!("the token is not valid: {error}")))?
            .claims;

        let own = [self.issuer.clone()];
        let wanted = if audiences.is_empty() { &own[..] } else { audiences };
        let matching: Vec<_> =
            wanted.iter().filter(|audience| claims.aud.contains(audience)).cloned().collect();
        if matching.is_empty() {
            return Err(invalid(format!("the token is for {:?}, not for {wanted:?}", claims.aud)));
        }
        self.check_objects(&claims)?;
        Ok(Some(Authenticated { user: user(&claims), audiences: matching }))
    }
}

impl ServiceAccountTokens {
    fn check_objects(&self, claims: &Claims) -> Result<(), InvalidToken> {
        let private = &claims.private;
        let bound = [
            ("serviceaccounts", private.namespace.as_str(), Some(&private.serviceaccount)),
            ("pods", &private.namespace, private.pod.as_ref()),
            ("secrets", &private.namespace, private.secret.as_ref()),
            // A token of a pod names its node for information; one that is bound to the node dies with it.
            ("nodes", "", private.node.as_ref().filter(|_| private.pod.is_none())),
        ];
        for (resource, namespace, named) in bound {
            let Some(named) = named else { continue };
            let object = self.reader.get("", resource, namespace, &named.name);
            if object.as_ref().map(Named::of).as_ref() != Some(named) {
                return Err(invalid(format!(
                    "{resource} {} is gone, or another one has its name",
                    named.name
                )));
            }
        }
        Ok(())
    }
}

fn invalid(reason: String) -> InvalidToken {
    InvalidToken { reason }
}

/// The issuer that a token names, before anything about it is believed.
fn claimed_issuer(token: &str) -> Option<String> {
    let mut parts = token.split('.');
    let (_, claims, _) = (parts.next()?, parts.next()?, parts.next()?);
    let claims = BASE64_URL_SAFE_NO_PAD.decode(claims).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    claims.get("iss")?.as_str().map(str::to_owned)
}

fn user(claims: &Claims) -> UserInfo {
    let private = &claims.private;
    let mut user = UserInfo::component(&claims.sub);
    user.uid.clone_from(&private.serviceaccount.uid);
    let mut extra = BTreeMap::from([(CREDENTIAL.to_owned(), vec![format!("JTI={}", claims.jti)])]);
    for (named, name, uid) in [(&private.pod, POD_NAME, POD_UID), (&private.node, NODE_NAME, NODE_UID)] {
        if let Some(named) = named {
            extra.insert(name.to_owned(), vec![named.name.clone()]);
            extra.insert(uid.to_owned(), vec![named.uid.clone()]);
        }
    }
    user.extra = extra;
    user
}
