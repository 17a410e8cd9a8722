//! The other side of a handshake: what a server shows, and whom it lets in.

use std::sync::Arc;

use rustls::server::{ServerConfig, WebPkiClientVerifier};
use rustls::{ALL_VERSIONS, SupportedProtocolVersion, version};

use super::error::{Part, TlsError};
use super::identity::Identity;
use super::pem::Pem;
use super::roots;

const TLS12: &[&SupportedProtocolVersion] = &[&version::TLS12];
const TLS13: &[&SupportedProtocolVersion] = &[&version::TLS13];

/// How to take connections by TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTls {
    /// Who we are.
    pub identity: Identity,
    /// The certificates of those who are trusted to vouch for clients. Where it is left out, no
    /// client is asked for a certificate; where it is there, each must have one.
    pub clients: Option<Pem>,
    /// What may be spoken.
    pub versions: Versions,
}

/// Versions of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Versions {
    /// 1.2 and 1.3.
    #[default]
    All,
    /// 1.2 alone.
    Tls12,
    /// 1.3 alone.
    Tls13,
}

impl Versions {
    fn list(self) -> &'static [&'static SupportedProtocolVersion] {
        match self {
            Self::All => ALL_VERSIONS,
            Self::Tls12 => TLS12,
            Self::Tls13 => TLS13,
        }
    }
}

impl ServerTls {
    /// Reads what is named and makes rustls' configuration of it. Blocks on files.
    ///
    /// # Errors
    ///
    /// What can't be read, and which part of the configuration named it.
    pub fn server_config(&self) -> Result<ServerConfig, TlsError> {
        let provider = Arc::new(rustls_graviola::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(self.versions.list())
            .map_err(|error| TlsError::new(Part::Tls, error.to_string()))?;
        let builder = match &self.clients {
            None => builder.with_no_client_auth(),
            Some(trusted) => {
                let roots = Arc::new(roots::of(trusted)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider.clone());
                let verifier = verifier.build();
                let verifier =
                    verifier.map_err(|error| trusted.error(Part::Trusted, &error.to_string()))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        Ok(builder.with_cert_resolver(self.identity.resolver(&provider)?))
    }
}
