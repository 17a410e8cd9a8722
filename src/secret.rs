//! Texts that can't be printed: tokens and passwords, and the files that have them.

mod source;

use std::fmt;

pub use source::SecretSource;
pub(crate) use source::{MAX_SECRET_BYTES, line};

const HIDDEN: &str = "***";

/// A secret text. `Debug` and `Display` show `***`; only [`Secret::expose`] gives it away.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Hides the secret wherever it occurs in a text that came from elsewhere.
    pub fn redact(&self, text: &str) -> String {
        if self.0.is_empty() {
            text.to_owned()
        } else {
            text.replace(&self.0, HIDDEN)
        }
    }
}

impl<T: Into<String>> From<T> for Secret {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_debug_nor_display_shows_it() {
        let secret = Secret::from("hunter2");
        assert_eq!(
            format!("{secret} {secret:?} {:#?}", Some(&secret)),
            "*** *** Some(\n    ***,\n)"
        );
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn it_is_hidden_in_the_texts_of_others() {
        let secret = Secret::from("hunter2");
        assert_eq!(secret.redact("/hunter2/hunter2?"), "/***/***?");
        assert_eq!(Secret::from("").redact("abc"), "abc");
    }
}
