//! The configuration as a whole: what is given, and what comes of it.

mod bot;
mod example;
mod java;
mod layering;
mod rules;
mod secrets;
mod security;
mod unknown;

use std::ffi::OsString;
use std::sync::Arc;

use super::{Config, Flag, Loaded, Problems, Sources};

/// What `run` can't do without.
const NEEDED: &str = "[telegram]\ntoken = \"1:abc\"\nchat_id = -100\n";

fn nothing() -> Sources {
    Sources::gather(None, [], Vec::new())
}

impl Sources {
    fn file(mut self, text: &str) -> Self {
        self.file = Some((Arc::from("test.toml"), Ok(text.to_owned())));
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment
            .push((OsString::from(name), OsString::from(value)));
        self
    }

    fn set(self, key: &str, value: &str) -> Self {
        self.flag("--set", Some(key), value)
    }

    fn flag(mut self, flag: &'static str, key: Option<&str>, value: &str) -> Self {
        let (key, value) = (key.map(str::to_owned), value.to_owned());
        self.flags.push(Flag { flag, key, value });
        self
    }

    fn load(&self) -> Result<Loaded<Config>, Problems> {
        Config::load(self)
    }

    fn config(&self) -> Config {
        self.load()
            .map(|loaded| loaded.config)
            .unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// The problems, a line each, without the head.
    fn problems(&self) -> Vec<String> {
        let problems = self.load().err().expect("a problem").to_string();
        problems
            .lines()
            .skip(1)
            .map(|line| line.trim().to_owned())
            .collect()
    }
}

/// Sources with what is needed, and one file's text.
fn file(text: &str) -> Sources {
    needed().file(text)
}

/// Sources with what is needed, as variables.
fn needed() -> Sources {
    nothing()
        .variable("NOTIFIER_TELEGRAM_TOKEN", "1:abc")
        .variable("NOTIFIER_TELEGRAM_CHAT_ID", "-100")
}
