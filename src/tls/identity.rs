//! Who we are to a server that asks: a certificate and its key.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{Error, InconsistentKeys};

use super::error::{Part, TlsError};
use super::pem::Pem;

/// Our certificate and key. Both may be in one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The certificate, and after it those that lead to an authority that the server trusts.
    pub certificate: Pem,
    /// Its key: RSA of 2048 to 4096 bits, P-256, P-384 or Ed25519; in PKCS#8, PKCS#1 or SEC1.
    pub key: Pem,
}

impl Identity {
    /// Reads both and sees that they belong together.
    pub(super) fn resolver(
        &self,
        provider: &CryptoProvider,
    ) -> Result<Arc<SingleCertAndKey>, TlsError> {
        let chain = self.certificate.certificates(Part::Certificate)?;
        let key = provider
            .key_provider
            .load_private_key(self.key.key()?)
            .map_err(|_| {
                let kinds = "is of a kind that isn't supported, or damaged: RSA of 2048 to 4096 \
                             bits, P-256, P-384 and Ed25519 are supported";
                self.key.error(Part::Key, kinds)
            })?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(Error::InconsistentKeys(_)) => {
                let text = format!("is not the key of the certificate in {}", self.certificate);
                return Err(self.key.error(Part::Key, &text));
            }
            Err(error) => {
                return Err(self
                    .certificate
                    .error(Part::Certificate, &error.to_string()));
            }
        }
        Ok(Arc::new(SingleCertAndKey::from(certified)))
    }
}
