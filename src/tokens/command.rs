//! A command that writes a token, such as a cloud's own tool.

use std::process::Stdio;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

use super::{Extensions, MAX_TOKEN_BYTES, refused, token};
use crate::Error;
use crate::net::sasl::{Token, TokenSource};

/// Runs a command for each login; the token is what it writes to its standard output. It is
/// killed where it takes longer than the login may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenCommand {
    /// The command, which the shell runs.
    pub command: String,
    /// What goes along with the token.
    pub extensions: Extensions,
}

impl TokenCommand {
    async fn output(&self) -> std::io::Result<(bool, String)> {
        let mut child = Command::new("sh")
            .args(["-c", &self.command])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut text = String::new();
        if let Some(stdout) = child.stdout.take() {
            let limit = MAX_TOKEN_BYTES as u64;
            stdout.take(limit).read_to_string(&mut text).await?;
        }
        Ok((child.wait().await?.success(), text))
    }
}

impl TokenSource for TokenCommand {
    fn token(&self) -> BoxFuture<'_, Result<Token, Error>> {
        async {
            const FROM: &str = "the token's command";
            match self.output().await {
                Ok((true, text)) => token(&text, FROM, &self.extensions),
                Ok((false, _)) => Err(refused(format!("{FROM} failed"))),
                Err(error) => Err(refused(format!("{FROM} can't be run: {error}"))),
            }
        }
        .boxed()
    }
}
