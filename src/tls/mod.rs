//! TLS for everything that connects, and for the broker in memory: rustls with graviola's
//! cryptography, which compiles no C.
//!
//! [`TlsConfig`] says whom to trust and who we are; what it names is read anew each time
//! [`TlsConfig::client_config`] is called, so that renewed certificates need no restart.
//! [`ServerTls`] is the same for a server.
//!
//! # Invariants
//!
//! - No error and no `Debug` shows a key.
//! - Nothing is computed, and so nothing can panic for want of a CPU's instructions, before
//!   [`check_cpu`] was asked; but for an [`Identity`], making a configuration computes nothing.

mod cpu;
mod error;
mod identity;
mod pem;
mod roots;
mod server;
mod verify;

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::danger::ServerCertVerifier;

pub use cpu::check_cpu;
pub use error::{Part, TlsError};
pub use identity::Identity;
pub use pem::Pem;
pub use server::{ServerTls, Versions};

/// How to connect by TLS, 1.2 or 1.3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// `ssl.ca.location`: the certificates of those who are trusted to vouch for servers. Where
    /// it is left out, the system's; where there are none, those bundled with the program.
    pub trusted: Option<Pem>,
    /// `ssl.certificate.location`, `ssl.key.location`: who we are, to a server that asks.
    pub identity: Option<Identity>,
    /// `ssl.endpoint.identification.algorithm`: whether a server's certificate must be for the
    /// name that was connected to. Without it, whoever has a certificate of a trusted authority
    /// can pose as the server.
    pub check_name: bool,
}

impl Default for TlsConfig {
    fn default() -> Self {
        Self {
            trusted: None,
            identity: None,
            check_name: true,
        }
    }
}

impl TlsConfig {
    /// Reads what is named and makes rustls' configuration of it. Blocks on files.
    ///
    /// # Errors
    ///
    /// What can't be read, and which part of the configuration named it.
    pub fn client_config(&self) -> Result<ClientConfig, TlsError> {
        let provider = Arc::new(rustls_graviola::default_provider());
        let roots = match &self.trusted {
            Some(pem) => Arc::new(roots::of(pem)?),
            None => roots::of_system(),
        };
        let verifier: Arc<dyn ServerCertVerifier> = if self.check_name {
            verify::chain_and_name(roots, provider.clone())?
        } else {
            verify::chain_alone(roots, &provider)
        };
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::new(Part::Tls, error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        Ok(match &self.identity {
            Some(identity) => builder.with_client_cert_resolver(identity.resolver(&provider)?),
            None => builder.with_no_client_auth(),
        })
    }
}

#[cfg(test)]
mod tests;
