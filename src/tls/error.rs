//! What keeps TLS from being set up.

use std::fmt;

/// The part of a configuration that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The machine, not the configuration.
    Cpu,
    /// The certificates of those who are trusted.
    Trusted,
    /// Our own certificate.
    Certificate,
    /// Our own key.
    Key,
    /// The TLS library itself.
    Tls,
}

/// TLS can't be set up. Never shows a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsError {
    part: Part,
    message: String,
}

impl TlsError {
    pub(super) fn new(part: Part, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { part, message }
    }

    /// Which part of the configuration is wrong.
    pub fn part(&self) -> Part {
        self.part
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for TlsError {}
