//! What the configuration names but doesn't hold: the bot's token and the template, in files.

use std::path::PathBuf;

use super::formats;
use super::reader::Reader;
use super::secrets::{self, Places, read};
use super::tables::{MessageConfig, TelegramConfig};
use crate::payment::Template;
use crate::secret::Secret;

/// Who sends, and to whom.
#[derive(Clone, Debug)]
pub struct Bot {
    /// The bot's token.
    pub token: Secret,
    /// The file that the token is from, where it is from one.
    pub token_file: Option<PathBuf>,
    /// The chat's number, or a channel's name with its `@`.
    pub chat_id: String,
}

/// A template is a few lines: more is the wrong file.
const MAX_TEMPLATE_BYTES: u64 = 64 * 1024;

/// Takes the token from where it is, and the chat. `None` where something was noted as wrong.
pub(super) fn bot(telegram: &TelegramConfig, reader: &mut Reader) -> Option<Bot> {
    if telegram.chat_id.is_none() && !reader.is_refused("telegram.chat_id") {
        let message = missing("chat_id", "NOTIFIER_TELEGRAM_CHAT_ID");
        reader.reject("telegram.chat_id", message);
    }
    let token = token(telegram, reader);
    let (token, token_file) = token?;
    Some(Bot {
        token,
        token_file,
        chat_id: telegram.chat_id.clone()?,
    })
}

fn missing(keys: &str, variable: &str) -> String {
    format!("is missing: set {keys} in [telegram], or {variable}")
}

fn token(telegram: &TelegramConfig, reader: &mut Reader) -> Option<(Secret, Option<PathBuf>)> {
    const TOKEN: &str = "telegram.token";
    let places = Places {
        value: (TOKEN, &telegram.token),
        file: ("telegram.token_file", &telegram.token_file),
        what: "token",
        check: formats::token,
    };
    let token = secrets::find(&places, reader).ok()?;
    if token.is_none() {
        let keys = "token or token_file";
        reader.reject(TOKEN, missing(keys, "NOTIFIER_TELEGRAM_TOKEN"));
    }
    Some((token?, secrets::file_of(&places, reader)))
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
