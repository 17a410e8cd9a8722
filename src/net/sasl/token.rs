//! Access tokens, which come from elsewhere.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::Error;
use crate::secret::Secret;

/// An access token, and what is sent along with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The token, as it goes over the wire.
    pub value: Secret,
    /// SASL extensions (KIP-342), such as `logicalCluster`.
    pub extensions: Vec<(String, String)>,
}

/// Where access tokens come from.
pub trait TokenSource: fmt::Debug + Send + Sync {
    /// Gives a token that is valid now. It is called for each login; whoever gets tokens at a
    /// cost keeps them for as long as they hold.
    fn token(&self) -> BoxFuture<'_, Result<Token, Error>>;
}

/// A source of access tokens. Clones are the same source.
#[derive(Clone, Debug)]
pub struct Tokens(pub(crate) Arc<dyn TokenSource>);

impl Tokens {
    /// Takes tokens from this source.
    pub fn new(source: impl TokenSource + 'static) -> Self {
        Self(Arc::new(source))
    }
}

/// The same source, not one that gives the same.
impl PartialEq for Tokens {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Tokens {}
