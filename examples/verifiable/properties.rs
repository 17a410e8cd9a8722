//! Settings from a Java properties file.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::io;
use std::iter::Peekable;
use std::str::{Chars, FromStr};
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

    /// Understands the format of `java.util.Properties.load`.
    fn parse(text: &str) -> Self {
        let mut entries = BTreeMap::new();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let mut line = line.trim_start().to_owned();
            if line.is_empty() || line.starts_with(['#', '!']) {
                continue;
            }
            while goes_on(&line) {
                line.pop();
                line.push_str(lines.next().unwrap_or_default().trim_start());
            }
            let mut chars = line.chars().peekable();
            let key = unescaped(&mut chars, |c| matches!(c, '=' | ':') || is_blank(c));
            skip_blanks(&mut chars);
            if chars.next_if(|c| matches!(c, '=' | ':')).is_some() {
                skip_blanks(&mut chars);
            }
            entries.insert(key, unescaped(&mut chars, |_| false));
        }
        Self(entries)
    }

    /// Takes a setting out, if it is there.
    pub(crate) fn take<T: FromStr<Err: Display>>(
        &mut self,
        key: &str,
    ) -> Result<Option<T>, Failure> {
        let Some(text) = self.0.remove(key) else {
            return Ok(None);
        };
        let value = text.trim().parse();
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

/// True where a line ends in a backslash that is not itself escaped.
fn goes_on(line: &str) -> bool {
    let backslashes = line.bytes().rev().take_while(|byte| *byte == b'\\');
    backslashes.count() % 2 == 1
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\x0c')
}

fn skip_blanks(chars: &mut Peekable<Chars<'_>>) {
    while chars.next_if(|c| is_blank(*c)).is_some() {}
}

/// Reads to the end of the line, or until a character that is one of these and not escaped.
fn unescaped(chars: &mut Peekable<Chars<'_>>, ends: impl Fn(char) -> bool) -> String {
    let mut text = String::new();
    while let Some(c) = chars.next_if(|c| !ends(*c)) {
        match (c, chars.peek()) {
            ('\\', Some(_)) => text.extend(escape(chars)),
            _ => text.push(c),
        }
    }
    text
}

/// Reads what follows a backslash.
fn escape(chars: &mut Peekable<Chars<'_>>) -> Option<char> {
    Some(match chars.next()? {
        't' => '\t',
        'n' => '\n',
        'r' => '\r',
        'f' => '\x0c',
        'u' => {
            let digits: String = chars.by_ref().take(4).collect();
            let code = u32::from_str_radix(&digits, 16).ok()?;
            char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
        }
        other => other,
    })
}
