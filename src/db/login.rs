//! Failures to log in whose texts, the driver's or the server's, do not tell an operator what to do.

use std::io::ErrorKind;

const ENABLE: &str = "let the server offer TLS, and use it: ssl-mode=REQUIRED in database.url";
const ACCEPT: &str = "let the server offer TLS with a certificate that ssl-mode in database.url accepts, or correct \
                      ssl-mode and ssl-ca there";
const RENEW: &str = "let the server use a certificate of X.509 version 3, as openssl makes with extensions (x509 -req -extfile); \
                     until then, on a network that you trust, set ssl-mode=DISABLED in database.url";
const SIGN: &str = "let the server use a certificate that is not its own authority: sign one with it and name the \
                    authority with ssl-ca, or use ssl-mode=REQUIRED, which encrypts and checks no certificate";

/// The server asks for the password itself, which the driver sends through TLS only. `MySQL` does so for
/// `caching_sha2_password` unless it has the password in its cache.
pub(super) fn wants_encryption(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Configuration(error) if error.to_string().contains("RSA"))
}

/// The cause, where the driver speaks of its own Cargo features.
pub(super) fn cause(error: &sqlx::Error) -> Option<&'static str> {
    wants_encryption(error).then_some(
        "the account logs in with caching_sha2_password or sha256_password, which needs an encrypted connection",
    )
}

/// The remedy where the driver's TLS library takes no certificate that `OpenSSL` takes, and the driver lets nobody else look at it:
/// one that is its own authority, and one of X.509 version 1, which is not read even where nothing is verified.
pub fn mend_certificate(error: &str) -> Option<&'static str> {
    let remedies = [
        ("CaUsedAsEndEntity", SIGN),
        ("UnsupportedCertVersion", RENEW),
    ];
    let mut remedies = remedies.into_iter();
    remedies
        .find(|(cause, _)| error.contains(cause))
        .map(|(_, remedy)| remedy)
}

/// Whether it is TLS that failed.
pub(super) fn is_no_tls(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Tls(_) => true,
        sqlx::Error::Io(error) => error.kind() == ErrorKind::InvalidData,
        _ => false,
    }
}

/// What the operator has to do about encryption.
pub(super) fn remedy(error: &sqlx::Error, number: Option<u16>) -> Option<&'static str> {
    const INSECURE_TRANSPORT: u16 = 3159;
    if wants_encryption(error) || number == Some(INSECURE_TRANSPORT) {
        return Some(ENABLE);
    }
    is_no_tls(error).then(|| mend_certificate(&error.to_string()).unwrap_or(ACCEPT))
}
