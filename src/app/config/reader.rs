//! Reads keys from the layers, and remembers what was wrong and where each value came from.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use toml::Value;

use super::input::Input;
use super::kind::Kind;
use super::layers::{Given, Layers};
use super::problem::{Origin, Problem};
use super::table::{Fallback, Key};

/// A key's value as it holds, secrets hidden.
pub(super) struct Setting {
    pub(super) key: &'static Key,
    /// `None` where it isn't set and has no default.
    pub(super) value: Option<Value>,
    pub(super) origin: Origin,
}

/// A reading in progress.
pub(super) struct Reader {
    given: BTreeMap<String, Given>,
    /// The keys without a value that can be judged.
    refused: BTreeSet<String>,
    pub(super) problems: Vec<Problem>,
    pub(super) settings: Vec<Setting>,
    pub(super) warnings: Vec<String>,
}

impl Reader {
    pub(super) fn new(layers: Layers) -> Self {
        Self {
            given: layers.given,
            refused: BTreeSet::new(),
            problems: layers.problems,
            settings: Vec::new(),
            warnings: layers.warnings,
        }
    }

    /// The value of a key. A wrong one is noted, and something stands in for it.
    pub(super) fn get<K: Kind>(&mut self, key: &'static Key, kind: &K) -> K::Value {
        let given = self
            .given
            .remove(&key.path())
            .or_else(|| self.fallback(key));
        let Some(Given { input, origin }) = given else {
            // A default that leans on a refused key is no better than that.
            if let Fallback::Value(_) = key.default {
                self.refused.insert(key.path());
            }
            self.note(key, None, Origin::Default);
            return K::Value::default();
        };
        match kind.parse(&input) {
            Ok(value) => {
                self.note(key, kind.render(&value), origin);
                value
            }
            Err(message) => {
                self.note(key, None, origin);
                self.reject(&key.path(), message);
                K::Value::default()
            }
        }
    }

    /// Notes a rule between keys that doesn't hold; it says what the first must be. Silent where
    /// one of them was refused already. Told at the first of them that somebody has set.
    pub(super) fn require<const N: usize>(&mut self, holds: bool, keys: [&str; N], message: &str) {
        if holds || keys.iter().any(|key| self.refused.contains(*key)) {
            return;
        }
        let at = keys
            .iter()
            .copied()
            .find(|key| self.is_set(key))
            .unwrap_or(keys[0]);
        let message = if at == keys[0] {
            message.to_owned()
        } else {
            format!("{} {message}", keys[0])
        };
        self.reject(at, message);
    }

    /// Notes a problem with a key's value.
    pub(super) fn reject(&mut self, path: &str, message: String) {
        self.refused.insert(path.to_owned());
        self.problems.push(Problem {
            origin: self.origin(path),
            key: Some(path.to_owned()),
            message,
        });
    }

    /// True where a key's value was refused.
    pub(super) fn is_refused(&self, path: &str) -> bool {
        self.refused.contains(path)
    }

    /// True where somebody has set a key.
    pub(super) fn is_set(&self, path: &str) -> bool {
        self.origin(path) != Origin::Default
    }

    /// Where a key's value came from.
    pub(super) fn origin(&self, path: &str) -> Origin {
        self.setting(path)
            .map_or(Origin::Default, |setting| setting.origin.clone())
    }

    fn setting(&self, path: &str) -> Option<&Setting> {
        self.settings
            .iter()
            .find(|setting| setting.key.path() == path)
    }

    fn note(&mut self, key: &'static Key, value: Option<Value>, origin: Origin) {
        self.settings.push(Setting { key, value, origin });
    }

    fn fallback(&self, key: &Key) -> Option<Given> {
        let Fallback::Value(text) = key.default else {
            return None;
        };
        let text = match text.strip_prefix('{').and_then(|text| text.split_once('}')) {
            Some((base, rest)) => {
                let base = self.setting(base)?.value.as_ref()?.as_str()?;
                format!("{base}{rest}")
            }
            None => text.to_owned(),
        };
        Some(Given {
            input: Input::Word(text),
            origin: Origin::Default,
        })
    }
}
