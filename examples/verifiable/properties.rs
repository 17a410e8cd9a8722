//! Settings from a Java properties file.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::io;
use std::str::FromStr;
use std::time::Duration;

use super::{Failure, note};

/// The settings of a file that nobody has taken yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Properties(BTreeMap<String, String>);

impl Properties {
    /// Reads a file; made for clap.
    pub(crate) fn read(path: &str) -> io::Result<Self> {
        Ok(Self::parse(&fs::read_to_string(path)?))
    }

    /// Understands a key and a value a line, and comments: what Kafka's own tests write. Escapes
    /// and continued lines stay as they are.
    fn parse(text: &str) -> Self {
        let lines = text.lines().map(str::trim);
        let settings = lines.filter(|line| !line.is_empty() && !line.starts_with(['#', '!']));
        let split = settings.map(|line| line.split_once(['=', ':']).unwrap_or((line, "")));
        let entry = |(key, value): (&str, &str)| (key.trim().to_owned(), value.trim().to_owned());
        Self(split.map(entry).collect())
    }

    /// Takes a setting out, if it is there.
    pub(crate) fn take<T: FromStr<Err: Display>>(
        &mut self,
        key: &str,
    ) -> Result<Option<T>, Failure> {
        let Some(text) = self.0.remove(key) else {
            return Ok(None);
        };
        let value = text.parse();
        Ok(Some(
            value.map_err(|error| format!("{key}={text}: {error}"))?,
        ))
    }

    /// Changes a value to that of a setting, if it is there.
    pub(crate) fn apply<T: FromStr<Err: Display>>(
        &mut self,
        key: &str,
        to: &mut T,
    ) -> Result<(), Failure> {
        if let Some(value) = self.take(key)? {
            *to = value;
        }
        Ok(())
    }

    /// Changes a duration to that of a setting in milliseconds, if it is there.
    pub(crate) fn apply_millis(&mut self, key: &str, to: &mut Duration) -> Result<(), Failure> {
        if let Some(millis) = self.take(key)? {
            *to = Duration::from_millis(millis);
        }
        Ok(())
    }

    /// Names the settings that nobody has taken.
    pub(crate) fn note_ignored(self) -> io::Result<()> {
        self.0
            .keys()
            .try_for_each(|key| note(format_args!("ignored: the setting {key}")))
    }
}
