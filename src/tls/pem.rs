//! PEM (RFC 7468): certificates and keys as text, in a file or given as such.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use rustls::pki_types::pem::{Error, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::error::{Part, TlsError};
use crate::secret::Secret;

/// More than any bundle of certificates has, in bytes.
const MAX_BYTES: u64 = 16 << 20;

/// PEM text, or where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pem {
    /// A file.
    File(PathBuf),
    /// The text itself. Line breaks may be missing, as in a Java properties file.
    Text(Secret),
}

/// What is said of it in errors.
impl fmt::Display for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Text(_) => f.write_str("the PEM text"),
        }
    }
}

impl Pem {
    /// The certificates in it: at least one.
    pub(super) fn certificates(
        &self,
        part: Part,
    ) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let text = self.text(part)?;
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
        let found = found.map_err(|error| self.malformed(part, &error))?;
        if found.is_empty() {
            let other = if is_binary(text.as_bytes()) {
                "it is not PEM"
            } else {
                "it holds no certificate"
            };
            return Err(self.error(part, &format!("{other} (-----BEGIN CERTIFICATE-----)")));
        }
        Ok(found)
    }

    /// The first private key in it: PKCS#8, PKCS#1 or SEC1, not encrypted.
    pub(super) fn key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        let text = self.text(Part::Key)?;
        if text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
            let advice = "the key is encrypted, which isn't supported: decrypt it \
                          (openssl pkey -in encrypted.pem -out key.pem) and guard the file";
            return Err(self.error(Part::Key, advice));
        }
        PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|error| match error {
            Error::NoItemsFound => self.error(
                Part::Key,
                "it holds no private key (-----BEGIN PRIVATE KEY-----)",
            ),
            error => self.malformed(Part::Key, &error),
        })
    }

    fn text(&self, part: Part) -> Result<String, TlsError> {
        match self {
            Self::File(path) => {
                let mut bytes = Vec::new();
                File::open(path)
                    .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
                    .map_err(|error| self.error(part, &format!("can't be read: {error}")))?;
                if bytes.len() as u64 > MAX_BYTES {
                    return Err(self.error(part, "is too large: is it the right file?"));
                }
                // What is no text has no PEM in it, and is told as that.
                Ok(String::from_utf8_lossy(&bytes).into_owned())
            }
            Self::Text(text) => Ok(on_lines(text.expose())),
        }
    }

    /// The library's own words may quote a line, and that may be a key's.
    fn malformed(&self, part: Part, error: &Error) -> TlsError {
        let what = match error {
            Error::MissingSectionEnd { .. } => "a section has no end line",
            Error::IllegalSectionStart { .. } => "a section's first line is malformed",
            Error::Base64Decode(_) => "a section is not base64",
            _ => "it can't be read",
        };
        self.error(part, what)
    }

    pub(super) fn error(&self, part: Part, what: &str) -> TlsError {
        TlsError::new(part, format!("{self}: {what}"))
    }
}

fn is_binary(bytes: &[u8]) -> bool {
    !bytes.windows(11).any(|window| window == b"-----BEGIN ")
}

/// Gives the lines that begin and end a section lines of their own: a properties file has it all
/// on one.
fn on_lines(text: &str) -> String {
    if text.contains('\n') {
        return text.to_owned();
    }
    let mut lines = String::with_capacity(text.len() + 16);
    // Outside, between and within the dashes in turn: `-----BEGIN X-----base64-----END X-----`.
    for (index, piece) in text.split("-----").enumerate() {
        if index % 2 == 1 {
            lines.extend(["\n-----", piece, "-----\n"]);
        } else {
            lines.extend(piece.split_whitespace());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_without_line_breaks_gets_them_back() {
        let text =
            "-----BEGIN A B----- MIIB  aaa= -----END A B----- -----BEGIN C-----x-----END C-----";
        let lines = on_lines(text);
        let lines: Vec<_> = lines.lines().filter(|line| !line.is_empty()).collect();
        assert_eq!(
            lines,
            [
                "-----BEGIN A B-----",
                "MIIBaaa=",
                "-----END A B-----",
                "-----BEGIN C-----",
                "x",
                "-----END C-----"
            ]
        );
        let with = "-----BEGIN A-----\nx\n-----END A-----\n";
        assert_eq!(on_lines(with), with);
    }
}
