//! The certificates of `tests/fixtures/tls`, and the keys of `[kafka]` that name them.

use std::path::{Path, PathBuf};

use super::notifier::Setup;

/// A file of the fixtures: `ca.pem`.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/tls")
        .join(name)
}

/// Puts files of the fixtures together into one.
pub(crate) fn put_together(into: &Path, names: &[&str]) {
    let text: String = names
        .iter()
        .map(|name| std::fs::read_to_string(fixture(name)).expect("a fixture"))
        .collect();
    // In place at once: nobody reads half of it.
    let partial = into.with_extension("partial");
    std::fs::write(&partial, text).expect("a directory to write to");
    std::fs::rename(partial, into).expect("a directory to write to");
}

impl Setup {
    /// Sets a key of `[kafka]`, such as `ssl.ca.location`.
    pub(crate) fn kafka(self, key: &str, value: impl Into<String>) -> Self {
        let variable = key.replace('.', "_").to_ascii_uppercase();
        self.set(&format!("NOTIFIER_KAFKA_{variable}"), value)
    }

    /// Sets a key of `[kafka]` to a file of the fixtures.
    pub(crate) fn kafka_file(self, key: &str, name: &str) -> Self {
        self.kafka(key, fixture(name).display().to_string())
    }

    /// Connects by TLS and trusts the fixtures' authority.
    pub(crate) fn over_tls(self, protocol: &str) -> Self {
        self.kafka("security.protocol", protocol)
            .kafka_file("ssl.ca.location", "ca.pem")
    }

    /// Has the client's certificate, which brokers know as `CN=client-p256`.
    pub(crate) fn with_certificate(self) -> Self {
        self.kafka_file("ssl.certificate.location", "client-p256.pem")
            .kafka_file("ssl.key.location", "p256-key-sec1.pem")
    }

    /// Logs in as `alice` or `bob`.
    pub(crate) fn logged_in(self, mechanism: &str, user: &str) -> Self {
        self.kafka("sasl.mechanism", mechanism)
            .kafka("sasl.username", user)
            .kafka("sasl.password", format!("{user}-secret"))
    }
}
