//! Configurations as TOML: the one that holds, and the example of all keys.

use toml::Value;

use super::problem::one_line;
use super::reader::Setting;
use super::table::Fallback;
use super::tables;

/// The values that hold, each with where it came from. Secrets are `***`; but for them the text is
/// a configuration.
pub(super) fn effective(settings: &[Setting]) -> String {
    let mut text = String::new();
    for table in tables::tables() {
        let ours = settings
            .iter()
            .filter(|setting| setting.key.table == table.name);
        let lines: Vec<_> = ours.map(line).collect();
        if !lines.is_empty() {
            let gap = if text.is_empty() { "" } else { "\n" };
            text += &format!("{gap}[{}]\n{}\n", table.name, lines.join("\n"));
        }
    }
    text
}

fn line(setting: &Setting) -> String {
    let name = setting.key.name;
    match &setting.value {
        Some(value) => {
            let origin = one_line(&setting.origin.to_string());
            format!("{:<48} # {origin}", format!("{name} = {value}"))
        }
        None => format!("# {name} is not set"),
    }
}

const INTRODUCTION: &str = "\
# The configuration of payment-notifier: every key, at the value it has where it is left out.
# `payment-notifier config --example` writes this file; `payment-notifier config` checks one.
#
# What has to be set: `chat_id`, and either `token` or `token_file`, in [telegram].
#
# A key can be set in three places. A flag goes before a variable, a variable before this file:
#   payment-notifier run --set topics.source=payments
#   NOTIFIER_TOPICS_SOURCE=payments (the table and the key, dots as underscores)
#   source = \"payments\" under [topics] in this file
# A systemd credential that is named as a key, such as kafka.sasl.password, goes before this file;
# the file that properties_file names goes behind it.
#
# Durations have units: 500ms, 1s, 5m, 1h, 1m30s. Keys that end in `.ms` are whole milliseconds.
";

/// A configuration with every key, explained and commented out, at the value it has anyway; one
/// without a default at its example. `defaults` are the settings of an empty configuration.
pub(super) fn example(defaults: &[Setting]) -> String {
    let mut text = INTRODUCTION.to_owned();
    for table in tables::tables() {
        text += &format!("\n{}[{}]\n", comment(table.doc), table.name);
        for setting in defaults
            .iter()
            .filter(|setting| setting.key.table == table.name)
        {
            let key = setting.key;
            let (Fallback::Value(written) | Fallback::Unset { example: written }) = key.default;
            let value = setting
                .value
                .clone()
                .unwrap_or_else(|| Value::String(written.to_owned()));
            text += &format!("\n{}# {} = {value}\n", comment(key.doc), key.name);
        }
    }
    text
}

fn comment(lines: &[&str]) -> String {
    lines.iter().map(|line| format!("#{line}\n")).collect()
}
