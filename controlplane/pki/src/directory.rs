//! The directory that holds the cluster's keys.

use std::{
    error::Error,
    fs::{self, DirBuilder},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rcgen::KeyPair;
use x509_cert::{
    Certificate,
    der::DecodePem,
    ext::pkix::{AuthorityKeyIdentifier, SubjectAltName, SubjectKeyIdentifier, name::GeneralName},
};

use crate::{
    authority::{Authority, subject},
    file::{FileError, read, write_private},
    request::CertificateRequest,
};

/// What is left of a certificate's life when it is replaced.
const RENEW_BEFORE: Duration = Duration::from_secs(30 * 24 * 3600);

/// Why there is no certificate, key or kubeconfig.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A certificate or key cannot be made or is damaged.
    #[error("{what}: {source}")]
    Certificate {
        /// What was wanted.
        what: &'static str,
        /// The reason.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl PkiError {
    pub(crate) fn generate(what: &'static str) -> impl FnOnce(rcgen::Error) -> Self {
        move |source| Self::Certificate { what, source: Box::new(source) }
    }

    pub(crate) fn encode(what: &'static str) -> impl FnOnce(x509_cert::der::Error) -> Self {
        move |source| Self::Certificate { what, source: Box::new(source) }
    }
}

/// A certificate with its key, both PEM.
#[derive(Clone)]
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// Its private key (PKCS#8).
    pub key: String,
}

/// The directory of the cluster's CA, keys and certificates.
#[derive(Debug)]
pub struct Pki {
    directory: PathBuf,
    authority: Authority,
    token_key: String,
    token_public_key: String,
}

impl Pki {
    /// Opens the directory; makes it (mode 0700), the CA (`ca.crt`, `ca.key`) and the token key (`sa.key`, `sa.pub`) where
    /// they do not exist yet.
    ///
    /// # Errors
    /// [`PkiError`] if a file cannot be read or written, or is damaged. A damaged CA is never replaced.
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self, PkiError> {
        let directory = directory.into();
        DirBuilder::new().recursive(true).mode(0o700).create(&directory).map_err(|source| FileError {
            operation: "create",
            path: directory.clone(),
            source,
        })?;
        let authority = open_authority(&directory)?;
        let token_key_path = directory.join("sa.key");
        let token_key = match read(&token_key_path)? {
            Some(key) => key,
            None => {
                let key = KeyPair::generate().map_err(PkiError::generate("token key"))?.serialize_pem();
                write_private(&token_key_path, key.as_bytes())?;
                key
            }
        };
        let token_public_key =
            KeyPair::from_pem(&token_key).map_err(PkiError::generate("token key"))?.public_key_pem();
        let public_path = directory.join("sa.pub");
        if read(&public_path)?.as_deref() != Some(&token_public_key) {
            write_private(&public_path, token_public_key.as_bytes())?;
        }
        Ok(Self { directory, authority, token_key, token_public_key })
    }

    /// The CA.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The CA's certificate as PEM.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        self.authority.certificate_pem()
    }

    /// The key that signs service-account tokens: PKCS#8 PEM, ECDSA P-256 (JWT `ES256`).
    #[must_use]
    pub fn token_key_pem(&self) -> &str {
        &self.token_key
    }

    /// The public half of [`Self::token_key_pem`] as PEM.
    #[must_use]
    pub fn token_public_key_pem(&self) -> &str {
        &self.token_public_key
    }

    /// Where the files are.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Makes a key and a certificate without keeping them.
    ///
    /// # Errors
    /// [`PkiError::Certificate`].
    pub fn issue(&self, request: &CertificateRequest) -> Result<Issued, PkiError> {
        let key = KeyPair::generate().map_err(PkiError::generate("key"))?;
        Ok(Issued { certificate: self.authority.issue(request, &key)?, key: key.serialize_pem() })
    }

    /// The certificate kept as `<name>.crt` and `<name>.key`. A new one is issued if there is none, or if it says
    /// something else than `request`, comes from another CA, or expires within 30 days.
    ///
    /// # Errors
    /// [`PkiError`].
    pub fn ensure(&self, name: &str, request: &CertificateRequest) -> Result<Issued, PkiError> {
        let certificate_path = self.directory.join(format!("{name}.crt"));
        let key_path = self.directory.join(format!("{name}.key"));
        if let (Some(certificate), Some(key)) = (read(&certificate_path)?, read(&key_path)?)
            && self.is_good(&certificate, &key, request)
        {
            return Ok(Issued { certificate, key });
        }
        let issued = self.issue(request)?;
        // A crash in between leaves a pair that does not match, which the next start replaces.
        write_private(&key_path, issued.key.as_bytes())?;
        write_private(&certificate_path, issued.certificate.as_bytes())?;
        Ok(issued)
    }

    fn is_good(&self, certificate: &str, key: &str, request: &CertificateRequest) -> bool {
        let Ok(certificate) = Certificate::from_pem(certificate) else { return false };
        let Ok(key) = KeyPair::from_pem(key) else { return false };
        let Ok(ca) = Certificate::from_pem(self.ca_pem()) else { return false };
        let leaf = &certificate.tbs_certificate;
        let own_key =
            leaf.subject_public_key_info.subject_public_key.as_bytes() == Some(key.public_key_raw());
        let same_subject = subject(request).is_ok_and(|wanted| wanted == leaf.subject);
        let expires = leaf.validity.not_after.to_system_time();
        let fresh = expires > SystemTime::now() + RENEW_BEFORE;
        own_key
            && same_subject
            && fresh
            && is_signed_by(&certificate, &ca)
            && has_names(&certificate, request)
    }
}

fn open_authority(directory: &Path) -> Result<Authority, PkiError> {
    let (certificate_path, key_path) = (directory.join("ca.crt"), directory.join("ca.key"));
    match (read(&certificate_path)?, read(&key_path)?) {
        (Some(certificate), Some(key)) => Authority::load(certificate, &key),
        // Without its certificate (written last) a key has signed nothing yet.
        (None, _) => {
            let (authority, key) = Authority::generate("kubernetes")?;
            write_private(&key_path, key.as_bytes())?;
            write_private(&certificate_path, authority.certificate_pem().as_bytes())?;
            Ok(authority)
        }
        (Some(_), None) => {
            let source = std::io::ErrorKind::NotFound.into();
            Err(FileError { operation: "read", path: key_path, source }.into())
        }
    }
}

fn is_signed_by(certificate: &Certificate, ca: &Certificate) -> bool {
    let by = certificate.tbs_certificate.get::<AuthorityKeyIdentifier>();
    let own = ca.tbs_certificate.get::<SubjectKeyIdentifier>();
    match (by, own) {
        (Ok(Some((_, by))), Ok(Some((_, own)))) => by.key_identifier.is_some_and(|id| id == own.0),
        _ => false,
    }
}

fn has_names(certificate: &Certificate, request: &CertificateRequest) -> bool {
    let names = match certificate.tbs_certificate.get::<SubjectAltName>() {
        Ok(Some((_, names))) => names.0,
        Ok(None) => Vec::new(),
        Err(_) => return false,
    };
    let dns: Vec<&str> = names
        .iter()
        .filter_map(|name| if let GeneralName::DnsName(dns) = name { Some(dns.as_str()) } else { None })
        .collect();
    let addresses: Vec<&[u8]> = names
        .iter()
        .filter_map(|name| if let GeneralName::IpAddress(ip) = name { Some(ip.as_bytes()) } else { None })
        .collect();
    let wanted_addresses: Vec<Vec<u8>> = request
        .addresses
        .iter()
        .map(|address| match address {
            std::net::IpAddr::V4(address) => address.octets().to_vec(),
            std::net::IpAddr::V6(address) => address.octets().to_vec(),
        })
        .collect();
    dns == request.dns_names && addresses == wanted_addresses
}

/// Removes a certificate that is no longer wanted; it is no error if there is none.
impl Pki {
    /// Forgets `<name>.crt` and `<name>.key`.
    ///
    /// # Errors
    /// [`PkiError::File`] if a file exists and cannot be removed.
    pub fn forget(&self, name: &str) -> Result<(), PkiError> {
        for extension in ["crt", "key"] {
            let path = self.directory.join(format!("{name}.{extension}"));
            match fs::remove_file(&path) {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    return Err(FileError { operation: "remove", path, source }.into());
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
