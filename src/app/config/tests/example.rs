//! The example file, which shows every key.

use std::collections::BTreeSet;

use super::super::table::{Fallback, Key};
use super::super::{Config, tables};
use super::{needed, nothing};

const EXAMPLE: &str = include_str!("../../../../examples/payment-notifier.toml");

/// A configuration like `EXAMPLE` with all its keys live.
fn uncommented() -> String {
    let live = |line: &str| match line.strip_prefix("# ") {
        Some(text) if tables::keys().any(|key| text.starts_with(&format!("{} = ", key.name))) => {
            format!("{text}\n")
        }
        _ => format!("{line}\n"),
    };
    EXAMPLE.lines().map(live).collect()
}

#[test]
fn it_is_what_the_command_writes() {
    assert!(
        EXAMPLE == Config::example(),
        "run `cargo run -- config --example > examples/payment-notifier.toml`"
    );
}

#[test]
fn as_it_is_it_changes_nothing() {
    let plain = needed().load().unwrap().effective();
    assert_eq!(needed().file(EXAMPLE).load().unwrap().effective(), plain);
}

#[test]
fn with_all_keys_live_it_is_valid_and_shows_the_defaults() {
    let template = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(template.path(), "{mail}").unwrap();
    let java = tempfile::NamedTempFile::new().unwrap();
    let text = uncommented()
        .replace("\ntoken_file = ", "\n# token_file = ")
        .replace("\ngroup.remote.assignor = ", "\n# group.remote.assignor = ")
        .replace("client.properties", java.path().to_str().unwrap())
        .replace("message.txt", template.path().to_str().unwrap());
    let shown = nothing()
        .file(&text)
        .load()
        .unwrap_or_else(|problems| panic!("{problems}"));
    let default = needed().load().unwrap();
    for (shown, default) in shown.settings.iter().zip(&default.settings) {
        let path = shown.key.path();
        if !["telegram.token_file", "kafka.group.remote.assignor"].contains(&path.as_str()) {
            assert!(
                shown.origin.to_string().starts_with("file test.toml:"),
                "{path}"
            );
        }
        if let Fallback::Value(_) = shown.key.default {
            assert_eq!(shown.value, default.value, "{path}");
        }
    }
    assert_eq!(shown.settings.len(), tables::keys().count());
}

#[test]
fn every_key_has_a_name_of_its_own_and_is_explained() {
    let variables: BTreeSet<_> = tables::keys().map(Key::variable).collect();
    assert_eq!(variables.len(), tables::keys().count());
    for key in tables::keys() {
        let path = key.path();
        // A key that is the table of another could not be written with dots.
        let inner = format!("{path}.");
        assert!(
            tables::keys().all(|other| !other.path().starts_with(&inner)),
            "{path}"
        );
        assert!(!key.doc.is_empty(), "{path}");
        assert!(
            uncommented().contains(&format!("\n{} = ", key.name)),
            "{path}"
        );
    }
}

#[test]
fn every_key_can_be_set_by_its_variable() {
    for key in tables::keys() {
        let (Fallback::Value(text) | Fallback::Unset { example: text }) = key.default;
        let text = text.split_once('}').map_or(text, |_| "other");
        let needs_more = [
            "telegram.token_file",
            "message.template_file",
            "kafka.properties_file",
            "kafka.group.remote.assignor",
        ];
        if needs_more.contains(&&*key.path()) {
            continue;
        }
        let loaded = needed().variable(&key.variable(), text).load();
        let loaded = loaded.unwrap_or_else(|problems| panic!("{problems}"));
        let set = loaded
            .settings
            .iter()
            .find(|setting| setting.key.path() == key.path());
        assert_eq!(set.unwrap().origin.to_string(), key.variable());
    }
}
