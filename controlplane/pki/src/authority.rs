//! A certificate authority: makes itself, and signs.
//!
//! rcgen keeps one attribute of each kind in a subject, and a client in several groups needs several O. So a certificate
//! is built by rcgen, its subject replaced, and signed again.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PublicKeyData, SanType, SigningKey,
};
use time::{Duration, OffsetDateTime};
use x509_cert::{
    Certificate,
    attr::AttributeTypeAndValue,
    der::{
        Any, Decode, Encode, EncodePem,
        asn1::{BitString, ObjectIdentifier, SetOfVec, Utf8StringRef},
        pem::LineEnding,
    },
    name::{RdnSequence, RelativeDistinguishedName},
};

use crate::{
    directory::PkiError,
    request::{CertificateRequest, Usage},
};

/// Certificates start a little in the past, for peers whose clocks are late.
const BACKDATED: Duration = Duration::hours(1);
/// Life of a CA.
const AUTHORITY_LIFE: Duration = Duration::days(3650);
/// Life of what it issues.
const LEAF_LIFE: Duration = Duration::days(365);

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const ORGANIZATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");

/// A certificate authority with its key.
#[derive(Debug)]
pub struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Makes a new CA and returns it with the PEM of its key.
    ///
    /// # Errors
    /// [`PkiError::Certificate`].
    pub fn generate(common_name: &str) -> Result<(Self, String), PkiError> {
        let key = KeyPair::generate().map_err(PkiError::generate("authority"))?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages =
            vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let now = OffsetDateTime::now_utc();
        params.not_before = now - BACKDATED;
        params.not_after = now + AUTHORITY_LIFE;
        let certificate = params.self_signed(&key).map_err(PkiError::generate("authority"))?.pem();
        let key_pem = key.serialize_pem();
        Ok((Self::load(certificate, &key_pem)?, key_pem))
    }

    /// Takes a CA from PEM.
    ///
    /// # Errors
    /// [`PkiError::Certificate`].
    pub fn load(certificate: String, key: &str) -> Result<Self, PkiError> {
        let key = KeyPair::from_pem(key).map_err(PkiError::generate("authority key"))?;
        let issuer = Issuer::from_ca_cert_pem(&certificate, key).map_err(PkiError::generate("authority"))?;
        Ok(Self { certificate, issuer })
    }

    /// The CA's certificate as PEM.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate
    }

    /// Issues a certificate for a public key, as PEM.
    ///
    /// # Errors
    /// [`PkiError::Certificate`] if a name has no place in a certificate.
    pub fn issue(&self, request: &CertificateRequest, key: &impl PublicKeyData) -> Result<String, PkiError> {
        let named = PkiError::generate("certificate");
        let mut params = CertificateParams::default();
        // Replaced below; rcgen wants some subject.
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, request.common_name.as_str());
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![match request.usage {
            Usage::Server => ExtendedKeyUsagePurpose::ServerAuth,
            Usage::Client => ExtendedKeyUsagePurpose::ClientAuth,
        }];
        for name in &request.dns_names {
            let name = name.as_str().try_into().map_err(PkiError::generate("certificate"))?;
            params.subject_alt_names.push(SanType::DnsName(name));
        }
        params.subject_alt_names.extend(request.addresses.iter().copied().map(SanType::IpAddress));
        params.use_authority_key_identifier_extension = true;
        let now = OffsetDateTime::now_utc();
        params.not_before = now - BACKDATED;
        params.not_after = now + LEAF_LIFE;
        let draft = params.signed_by(key, &self.issuer).map_err(named)?;
        self.sign_with_subject(draft.der(), request).map_err(PkiError::encode("certificate"))
    }

    fn sign_with_subject(
        &self,
        draft: &[u8],
        request: &CertificateRequest,
    ) -> Result<String, x509_cert::der::Error> {
        let mut certificate = Certificate::from_der(draft)?;
        certificate.tbs_certificate.subject = subject(request)?;
        let tbs = certificate.tbs_certificate.to_der()?;
        let signature = self
            .issuer
            .key()
            .sign(&tbs)
            .map_err(|_refused| x509_cert::der::Error::from(x509_cert::der::ErrorKind::Failed))?;
        certificate.signature = BitString::from_bytes(&signature)?;
        certificate.to_pem(LineEnding::LF)
    }
}

/// The subject of a request: every O, then CN, as Go's `pkix.Name` writes it.
pub(crate) fn subject(request: &CertificateRequest) -> Result<RdnSequence, x509_cert::der::Error> {
    let attribute = |oid, text: &str| -> Result<AttributeTypeAndValue, x509_cert::der::Error> {
        Ok(AttributeTypeAndValue { oid, value: Any::encode_from(&Utf8StringRef::new(text)?)? })
    };
    let mut organizations = SetOfVec::new();
    for organization in &request.organizations {
        organizations.insert(attribute(ORGANIZATION, organization)?)?;
    }
    let mut names = SetOfVec::new();
    names.insert(attribute(COMMON_NAME, &request.common_name)?)?;
    let mut sequence = Vec::new();
    if !organizations.is_empty() {
        sequence.push(RelativeDistinguishedName(organizations));
    }
    sequence.push(RelativeDistinguishedName(names));
    Ok(RdnSequence(sequence))
}
