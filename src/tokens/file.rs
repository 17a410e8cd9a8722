//! A file that someone else keeps fresh, as Kubernetes does with service account tokens.

use std::path::PathBuf;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::io::AsyncReadExt;

use super::{Extensions, MAX_TOKEN_BYTES, refused, token};
use crate::Error;
use crate::net::sasl::{Token, TokenSource};

/// Reads the token from a file, anew for each login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFile {
    /// The file, which holds the token and nothing else.
    pub path: PathBuf,
    /// What goes along with it.
    pub extensions: Extensions,
}

impl TokenSource for TokenFile {
    fn token(&self) -> BoxFuture<'_, Result<Token, Error>> {
        let read = async {
            let mut text = String::new();
            let file = tokio::fs::File::open(&self.path).await?;
            let limit = MAX_TOKEN_BYTES as u64;
            file.take(limit).read_to_string(&mut text).await?;
            std::io::Result::Ok(text)
        };
        async move {
            let path = self.path.display().to_string();
            let text = read.await;
            let text = text.map_err(|error| refused(format!("{path} can't be read: {error}")))?;
            token(&text, &path, &self.extensions)
        }
        .boxed()
    }
}
