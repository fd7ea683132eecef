//! TLS with the mail server: the system's authorities, and the operator's own.

use std::io;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, ServerName};
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
    pub(super) fn new(authorities: Vec<CertificateDer<'static>>) -> Result<Self, rustls::Error> {
        let provider = Arc::new(ring::default_provider());
        let verifier = Verifier::new_with_extra_roots(authorities, provider.clone())?;
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
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

/// The certificates in a PEM file; at least one.
pub(super) fn certificates(file: &[u8]) -> Result<Vec<CertificateDer<'static>>, pem::Error> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(file).collect::<Result<_, _>>()?;
    if found.is_empty() {
        return Err(pem::Error::NoItemsFound);
    }
    Ok(found)
}
