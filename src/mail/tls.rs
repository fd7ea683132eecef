//! TLS with the mail server: the system's authorities and the operator's own, or any certificate.

use std::io;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use rustls_platform_verifier::Verifier;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::peer::Wire;

/// How connections are encrypted.
pub(super) struct Tls(TlsConnector);

impl Tls {
    /// Trusts `authorities` in addition to the system's.
    ///
    /// # Errors
    /// The system has no trusted certificates, or an authority is not a certificate.
    pub(super) fn verified(authorities: Vec<CertificateDer<'static>>) -> Result<Self, Error> {
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        for authority in &authorities {
            roots.add(authority.clone())?;
        }
        let named = WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone());
        let trust = Trust::Known {
            system: Verifier::new_with_extra_roots(authorities.clone(), provider.clone())?,
            named: named.build().ok(),
            authorities,
        };
        Self::new(provider, trust)
    }

    /// Trusts whoever answers.
    ///
    /// # Errors
    /// None that is known.
    pub(super) fn unverified() -> Result<Self, Error> {
        Self::new(Arc::new(ring::default_provider()), Trust::Everybody)
    }

    fn new(provider: Arc<CryptoProvider>, trust: Trust) -> Result<Self, Error> {
        let judge = Judge {
            trust,
            provider: provider.clone(),
        };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(judge))
            .with_no_client_auth();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    /// Encrypts a connection.
    ///
    /// # Errors
    /// The handshake failed, the certificate is not trusted, or not for this host.
    pub(super) async fn encrypt(&self, wire: Wire, host: &str) -> io::Result<TlsStream<Wire>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        self.0.connect(name, wire).await
    }
}

/// Decides whom to believe.
#[derive(Debug)]
struct Judge {
    trust: Trust,
    provider: Arc<CryptoProvider>,
}

#[derive(Debug)]
enum Trust {
    /// Known authorities, and the very certificates that the operator named.
    Known {
        system: Verifier,
        /// Cannot be built from nothing.
        named: Option<Arc<WebPkiServerVerifier>>,
        authorities: Vec<CertificateDer<'static>>,
    },
    /// Whatever the certificate: the library cannot read those of old versions.
    Everybody,
}

/// Accepts what the library has against a certificate that the operator named, and OpenSSL has not: it is an authority's, as
/// those of `openssl req -x509`, or has the host's name in a field that is no longer read. The library looks at the dates before.
fn excuse(
    error: Error,
    certificate: &CertificateDer<'_>,
    host: &ServerName<'_>,
) -> Result<(), Error> {
    let is_authority = matches!(&error, Error::InvalidCertificate(CertificateError::Other(other))
        if other.to_string() == "CaUsedAsEndEntity");
    let verified = if is_authority {
        verify_server_name(&ParsedCertificate::try_from(certificate)?, host)
    } else {
        Err(error)
    };
    match verified {
        Err(Error::InvalidCertificate(CertificateError::NotValidForNameContext {
            presented,
            ..
        })) if presented.is_empty() => Ok(()),
        verified => verified,
    }
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Trust::Known {
            system,
            named,
            authorities,
        } = &self.trust
        else {
            return Ok(ServerCertVerified::assertion());
        };
        match named {
            Some(named) if authorities.iter().any(|one| one == certificate) => {
                let verified = named.verify_server_cert(certificate, chain, host, ocsp, now);
                verified.or_else(|error| {
                    excuse(error, certificate, host)?;
                    Ok(ServerCertVerified::assertion())
                })
            }
            _ => system.verify_server_cert(certificate, chain, host, ocsp, now),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if let Trust::Everybody = self.trust {
            return Ok(HandshakeSignatureValid::assertion());
        }
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if let Trust::Everybody = self.trust {
            return Ok(HandshakeSignatureValid::assertion());
        }
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

/// The certificates in a PEM file; at least one.
pub(super) fn certificates(file: &[u8]) -> Result<Vec<CertificateDer<'static>>, pem::Error> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(file).collect::<Result<_, _>>()?;
    if found.is_empty() {
        return Err(pem::Error::NoItemsFound);
    }
    Ok(found)
}
