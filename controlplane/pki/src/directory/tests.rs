//! What the directory issues is what Kubernetes reads.

use x509_parser::prelude::{FromDer, GeneralName, X509Certificate, parse_x509_pem};

use super::Pki;
use crate::CertificateRequest;

fn der(pem: &str) -> Vec<u8> {
    parse_x509_pem(pem.as_bytes()).unwrap().1.contents
}

#[test]
fn a_client_may_be_in_several_groups_and_the_signature_holds() {
    let directory = tempfile::tempdir().unwrap();
    let pki = Pki::open(directory.path().join("pki")).unwrap();
    let issued = pki.issue(&CertificateRequest::client("jane", &["dev", "ops", "audit"])).unwrap();
    let (bytes, ca_bytes) = (der(&issued.certificate), der(pki.ca_pem()));
    let (_, certificate) = X509Certificate::from_der(&bytes).unwrap();
    let (_, ca) = X509Certificate::from_der(&ca_bytes).unwrap();
    certificate.verify_signature(Some(ca.public_key())).unwrap();
    let mut groups: Vec<_> =
        certificate.subject().iter_organization().map(|group| group.as_str().unwrap()).collect();
    groups.sort_unstable();
    assert_eq!(groups, ["audit", "dev", "ops"]);
    assert_eq!(certificate.subject().iter_common_name().next().unwrap().as_str().unwrap(), "jane");
    let usage = certificate.extended_key_usage().unwrap().unwrap();
    assert!(usage.value.client_auth && !usage.value.server_auth);
}

#[test]
fn the_api_server_has_the_names_that_pods_and_people_use() {
    let directory = tempfile::tempdir().unwrap();
    let pki = Pki::open(directory.path()).unwrap();
    let request = CertificateRequest::api_server(
        &["10.96.0.1".parse().unwrap(), "192.0.2.1".parse().unwrap()],
        "cluster.local",
    );
    let bytes = der(&pki.issue(&request).unwrap().certificate);
    let (_, certificate) = X509Certificate::from_der(&bytes).unwrap();
    let names = &certificate.subject_alternative_name().unwrap().unwrap().value.general_names;
    for dns in ["kubernetes", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "localhost"] {
        assert!(names.contains(&GeneralName::DNSName(dns)), "{dns}");
    }
    for address in [[127, 0, 0, 1], [10, 96, 0, 1], [192, 0, 2, 1]] {
        assert!(names.contains(&GeneralName::IPAddress(&address)), "{address:?}");
    }
}

#[test]
fn opening_again_keeps_everything_that_is_still_good() {
    let directory = tempfile::tempdir().unwrap();
    let request = CertificateRequest::node("n1");
    let (ca, token, first) = {
        let pki = Pki::open(directory.path()).unwrap();
        (pki.ca_pem().to_owned(), pki.token_key_pem().to_owned(), pki.ensure("node", &request).unwrap())
    };
    let pki = Pki::open(directory.path()).unwrap();
    assert_eq!(pki.ca_pem(), ca);
    assert_eq!(pki.token_key_pem(), token);
    assert_eq!(pki.ensure("node", &request).unwrap().certificate, first.certificate);
    let other = pki.ensure("node", &CertificateRequest::node("n2")).unwrap();
    assert_ne!(other.certificate, first.certificate);
    let serving = |address: &str| CertificateRequest::kubelet_serving("n1", &[address.parse().unwrap()]);
    let one = pki.ensure("serving", &serving("192.0.2.1")).unwrap();
    assert_eq!(pki.ensure("serving", &serving("192.0.2.1")).unwrap().certificate, one.certificate);
    assert_ne!(pki.ensure("serving", &serving("192.0.2.2")).unwrap().certificate, one.certificate);
}

#[test]
fn a_certificate_of_another_authority_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let request = CertificateRequest::admin();
    let old = Pki::open(directory.path()).unwrap().ensure("admin", &request).unwrap();
    std::fs::remove_file(directory.path().join("ca.crt")).unwrap();
    let pki = Pki::open(directory.path()).unwrap();
    assert_ne!(pki.ensure("admin", &request).unwrap().certificate, old.certificate);
}
