//! A TOML file as a flat list of keys, each with its line.

use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::input::Input;
use super::layers::{Given, Layers};
use super::problem::{HELP, LIKE, Origin, Problem, unknown};
use super::table::Table;
use super::tables;

/// Reads a file's text into `layers`. False where it isn't TOML: then nothing of it is known.
pub(super) fn read(path: &Arc<str>, text: &str, layers: &mut Layers) -> bool {
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut file = File { path, text, layers };
    if !errors.is_empty() {
        file.refuse(&errors);
        return false;
    }
    let root = root.into_inner();
    let mut tables: Vec<_> = root.iter().collect();
    tables.sort_by_key(|(name, _)| name.span().start);
    for (name, value) in tables {
        file.table(name.span().start, name.get_ref(), value);
    }
    true
}

/// The dots of a name after which no table in it is looked into. The keys have five at most; the
/// depth of a file has no such bound.
const DEEPEST: usize = 16;

/// The table whose name is near to a wrong one.
fn nearest_table(wrong: &str) -> Option<&'static str> {
    // As with keys, a long name can only be far away.
    let wrong: String = wrong.chars().take(80).collect();
    let like = |table: &Table| strsim::normalized_damerau_levenshtein(table.name, &wrong);
    tables::tables()
        .max_by(|a, b| like(a).total_cmp(&like(b)))
        .filter(|table| like(table) >= LIKE)
        .map(|table| table.name)
}

struct File<'a> {
    path: &'a Arc<str>,
    text: &'a str,
    layers: &'a mut Layers,
}

impl File<'_> {
    /// Tells the first error of each line: the others there follow from it.
    ///
    /// Nothing of the text is quoted, neither by the errors' own form, which shows the line, nor
    /// as an unknown name: after a value that was torn, its rest may look like one.
    fn refuse(&mut self, errors: &[toml::de::Error]) {
        let mut last = None;
        for error in errors {
            let start = error.span().map_or(0, |span| span.start);
            let origin = self.origin(start);
            if last.as_ref() != Some(&origin) {
                self.problem(start, None, format!("is not TOML: {}", error.message()));
                last = Some(origin);
            }
        }
    }

    fn table(&mut self, start: usize, name: &str, value: &Spanned<DeValue<'_>>) {
        let known = tables::tables().any(|table| table.name == name);
        match value.get_ref() {
            DeValue::Table(keys) if known => self.keys(name, keys),
            DeValue::Table(_) => {
                let near = nearest_table(name).map(|near| format!("the nearest is [{near}]"));
                let near = near.unwrap_or_else(|| HELP.to_owned());
                let message = format!("unknown table [{name}]: {near}");
                self.problem(start, None, message);
            }
            _ if known => {
                self.problem(start, None, format!("{name} is a table: write [{name}]"));
            }
            _ => self.unknown(start, name),
        }
    }

    /// Takes the keys of a table. `"a.b" = 1` and `a.b = 1` are the same key; TOML makes the
    /// second one a table in the table.
    fn keys(&mut self, prefix: &str, keys: &DeTable<'_>) {
        let mut keys: Vec<_> = keys.iter().collect();
        keys.sort_by_key(|(name, _)| name.span().start);
        for (name, value) in keys {
            let start = name.span().start;
            let path = format!("{prefix}.{}", name.get_ref());
            let key = tables::keys().find(|key| key.path() == path);
            let depth = path.matches('.').count();
            match value.get_ref() {
                // An unknown key is told in full, as it was written.
                DeValue::Table(keys) if key.is_none() && !keys.is_empty() && depth < DEEPEST => {
                    self.keys(&path, keys);
                }
                value if key.is_some() => self.give(start, path, value),
                _ => self.unknown(start, &path),
            }
        }
    }

    fn give(&mut self, start: usize, path: String, value: &DeValue<'_>) {
        let given = Given {
            input: Input::from_toml(value),
            origin: self.origin(start),
        };
        if let Some(first) = self.layers.given.insert(path.clone(), given) {
            let message = format!("is set twice; the other is in {}", first.origin);
            self.problem(start, Some(path), message);
        }
    }

    fn unknown(&mut self, start: usize, path: &str) {
        let message = unknown(&format!("unknown key `{path}`"), path, |key| {
            format!("`{}` in [{}]", key.name, key.table)
        });
        self.problem(start, None, message);
    }

    fn problem(&mut self, start: usize, key: Option<String>, message: String) {
        let origin = self.origin(start);
        self.layers.problems.push(Problem {
            origin,
            key,
            message,
        });
    }

    fn origin(&self, start: usize) -> Origin {
        let before = self.text.bytes().take(start);
        Origin::File {
            path: Arc::clone(self.path),
            line: 1 + before.filter(|byte| *byte == b'\n').count(),
        }
    }
}
