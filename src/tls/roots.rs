//! Who is trusted to vouch for servers.

use std::sync::{Arc, OnceLock};

use rustls::RootCertStore;

use super::error::{Part, TlsError};
use super::pem::Pem;

/// The certificates of a PEM. Bundles have some that nobody can read; one at least must be.
pub(super) fn of(pem: &Pem) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let (_, ignored) = roots.add_parsable_certificates(pem.certificates(Part::Trusted)?);
    if roots.is_empty() {
        return Err(pem.error(Part::Trusted, "none of its certificates can be read"));
    }
    if ignored > 0 {
        tracing::warn!(ignored, "certificates in {pem} can't be read");
    }
    Ok(roots)
}

/// The system's (`SSL_CERT_FILE` and `SSL_CERT_DIR` among them), read once; the bundled ones where
/// there are none, as in an image of a single binary.
pub(super) fn of_system() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    ROOTS.get_or_init(|| Arc::new(read_system())).clone()
}

fn read_system() -> RootCertStore {
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::warn!(%error, "a root certificate of the system can't be read");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(native.certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_always_roots() {
        assert!(!of_system().is_empty());
    }
}
