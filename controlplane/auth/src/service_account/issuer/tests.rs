use std::collections::HashMap;

use parking_lot::Mutex;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};

use super::*;
use crate::Authenticator;

#[derive(Default)]
struct Objects(Mutex<HashMap<String, Value>>);

impl Objects {
    fn put(&self, resource: &str, name: &str, uid: &str, spec: Value) {
        let object = json!({"metadata": {"name": name, "uid": uid}, "spec": spec});
        self.0.lock().insert(format!("{resource}/{name}"), object);
    }
}

impl ObjectReader for Objects {
    fn get(&self, _: &str, resource: &str, _: &str, name: &str) -> Option<Value> {
        self.0.lock().get(&format!("{resource}/{name}")).cloned()
    }

    fn list(&self, _: &str, _: &str, _: &str) -> Vec<Value> {
        Vec::new()
    }

    fn generation(&self, _: &str, _: &str) -> u64 {
        0
    }
}

const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

fn tokens() -> (ServiceAccountTokens, Arc<Objects>) {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let objects = Arc::new(Objects::default());
    objects.put("serviceaccounts", "builder", "sa-1", json!({}));
    objects.put("nodes", "n1", "node-1", json!({}));
    objects.put("pods", "p", "pod-1", json!({"serviceAccountName": "builder", "nodeName": "n1"}));
    let reader: Arc<dyn ObjectReader> = Arc::clone(&objects) as _;
    (ServiceAccountTokens::new(reader, ISSUER, &key.serialize_pem(), &key.public_key_pem()).unwrap(), objects)
}

fn subject() -> TokenSubject {
    TokenSubject { namespace: "default".to_owned(), name: "builder".to_owned(), uid: "sa-1".to_owned() }
}

fn token_of(answer: &Value) -> &str {
    answer["status"]["token"].as_str().unwrap()
}

#[test]
fn a_token_proves_who_its_holder_is_until_its_pod_is_gone() {
    let (tokens, objects) = tokens();
    let pod =
        json!({"spec": {"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "p", "uid": "pod-1"}}});
    let answer = tokens.issue(&subject(), pod).unwrap();
    assert_eq!(answer["spec"]["expirationSeconds"], 3600);
    let found = tokens.authenticate(token_of(&answer), &[]).unwrap().unwrap();
    assert_eq!(found.user.name, "system:serviceaccount:default:builder");
    assert!(found.user.is_in("system:serviceaccounts:default"));
    assert_eq!(found.user.extra["authentication.kubernetes.io/node-name"], ["n1"]);

    objects.put("pods", "p", "pod-2", json!({}));
    assert!(tokens.authenticate(token_of(&answer), &[]).is_err());
}

#[test]
fn a_token_is_good_for_its_audience_and_key_alone() {
    let (tokens, _) = tokens();
    let answer = tokens.issue(&subject(), json!({"spec": {"audiences": ["vault"]}})).unwrap();
    assert!(tokens.authenticate(token_of(&answer), &[]).is_err());
    let found =
        tokens.authenticate(token_of(&answer), &["vault".to_owned(), "x".to_owned()]).unwrap().unwrap();
    assert_eq!(found.audiences, ["vault"]);

    let (others, _) = self::tokens();
    assert!(others.authenticate(token_of(&answer), &["vault".to_owned()]).is_err(), "signed by another key");
    assert_eq!(tokens.authenticate("not.a.token", &[]), Ok(None));
    assert_eq!(tokens.authenticate("opaque", &[]), Ok(None));
}

#[test]
fn what_cannot_be_bound_is_refused() {
    let (tokens, _) = tokens();
    let bind = |kind: &str, name: &str, uid: &str| {
        let reference = json!({"kind": kind, "apiVersion": "v1", "name": name, "uid": uid});
        tokens.issue(&subject(), json!({"spec": {"boundObjectRef": reference}}))
    };
    assert_eq!(bind("Pod", "q", ""), Err(TokenError::NotFound("pods", "q".to_owned())));
    assert!(matches!(bind("Pod", "p", "other"), Err(TokenError::Conflict(_))));
    assert!(matches!(bind("Service", "s", ""), Err(TokenError::Invalid("spec.boundObjectRef", ..))));
    let short = tokens.issue(&subject(), json!({"spec": {"expirationSeconds": 10}}));
    assert!(matches!(short, Err(TokenError::Invalid("spec.expirationSeconds", ..))));
}
