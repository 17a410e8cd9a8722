//! What the cryptography asks of the CPU.

use super::error::{Part, TlsError};

/// What graviola 0.4 needs, without which it panics on first use.
#[cfg(target_arch = "x86_64")]
const NEEDED: &str = "adx, aes, avx, avx2, bmi1, pclmulqdq";
#[cfg(target_arch = "aarch64")]
const NEEDED: &str = "aes, neon, pmull, sha2";

/// Tells whether the CPU can do TLS here.
///
/// # Errors
///
/// What it lacks.
pub fn check_cpu() -> Result<(), TlsError> {
    check(graviola::util::is_cpu_supported())
}

fn check(is_supported: bool) -> Result<(), TlsError> {
    if is_supported {
        return Ok(());
    }
    let text = format!("this CPU can't do TLS here: it lacks one of {NEEDED}");
    Err(TlsError::new(Part::Cpu, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_without_the_instructions_is_told_at_once() {
        assert_eq!(check(true), Ok(()));
        let error = check(false).unwrap_err();
        assert_eq!(error.part(), Part::Cpu);
        assert!(error.to_string().contains("aes"), "{error}");
    }
}
