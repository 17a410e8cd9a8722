//! A value as it was given, before its key gives it a meaning.

use std::borrow::Cow;

use toml::de::DeValue;

/// One given value.
///
/// # Invariants
///
/// Not `Debug`, and no error of this module quotes a value it can't judge: it may be a secret.
#[derive(Clone)]
pub(super) enum Input {
    /// Text without a type: from a variable, a flag or a default.
    Word(String),
    /// A TOML string.
    Text(String),
    /// A TOML integer.
    Integer(i64),
    /// A TOML boolean.
    Boolean(bool),
    /// A TOML array.
    List(Vec<Input>),
    /// A TOML value that no key takes, named for a person.
    Other(&'static str),
}

impl Input {
    /// Takes over a value of a TOML file.
    pub(super) fn from_toml(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.to_string()),
            DeValue::Integer(digits) => i64::from_str_radix(digits.as_str(), digits.radix())
                .map_or(Self::Other("an integer beyond 64 bits"), Self::Integer),
            DeValue::Boolean(value) => Self::Boolean(*value),
            DeValue::Array(items) => Self::List(
                items
                    .iter()
                    .map(|item| Self::from_toml(item.get_ref()))
                    .collect(),
            ),
            DeValue::Float(_) => Self::Other("a fraction"),
            DeValue::Datetime(_) => Self::Other("a date"),
            DeValue::Table(_) => Self::Other("a table"),
        }
    }

    /// The value as text that is not empty.
    pub(super) fn text(&self) -> Result<&str, String> {
        match self {
            Self::Word(text) | Self::Text(text) if text.trim().is_empty() => {
                Err("is empty: set it, or leave it out for the default".to_owned())
            }
            Self::Word(text) | Self::Text(text) => Ok(text),
            other => Err(format!("is {}: write text in quotes", other.type_name())),
        }
    }

    /// The value as a whole number.
    pub(super) fn integer(&self) -> Result<i64, String> {
        match self {
            Self::Integer(number) => Ok(*number),
            Self::Word(_) => {
                let text = self.text()?;
                text.trim()
                    .parse()
                    .map_err(|_| format!("`{text}` is not a whole number"))
            }
            Self::Text(text) if text.trim().parse::<i64>().is_ok() => {
                Err(format!("is text: write {} without quotes", text.trim()))
            }
            other => Err(format!("is {}: write a whole number", other.type_name())),
        }
    }

    /// The value as a yes or no.
    pub(super) fn boolean(&self) -> Result<bool, String> {
        match self {
            Self::Boolean(value) => Ok(*value),
            Self::Word(word) => word
                .trim()
                .parse()
                .map_err(|_| format!("`{word}` is neither true nor false")),
            other => Err(format!(
                "is {}: write true or false, without quotes",
                other.type_name()
            )),
        }
    }

    /// The values of a list: of an array, or separated by commas.
    pub(super) fn items(&self) -> Result<Cow<'_, [Input]>, String> {
        match self {
            Self::List(items) => Ok(Cow::Borrowed(items)),
            Self::Word(text) | Self::Text(text) if text.trim().is_empty() => Ok(Cow::Borrowed(&[])),
            Self::Word(text) | Self::Text(text) => Ok(text
                .split(',')
                .map(|item| Self::Word(item.trim().to_owned()))
                .collect()),
            other => Err(format!("is {}: write an array", other.type_name())),
        }
    }

    fn type_name(&self) -> &'static str {
        match self {
            Self::Word(_) | Self::Text(_) => "text",
            Self::Integer(_) => "an integer",
            Self::Boolean(_) => "true or false",
            Self::List(_) => "an array",
            Self::Other(name) => name,
        }
    }
}
