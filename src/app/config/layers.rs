//! The layers of a configuration: a file, systemd's credentials and the environment over it,
//! flags over that.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::file;
use super::input::Input;
use super::java;
use super::problem::{Origin, Problem, unknown};
use super::table::{Key, PREFIX};
use super::tables;
use crate::secret::line;

/// The key of a Java client's file, which lies below all else.
const PROPERTIES_FILE: &str = "kafka.properties_file";

/// What a configuration is made of, as it was found.
pub struct Sources {
    pub(super) file: Option<(Arc<str>, Result<String, String>)>,
    /// What systemd hands over: files, each named as the path of a key.
    pub(super) credentials: Vec<Credential>,
    pub(super) environment: Vec<(OsString, OsString)>,
    pub(super) flags: Vec<Flag>,
}

/// A credential of systemd.
pub(super) struct Credential {
    /// The path of the key that it is named after.
    key: String,
    file: PathBuf,
    text: Result<String, String>,
}

/// A key that was set on the command line.
pub struct Flag {
    /// The flag as it is written: `--group-id`.
    pub flag: &'static str,
    /// The key's path, or what was taken for it: `consumer.group_id`. `None` where there was
    /// no `=` to tell it from the value.
    pub key: Option<String>,
    /// The value.
    pub value: String,
}

impl Sources {
    /// A file's text and nothing else.
    pub fn of_text(text: &str) -> Self {
        Self {
            file: Some((Arc::from("the text"), Ok(text.to_owned()))),
            environment: Vec::new(),
            credentials: Vec::new(),
            flags: Vec::new(),
        }
    }

    /// Reads the file. One that can't be read is a problem like any other, told with the rest.
    /// Of the environment, the variables that begin with `NOTIFIER_` are looked at, and the
    /// directory of systemd's credentials: one that is named as a key's path is its value.
    pub fn gather(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        flags: Vec<Flag>,
    ) -> Self {
        let read = |path: &Path| {
            let text = std::fs::read_to_string(path).map_err(|error| error.to_string());
            (Arc::from(path.display().to_string()), text)
        };
        let environment: Vec<_> = environment.into_iter().collect();
        let directory = environment
            .iter()
            .find(|(name, _)| name == "CREDENTIALS_DIRECTORY")
            .map(|(_, value)| Path::new(value));
        Self {
            file: file.map(read),
            credentials: directory.map(credentials).unwrap_or_default(),
            environment,
            flags,
        }
    }
}

fn credentials(directory: &Path) -> Vec<Credential> {
    tables::keys()
        .map(Key::path)
        .filter_map(|key| {
            let file = directory.join(&key);
            let read = || std::fs::read_to_string(&file).map_err(|error| error.to_string());
            let text = file.exists().then(read)?;
            Some(Credential { key, file, text })
        })
        .collect()
}

/// A value and where it was given.
pub(super) struct Given {
    pub(super) input: Input,
    pub(super) origin: Origin,
}

/// The values that hold, by the path of their key, and what was found wrong with the names.
#[derive(Default)]
pub(super) struct Layers {
    pub(super) given: BTreeMap<String, Given>,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<String>,
}

impl Layers {
    /// Lays the sources over each other.
    ///
    /// # Errors
    ///
    /// The problems, where a source could not be read: the values then can't be judged.
    pub(super) fn merge(sources: &Sources) -> Result<Self, Vec<Problem>> {
        let mut layers = Self::default();
        let mut readable = true;
        match &sources.file {
            Some((path, Ok(text))) => readable = file::read(path, text, &mut layers),
            Some((path, Err(error))) => {
                let path = Arc::clone(path);
                layers.problem(
                    Origin::File { path, line: 0 },
                    format!("can't be read: {error}"),
                );
                readable = false;
            }
            None => {}
        }
        for credential in &sources.credentials {
            layers.credential(credential);
        }
        let mut environment: Vec<_> = sources.environment.iter().collect();
        environment.sort();
        for (name, value) in environment {
            layers.variable(&name.to_string_lossy(), value.to_str());
        }
        for flag in &sources.flags {
            layers.flag(flag);
        }
        if let Some(Ok(path)) = layers.given.get(PROPERTIES_FILE).map(|it| it.input.text()) {
            let path = PathBuf::from(path);
            java::lay_under(&path, &mut layers);
        }
        if readable {
            Ok(layers)
        } else {
            Err(layers.problems)
        }
    }

    fn credential(&mut self, credential: &Credential) {
        let origin = Origin::Credential(credential.file.clone());
        match &credential.text {
            Ok(text) => self.give(credential.key.clone(), line(text), origin),
            Err(error) => self.problem(origin, format!("can't be read: {error}")),
        }
    }

    fn variable(&mut self, name: &str, value: Option<&str>) {
        let Some(bare) = name.strip_prefix(PREFIX) else {
            return;
        };
        let origin = Origin::Variable(name.to_owned());
        let key = tables::keys().find(|key| key.variable() == name);
        match (key, value) {
            (Some(key), Some(value)) => self.give(key.path(), value, origin),
            (Some(_), None) => self.problem(origin, "is not UTF-8".to_owned()),
            (None, value) if is_service_link(name, value.unwrap_or_default()) => {}
            (None, _) => self.problem(origin, unknown("unknown variable", bare, Key::variable)),
        }
    }

    fn flag(&mut self, flag: &Flag) {
        let origin = Origin::Flag(flag.flag);
        let Some(path) = &flag.key else {
            // What was given isn't quoted: it may be a secret in the wrong form.
            return self.problem(origin, "has no `=`: write TABLE.KEY=VALUE".to_owned());
        };
        if tables::keys().any(|key| key.path() == *path) {
            return self.give(path.clone(), &flag.value, origin);
        }
        let what = format!("unknown key `{path}`");
        self.problem(
            origin,
            unknown(&what, path, |key| format!("`{}`", key.path())),
        );
    }

    fn give(&mut self, path: String, value: &str, origin: Origin) {
        let input = Input::Word(value.to_owned());
        self.given.insert(path, Given { input, origin });
    }

    pub(super) fn problem(&mut self, origin: Origin, message: String) {
        let key = None;
        self.problems.push(Problem {
            origin,
            key,
            message,
        });
    }
}

/// Kubernetes sets such variables for a service that happens to be named `notifier` or
/// `notifier-…`: `NOTIFIER_SERVICE_HOST`, `NOTIFIER_SERVICE_PORT_HTTP`, `NOTIFIER_PORT` with a URL,
/// `NOTIFIER_PORT_80_TCP_ADDR`. They are nobody's mistake.
fn is_service_link(name: &str, value: &str) -> bool {
    let numbered = |(_, rest): (&str, &str)| rest.starts_with(|c: char| c.is_ascii_digit());
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.split_once("_PORT_").is_some_and(numbered)
        || name.ends_with("_PORT") && value.contains("://")
}
