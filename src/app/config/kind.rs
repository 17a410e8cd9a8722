//! The kinds of values: how one is read, checked and written.

use std::marker::PhantomData;
use std::path::PathBuf;
use std::time::Duration;

use toml::Value;

use super::duration;
use super::input::Input;
use crate::secret::Secret;

/// How the values of a key are read and written.
pub(super) trait Kind {
    /// What is read. Its default stands in for a value that was refused, so that the reading goes
    /// on and finds every error; it never gets out.
    type Value: Default;

    /// Reads a value. The error says what is wrong and what to do.
    fn parse(&self, input: &Input) -> Result<Self::Value, String>;

    /// Writes a value as TOML; `None` for one that isn't set.
    fn render(&self, value: &Self::Value) -> Option<Value>;
}

/// Text that a function checks, and may bring into its usual form.
pub(super) struct Text(pub(super) fn(&str) -> Result<String, String>);

impl Kind for Text {
    type Value = String;

    fn parse(&self, input: &Input) -> Result<String, String> {
        (self.0)(input.text()?)
    }

    fn render(&self, value: &String) -> Option<Value> {
        Some(Value::String(value.clone()))
    }
}

/// A whole number within bounds.
pub(super) struct Whole<T> {
    min: i64,
    max: i64,
    of: PhantomData<T>,
}

/// A whole number from `min` to `max`.
pub(super) const fn whole<T>(min: i64, max: i64) -> Whole<T> {
    let of = PhantomData;
    Whole { min, max, of }
}

impl<T: Copy + Default + TryFrom<i64> + TryInto<i64>> Kind for Whole<T> {
    type Value = T;

    fn parse(&self, input: &Input) -> Result<T, String> {
        let number = input.integer()?;
        if number < self.min {
            return Err(format!("{number} is too small: at least {}", self.min));
        }
        T::try_from(number)
            .ok()
            .filter(|_| number <= self.max)
            .ok_or_else(|| format!("{number} is too large: at most {}", self.max))
    }

    fn render(&self, value: &T) -> Option<Value> {
        (*value).try_into().ok().map(Value::Integer)
    }
}

/// A duration in Kafka's manner: a whole number of milliseconds that fits its 32-bit fields.
pub(super) struct Millis {
    min: i64,
}

/// Milliseconds, at least `min` of them.
pub(super) const fn millis(min: i64) -> Millis {
    Millis { min }
}

impl Kind for Millis {
    type Value = Duration;

    fn parse(&self, input: &Input) -> Result<Duration, String> {
        if let Ok(text) = input.text()
            && let Ok(duration) = duration::parse(text)
        {
            let millis = duration.as_millis();
            return Err(format!(
                "`{text}` has a unit: write {millis}, in milliseconds"
            ));
        }
        let bounds = whole::<u64>(self.min, i64::from(i32::MAX));
        bounds.parse(input).map(Duration::from_millis)
    }

    fn render(&self, value: &Duration) -> Option<Value> {
        i64::try_from(value.as_millis()).ok().map(Value::Integer)
    }
}

/// A duration with its unit.
pub(super) struct Span {
    min: Duration,
}

/// A duration, at least `min_millis` long.
pub(super) const fn span(min_millis: u64) -> Span {
    Span {
        min: Duration::from_millis(min_millis),
    }
}

impl Kind for Span {
    type Value = Duration;

    fn parse(&self, input: &Input) -> Result<Duration, String> {
        let value = match input {
            Input::Integer(number) => duration::parse(&number.to_string()),
            input => duration::parse(input.text()?.trim()),
        }?;
        if value < self.min {
            let min = duration::format(self.min);
            return Err(format!(
                "{} is too short: at least {min}",
                duration::format(value)
            ));
        }
        Ok(value)
    }

    fn render(&self, value: &Duration) -> Option<Value> {
        Some(Value::String(duration::format(*value)))
    }
}

/// True or false.
pub(super) struct Switch;

impl Kind for Switch {
    type Value = bool;

    fn parse(&self, input: &Input) -> Result<bool, String> {
        input.boolean()
    }

    fn render(&self, value: &bool) -> Option<Value> {
        Some(Value::Boolean(*value))
    }
}

/// One of several names.
pub(super) struct Choice<T: 'static>(pub(super) &'static [(&'static str, T)]);

impl<T: Copy + Default + PartialEq> Kind for Choice<T> {
    type Value = T;

    fn parse(&self, input: &Input) -> Result<T, String> {
        let text = input.text()?.trim();
        let found = self.0.iter().find(|(name, _)| *name == text);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let names: Vec<_> = self.0.iter().map(|(name, _)| format!("`{name}`")).collect();
            format!("`{text}` is not known: write {}", names.join(" or "))
        })
    }

    fn render(&self, value: &T) -> Option<Value> {
        let (name, _) = self.0.iter().find(|(_, each)| each == value)?;
        Some(Value::String((*name).to_owned()))
    }
}

/// One of several names in capitals, which may be written in small letters too.
pub(super) struct Caseless<T: 'static>(pub(super) Choice<T>);

impl<T: Copy + Default + PartialEq> Kind for Caseless<T> {
    type Value = T;

    fn parse(&self, input: &Input) -> Result<T, String> {
        let name = input.text()?.to_ascii_uppercase();
        self.0.parse(&Input::Word(name))
    }

    fn render(&self, value: &T) -> Option<Value> {
        self.0.render(value)
    }
}

/// Several values, at least `min` of them.
pub(super) struct List<K> {
    pub(super) of: K,
    pub(super) min: usize,
}

impl<K: Kind> Kind for List<K> {
    type Value = Vec<K::Value>;

    fn parse(&self, input: &Input) -> Result<Self::Value, String> {
        let items = input.items()?;
        if items.len() < self.min {
            return Err(format!("is empty: at least {} is needed", self.min));
        }
        items.iter().map(|item| self.of.parse(item)).collect()
    }

    fn render(&self, values: &Self::Value) -> Option<Value> {
        let values = values.iter().filter_map(|value| self.of.render(value));
        Some(Value::Array(values.collect()))
    }
}

/// A value that may be left out.
pub(super) struct Optional<K>(pub(super) K);

impl<K: Kind> Kind for Optional<K> {
    type Value = Option<K::Value>;

    fn parse(&self, input: &Input) -> Result<Self::Value, String> {
        self.0.parse(input).map(Some)
    }

    fn render(&self, value: &Self::Value) -> Option<Value> {
        value.as_ref().and_then(|value| self.0.render(value))
    }
}

/// A file's path, from the working directory.
pub(super) struct File;

impl Kind for File {
    type Value = PathBuf;

    fn parse(&self, input: &Input) -> Result<PathBuf, String> {
        input.text().map(PathBuf::from)
    }

    fn render(&self, value: &PathBuf) -> Option<Value> {
        Some(Value::String(value.display().to_string()))
    }
}

/// A secret: written as `***`, and its errors never quote it. Always optional, because a
/// secret has no default.
pub(super) struct Hidden(pub(super) fn(&str) -> Result<Secret, String>);

impl Kind for Hidden {
    type Value = Option<Secret>;

    fn parse(&self, input: &Input) -> Result<Option<Secret>, String> {
        (self.0)(input.text()?).map(Some)
    }

    fn render(&self, value: &Option<Secret>) -> Option<Value> {
        value
            .as_ref()
            .map(|secret| Value::String(secret.to_string()))
    }
}
