//! A bot: its token, and the addresses that hold it.

use reqwest::Url;

use crate::secret::Secret;
use crate::sink::SetupError;

/// See the [module](self). No `Debug`: its addresses hold the token.
pub(super) struct Bot {
    pub(super) token: Secret,
    pub(super) send_url: Url,
    pub(super) probe_url: Url,
}

impl Bot {
    /// # Errors
    ///
    /// A token with characters that no token has.
    pub(super) fn new(base: &Url, token: Secret) -> Result<Self, SetupError> {
        check(&token)?;
        Ok(Self {
            send_url: method_url(base, &token, "sendMessage")?,
            probe_url: method_url(base, &token, "getMe")?,
            token,
        })
    }
}

fn check(token: &Secret) -> Result<(), SetupError> {
    if token.expose().is_empty() {
        return Err(SetupError::new("the token is empty"));
    }
    if !token.expose().chars().all(is_token_char) {
        let problem = "the token has characters that no token has: a line end or quotes perhaps";
        return Err(SetupError::new(problem));
    }
    Ok(())
}

/// Those that stand for themselves in an address (RFC 3986, section 2.3), and the token's colon.
fn is_token_char(char: char) -> bool {
    char.is_ascii_alphanumeric() || "-._~:".contains(char)
}

fn method_url(base: &Url, token: &Secret, method: &str) -> Result<Url, SetupError> {
    let base = base.as_str().trim_end_matches('/');
    Url::parse(&format!("{base}/bot{}/{method}", token.expose()))
        .map_err(|error| SetupError::new(format!("the base_url is not an address: {error}")))
}
