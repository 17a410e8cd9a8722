//! What is wrong with a configuration, and where.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::reserved::{self, Reason};
use super::table::Key;
use super::tables;

/// Where a value came from; in the order in which problems are told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// A file.
    File {
        /// Its path as it was given.
        path: Arc<str>,
        /// The line, from 1; 0 for the file as a whole.
        line: usize,
    },
    /// A systemd credential, whose file is named as the key.
    Credential(PathBuf),
    /// An environment variable.
    Variable(String),
    /// A flag of the command line.
    Flag(&'static str),
    /// Nowhere: the default.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line: 0 } => write!(f, "file {path}"),
            Self::File { path, line } => write!(f, "file {path}:{line}"),
            Self::Credential(path) => write!(f, "credential {}", name(path)),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(name) => write!(f, "flag {name}"),
            Self::Default => f.write_str("default"),
        }
    }
}

fn name(path: &Path) -> Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
}

/// One problem.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// Where to mend it.
    pub(super) origin: Origin,
    /// The key's path, where there is one.
    pub(super) key: Option<String>,
    /// What is wrong and what to do.
    pub(super) message: String,
}

impl Problem {
    /// Where it is, in the form that editors and shells know.
    fn place(&self) -> String {
        match (&self.origin, self.key.as_deref()) {
            (Origin::File { path, line: 0 }, _) => path.to_string(),
            (Origin::File { path, line }, None) => format!("{path}:{line}"),
            (Origin::File { path, line }, Some(key)) => format!("{path}:{line}: {key}"),
            (Origin::Flag("--set"), Some(key)) => format!("--set {key}"),
            (Origin::Flag(name), _) => (*name).to_owned(),
            (Origin::Credential(path), _) => format!("credential {}", name(path)),
            (Origin::Variable(name), _) => name.clone(),
            (Origin::Default, key) => key.unwrap_or("configuration").to_owned(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&one_line(&format!("{}: {}", self.place(), self.message)))
    }
}

/// A text without control characters. Names and values are quoted as they were given; they shall
/// neither end a line nor move a terminal's cursor.
pub(super) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            line.extend(c.escape_debug());
        } else {
            line.push(c);
        }
    }
    line
}

/// Everything that is wrong with a configuration: all of it at once, a line each, in the order of
/// the file's lines and then of the variables, flags and what is missing. Holds no secret.
#[derive(Debug)]
pub struct Problems(Vec<Problem>);

impl Problems {
    pub(super) fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort_by(|a, b| a.origin.cmp(&b.origin));
        Self(problems)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, plural) = (self.0.len(), if self.0.len() == 1 { "" } else { "s" });
        write!(f, "the configuration has {count} problem{plural}:")?;
        self.0
            .iter()
            .try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for Problems {}

/// Below this likeness, from 0 to 1, a name is no help.
pub(super) const LIKE: f64 = 0.6;

/// What is said where nothing is near.
pub(super) const HELP: &str = "`payment-notifier config --example` shows all keys";

/// Says of a name, given as `table.key` or as in a variable, why it can't be set, or which known
/// one is nearest.
pub(super) fn unknown(what: &str, wrong: &str, show: impl Fn(&Key) -> String) -> String {
    // Long names can only be far away, and comparing takes the product of the lengths.
    let wrong = plain(&wrong.chars().take(80).collect::<String>());
    let found = match wrong.strip_prefix("kafka_").and_then(reserved::reason) {
        Some(Reason::Says(why)) => return format!("{what}: {why}"),
        Some(Reason::Is(path)) => tables::keys()
            .find(|key| key.path() == path)
            .map(|key| format!("set {} instead", show(key))),
        None => nearest(&wrong).map(|key| format!("the nearest is {}", show(key))),
    };
    format!("{what}: {}", found.unwrap_or_else(|| HELP.to_owned()))
}

/// A name as it is compared: files, variables and flags write it differently.
fn plain(name: &str) -> String {
    name.replace('.', "_").to_ascii_lowercase()
}

/// The table may be the part that is wrong, or missing; so the names are compared without it, and
/// it decides between equals. With it, any two names of a table would look alike.
fn nearest(wrong: &str) -> Option<&'static Key> {
    let bare = wrong.split_once('_').map_or(wrong, |(_, bare)| bare);
    let like = strsim::normalized_damerau_levenshtein;
    let score = |key: &Key| {
        let name = plain(key.name);
        let score = like(wrong, &name).max(like(bare, &name));
        (score, wrong.starts_with(key.table))
    };
    tables::keys()
        .map(|key| (score(key), key))
        .filter(|((score, _), _)| *score >= LIKE)
        // Of equals the first: the smallest in the opposite order.
        .min_by(|((a, ours), _), ((b, theirs), _)| b.total_cmp(a).then(theirs.cmp(ours)))
        .map(|(_, key)| key)
}
