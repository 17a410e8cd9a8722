//! The hash that a SCRAM mechanism is named after, and what is made of it.

use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use pbkdf2::pbkdf2_hmac;
use sha2::{Digest, Sha256, Sha512};

/// A hash that SCRAM is used with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Hash {
    /// The plain hash.
    pub(crate) fn digest(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(data).to_vec(),
            Self::Sha512 => Sha512::digest(data).to_vec(),
        }
    }

    /// `HMAC(key, data)`.
    pub(crate) fn hmac(self, key: &[u8], data: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => mac::<Hmac<Sha256>>(key, data)
                .finalize()
                .into_bytes()
                .to_vec(),
            Self::Sha512 => mac::<Hmac<Sha512>>(key, data)
                .finalize()
                .into_bytes()
                .to_vec(),
        }
    }

    /// Whether `signature` is `HMAC(key, data)`, told in a time that does not depend on how much
    /// of it is.
    pub(crate) fn verify(self, key: &[u8], data: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Sha256 => mac::<Hmac<Sha256>>(key, data).verify_slice(signature),
            Self::Sha512 => mac::<Hmac<Sha512>>(key, data).verify_slice(signature),
        }
        .is_ok()
    }

    /// `Hi(password, salt, iterations)`, which is PBKDF2.
    pub(crate) fn salted(self, password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
        let mut salted = [0; 64];
        let salted = match self {
            Self::Sha256 => {
                let salted = &mut salted[..32];
                pbkdf2_hmac::<Sha256>(password, salt, iterations, salted);
                salted
            }
            Self::Sha512 => {
                pbkdf2_hmac::<Sha512>(password, salt, iterations, &mut salted);
                &mut salted[..]
            }
        };
        salted.to_vec()
    }
}

fn mac<M: Mac + KeyInit>(key: &[u8], data: &[u8]) -> M {
    let mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.chain_update(data)
}
