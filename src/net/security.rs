//! How a connection is kept from others: TLS, a login, both or neither.

use crate::net::sasl::Sasl;
use crate::tls::TlsConfig;

/// The `security.protocol`, and all that belongs to it. The default is plaintext without a login.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Security {
    /// TLS, where the protocol is `SSL` or `SASL_SSL`.
    pub tls: Option<TlsConfig>,
    /// The login, where the protocol is `SASL_PLAINTEXT` or `SASL_SSL`.
    pub sasl: Option<Sasl>,
}

impl Security {
    /// Kafka's name of the combination.
    pub fn protocol(&self) -> &'static str {
        match (&self.tls, &self.sasl) {
            (None, None) => "PLAINTEXT",
            (Some(_), None) => "SSL",
            (None, Some(_)) => "SASL_PLAINTEXT",
            (Some(_), Some(_)) => "SASL_SSL",
        }
    }

    /// True where a password or a token goes over the wire for everyone to read.
    pub fn shows_secrets(&self) -> bool {
        let sends_secret = |sasl: &Sasl| matches!(sasl, Sasl::Plain(_) | Sasl::OauthBearer(_));
        self.tls.is_none() && self.sasl.as_ref().is_some_and(sends_secret)
    }
}
