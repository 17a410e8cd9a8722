//! TLS for HTTP: rustls with graviola's cryptography.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use tracing::warn;

use crate::sink::SetupError;

/// Fails where TLS would panic for want of CPU instructions.
pub(super) fn check_cpu(is_supported: bool) -> Result<(), SetupError> {
    if is_supported {
        return Ok(());
    }
    Err(SetupError::new(format!(
        "this CPU can't do TLS here: it lacks one of {}; use an http:// address, of a proxy \
         beside this process for instance",
        NEEDED.join(", ")
    )))
}

/// What graviola 0.4 needs, without which it panics on first use.
#[cfg(target_arch = "x86_64")]
const NEEDED: [&str; 6] = ["adx", "aes", "avx", "avx2", "bmi1", "pclmulqdq"];
#[cfg(target_arch = "aarch64")]
const NEEDED: [&str; 4] = ["aes", "neon", "pmull", "sha2"];

/// Tells whether the CPU has them all.
#[cfg(target_arch = "x86_64")]
pub(super) fn cpu_is_supported() -> bool {
    is_x86_feature_detected!("adx")
        && is_x86_feature_detected!("aes")
        && is_x86_feature_detected!("avx")
        && is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("pclmulqdq")
}

/// Tells whether the CPU has them all.
#[cfg(target_arch = "aarch64")]
pub(super) fn cpu_is_supported() -> bool {
    use std::arch::is_aarch64_feature_detected;

    is_aarch64_feature_detected!("aes")
        && is_aarch64_feature_detected!("neon")
        && is_aarch64_feature_detected!("pmull")
        && is_aarch64_feature_detected!("sha2")
}

/// A configuration that trusts the system's certificates. Made without cryptography: any CPU can.
pub(super) fn config() -> Result<ClientConfig, SetupError> {
    let provider = Arc::new(rustls_graviola::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| SetupError::new(format!("no TLS: {error}")))?
        .with_root_certificates(roots())
        .with_no_client_auth();
    Ok(config)
}

/// The system's roots (`SSL_CERT_FILE` and `SSL_CERT_DIR` among them); the bundled ones where there
/// are none, as in an image of a single binary.
fn roots() -> RootCertStore {
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        warn!(%error, "a root certificate of the system can't be read");
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
    fn a_cpu_without_the_instructions_is_told_at_once() {
        assert_eq!(check_cpu(true), Ok(()));
        let error = check_cpu(false).unwrap_err().to_string();
        assert!(
            error.contains("aes") && error.contains("http://"),
            "{error}"
        );
    }

    #[test]
    fn there_are_always_roots() {
        assert!(!roots().is_empty());
    }
}
