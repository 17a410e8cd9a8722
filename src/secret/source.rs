//! Where a secret is. One in a file is read each time that it is needed, so that another can be put
//! in its place without a restart.

use std::path::PathBuf;

use tokio::io::AsyncReadExt;

use super::Secret;
use crate::{Error, ErrorKind};

/// A secret's file is one line: more is the wrong file.
pub(crate) const MAX_SECRET_BYTES: u64 = 16 * 1024;

/// A secret, or the file that has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// The secret itself.
    Text(Secret),
    /// A file of one line, read anew each time.
    File(PathBuf),
}

impl SecretSource {
    /// The secret as it is now.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Authentication`] where the file can't be read, or holds none.
    ///
    /// # Cancel safety
    ///
    /// When dropped, nothing is lost.
    pub(crate) async fn read(&self) -> Result<Secret, Error> {
        let path = match self {
            Self::Text(secret) => return Ok(secret.clone()),
            Self::File(path) => path,
        };
        let mut text = String::new();
        let read = async {
            let file = tokio::fs::File::open(path).await?;
            file.take(MAX_SECRET_BYTES).read_to_string(&mut text).await
        };
        let why = match read.await {
            Err(error) => format!("can't be read: {error}"),
            Ok(_) if text.trim().is_empty() => "is empty".to_owned(),
            Ok(_) => return Ok(Secret::from(line(&text))),
        };
        let path = path.display();
        Err(Error::new(
            ErrorKind::Authentication,
            format!("{path} {why}"),
        ))
    }
}

impl<T: Into<Secret>> From<T> for SecretSource {
    fn from(secret: T) -> Self {
        Self::Text(secret.into())
    }
}

/// The secret of a file's text: editors end a file with a line break.
pub(crate) fn line(text: &str) -> &str {
    text.trim_end_matches(['\r', '\n'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_is_read_each_time() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let source = SecretSource::File(file.path().to_owned());
        for text in ["one", " two \r\n"] {
            std::fs::write(file.path(), text).unwrap();
            let secret = source.read().await.unwrap();
            assert_eq!(secret.expose(), line(text));
        }
        for (text, why) in [("\n", "is empty"), ("", "is empty")] {
            std::fs::write(file.path(), text).unwrap();
            let error = source.read().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Authentication);
            assert!(error.to_string().contains(why), "{error}");
        }
        drop(file);
        let error = source.read().await.unwrap_err();
        assert!(error.to_string().contains("can't be read"), "{error}");
    }
}
