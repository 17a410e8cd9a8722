//! What the configuration names but doesn't hold: the bot's token and the template, in files.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::formats;
use super::problem::Origin;
use super::reader::Reader;
use super::tables::{MessageConfig, TelegramConfig};
use crate::payment::Template;
use crate::secret::Secret;

/// Who sends, and to whom.
#[derive(Clone, Debug)]
pub struct Bot {
    /// The bot's token.
    pub token: Secret,
    /// The chat's number, or a channel's name with its `@`.
    pub chat_id: String,
}

/// A token's file is one line, a template a few: more is the wrong file.
const MAX_TOKEN_BYTES: u64 = 4 * 1024;
const MAX_TEMPLATE_BYTES: u64 = 64 * 1024;

/// Takes the token from where it is, and the chat. `None` where something was noted as wrong.
pub(super) fn bot(telegram: &TelegramConfig, reader: &mut Reader) -> Option<Bot> {
    if telegram.chat_id.is_none() && !reader.is_refused("telegram.chat_id") {
        let message = missing("chat_id", "NOTIFIER_TELEGRAM_CHAT_ID");
        reader.reject("telegram.chat_id", message);
    }
    let token = token(telegram, reader);
    Some(Bot {
        token: token?,
        chat_id: telegram.chat_id.clone()?,
    })
}

fn missing(keys: &str, variable: &str) -> String {
    format!("is missing: set {keys} in [telegram], or {variable}")
}

fn token(telegram: &TelegramConfig, reader: &mut Reader) -> Option<Secret> {
    const TOKEN: &str = "telegram.token";
    const FILE: &str = "telegram.token_file";
    if reader.is_refused(TOKEN) || reader.is_refused(FILE) {
        return None;
    }
    let found = match (&telegram.token, &telegram.token_file) {
        (Some(token), None) => Ok(token.clone()),
        (None, Some(path)) => token_in(path, &mut reader.warnings).map_err(|error| (FILE, error)),
        (None, None) => {
            let keys = "token or token_file";
            Err((TOKEN, missing(keys, "NOTIFIER_TELEGRAM_TOKEN")))
        }
        (Some(_), Some(_)) => {
            let other = reader.origin(TOKEN);
            let message = format!("is set, and so is token ({other}): leave one of them out");
            Err((FILE, message))
        }
    };
    if let Origin::Flag(_) = reader.origin(TOKEN) {
        let warning = "a token on the command line can be read by everyone here: use token_file";
        reader.warnings.push(warning.to_owned());
    }
    found
        .map_err(|(key, message)| reader.reject(key, message))
        .ok()
}

fn token_in(path: &Path, warnings: &mut Vec<String>) -> Result<Secret, String> {
    let text = read(path, MAX_TOKEN_BYTES)?;
    let text = text.trim();
    if text.is_empty() {
        return Err(format!("{} is empty: put the token in it", path.display()));
    }
    formats::token(text)
        .map_err(|message| format!("{}: what it holds {message}", path.display()))?;
    if others_can_read(path) {
        let path = path.display();
        warnings.push(format!(
            "{path} can be read by everyone here: chmod 600 would hide the token"
        ));
    }
    Ok(Secret::from(text))
}

/// The template of the file, or the default one. A wrong file is noted.
pub(super) fn template(message: &MessageConfig, reader: &mut Reader) -> Template {
    let Some(path) = &message.template_file else {
        return Template::default();
    };
    let template = read(path, MAX_TEMPLATE_BYTES).and_then(|text| {
        Template::parse(&text).map_err(|error| format!("{}: {error}", path.display()))
    });
    template.unwrap_or_else(|message| {
        reader.reject("message.template_file", message);
        Template::default()
    })
}

fn read(path: &Path, max: u64) -> Result<String, String> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(max + 1).read_to_string(&mut text))
        .map_err(|error| format!("{} can't be read: {error}", path.display()))?;
    if text.len() as u64 > max {
        return Err(format!(
            "{} is larger than {max} bytes: is it the right file?",
            path.display()
        ));
    }
    Ok(text)
}

#[cfg(unix)]
fn others_can_read(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata()
        .is_ok_and(|file| file.permissions().mode() & 0o004 != 0)
}

#[cfg(not(unix))]
fn others_can_read(_: &Path) -> bool {
    false
}
