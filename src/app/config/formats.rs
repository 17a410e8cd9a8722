//! The forms that Kafka and Telegram ask of a text.

use std::fmt;
use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

use toml::Value;

use super::duration;
use super::input::Input;
use super::kind::Kind;
use crate::secret::Secret;

/// The host and port of a broker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// A name, or an IP address without brackets.
    pub host: String,
    /// The TCP port, at least 1.
    pub port: u16,
}

/// Written as `host:port`, an IPv6 address in brackets.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// The kind of one broker's address.
pub(super) struct AddressOf;

impl Kind for AddressOf {
    type Value = Address;

    fn parse(&self, input: &Input) -> Result<Address, String> {
        address(input.text()?.trim())
    }

    fn render(&self, value: &Address) -> Option<Value> {
        Some(Value::String(value.to_string()))
    }
}

fn address(text: &str) -> Result<Address, String> {
    if let Some((_, rest)) = text.split_once("://") {
        return Err(format!("`{text}` has a scheme: write `{rest}`"));
    }
    let (host, port) = text
        .rsplit_once(':')
        .filter(|(_, port)| !port.ends_with(']'))
        .ok_or_else(|| format!("`{text}` has no port: write `{text}:9092`"))?;
    let host = match host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
    {
        Some(v6) => v6
            .parse::<Ipv6Addr>()
            .map_err(|_| format!("`{v6}` in `{text}` is not an IPv6 address"))?
            .to_string(),
        None if host.contains(':') => {
            return Err(format!(
                "`{text}`: write an IPv6 address in brackets, as `[::1]:9092`"
            ));
        }
        None => host.to_owned(),
    };
    let legal = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
    if host.is_empty() || host.len() > 253 || !host.chars().all(legal) {
        return Err(format!("`{text}` has no legal host: write `host:port`"));
    }
    match port.parse() {
        Ok(port) if port > 0 => Ok(Address { host, port }),
        _ => Err(format!("`{text}`: the port is a number from 1 to 65535")),
    }
}

/// The kind of an address to listen at; empty for none.
pub(super) struct Listen;

impl Kind for Listen {
    type Value = Option<SocketAddr>;

    fn parse(&self, input: &Input) -> Result<Option<SocketAddr>, String> {
        if let Input::Word(text) | Input::Text(text) = input
            && text.trim().is_empty()
        {
            return Ok(None);
        }
        let text = input.text()?.trim();
        text.parse().map(Some).map_err(|_| {
            format!(
                "`{text}` is no address to listen at: write an IP address and a port, as \
                 `127.0.0.1:9464` or `[::1]:9464`, or nothing"
            )
        })
    }

    fn render(&self, value: &Option<SocketAddr>) -> Option<Value> {
        let text = value.map_or_else(String::new, |address| address.to_string());
        Some(Value::String(text))
    }
}

/// A number of messages in a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    /// How many, at least 1.
    pub messages: u32,
    /// In what time, at least 1 ms.
    pub per: Duration,
}

/// The kind of a [`Rate`]: `30/1s`.
pub(super) struct RateOf;

impl Kind for RateOf {
    type Value = Rate;

    fn parse(&self, input: &Input) -> Result<Rate, String> {
        let text = input.text()?.trim();
        let form = || format!("`{text}` is not a rate: write messages/duration, such as `30/1s`");
        let (messages, per) = text.split_once('/').ok_or_else(form)?;
        let messages = messages.trim().parse().map_err(|_| form())?;
        let per = duration::parse(per.trim()).map_err(|_| form())?;
        if messages == 0 || per.is_zero() {
            return Err(format!(
                "`{text}` would send nothing: leave it out for no limit"
            ));
        }
        Ok(Rate { messages, per })
    }

    fn render(&self, rate: &Rate) -> Option<Value> {
        let per = duration::format(rate.per);
        Some(Value::String(format!("{}/{per}", rate.messages)))
    }
}

/// A topic's name, as Kafka's `Topic.validate` allows it.
pub(super) fn topic(text: &str) -> Result<String, String> {
    legal_name(text, "a topic's name")
}

/// A `group.instance.id`: Kafka's `JoinGroupRequest` asks the same of it as of a topic.
pub(super) fn instance_id(text: &str) -> Result<String, String> {
    legal_name(text, "an instance id")
}

fn legal_name(text: &str, what: &str) -> Result<String, String> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if text.len() > 249 {
        Err(format!("has {} bytes: {what} has at most 249", text.len()))
    } else if text == "." || text == ".." || !text.bytes().all(legal) {
        Err(format!(
            "`{text}` can't be {what}: use letters, digits, `.`, `_` and `-`"
        ))
    } else {
        Ok(text.to_owned())
    }
}

/// A name that Kafka passes on as it is: of a group, a client or a member.
pub(super) fn name(text: &str) -> Result<String, String> {
    if text.len() > 249 || text.chars().any(char::is_control) {
        return Err("is no name: use at most 249 bytes, without control characters".to_owned());
    }
    Ok(text.to_owned())
}

/// The root of an HTTP service, without a slash at the end.
///
/// The errors don't quote the text: it may hold a password or, by mistake, the bot's token.
pub(super) fn base_url(text: &str) -> Result<String, String> {
    let url = url(text, "https://host")?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("is neither http nor https: write `https://host`".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("has a user or password: leave them out".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() || url.path().contains("/bot") {
        return Err(
            "has more than the service's root: leave out `/bot…`, `?…` and `#…`".to_owned(),
        );
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

fn url(text: &str, example: &str) -> Result<reqwest::Url, String> {
    reqwest::Url::parse(text.trim()).map_err(|error| {
        // No tables of Unicode are linked, by which such a name could be put in ASCII.
        let ascii = if text.is_ascii() {
            ""
        } else {
            ", the host's name in ASCII (`xn--…`)"
        };
        format!("is not a URL ({error}): write `{example}`{ascii}")
    })
}

/// A bot's token. The errors don't quote it.
pub(super) fn token(text: &str) -> Result<Secret, String> {
    let text = text.trim();
    // It becomes a part of a URL's path, where anything else would change the meaning.
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b":_-".contains(&byte);
    if text.is_empty() || text.len() > 256 || !text.bytes().all(legal) {
        return Err(
            "is not a bot's token: letters, digits, `:`, `_` and `-`, as BotFather gave it"
                .to_owned(),
        );
    }
    Ok(Secret::from(text))
}

/// A password: anything goes, spaces at its ends too.
pub(super) fn password(text: &str) -> Result<Secret, String> {
    Ok(Secret::from(text))
}

/// Text that is passed on as it is.
pub(super) fn any(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

/// The address of a service that gives out access tokens. The errors don't quote it.
pub(super) fn token_url(text: &str) -> Result<String, String> {
    let url = url(text, "https://host/path")?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("is neither http nor https: write `https://host/path`".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("has a user or password: leave them out".to_owned());
    }
    Ok(url.into())
}

/// The kind of SASL extensions: `name=value`.
pub(super) struct Extension;

impl Kind for Extension {
    type Value = (String, String);

    fn parse(&self, input: &Input) -> Result<(String, String), String> {
        let text = input.text()?.trim();
        let legal = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphabetic());
        match text.split_once('=') {
            // RFC 7628: letters alone; and `auth` is the token's own.
            Some((name, value)) if legal(name) && name != "auth" => {
                Ok((name.to_owned(), value.to_owned()))
            }
            _ => Err(format!(
                "`{text}` is no extension: write name=value, the name of letters"
            )),
        }
    }

    fn render(&self, (name, value): &(String, String)) -> Option<Value> {
        Some(Value::String(format!("{name}={value}")))
    }
}

/// The kind of `ssl.endpoint.identification.algorithm`: true where names are checked. Java says
/// no by nothing, librdkafka by `none`.
pub(super) struct NameCheck;

impl Kind for NameCheck {
    type Value = bool;

    fn parse(&self, input: &Input) -> Result<bool, String> {
        if let Input::Word(text) | Input::Text(text) = input
            && text.trim().is_empty()
        {
            return Ok(false);
        }
        match input.text()?.trim().to_ascii_lowercase().as_str() {
            "https" => Ok(true),
            "none" => Ok(false),
            other => Err(format!("`{other}` is not known: write `https` or `none`")),
        }
    }

    fn render(&self, value: &bool) -> Option<Value> {
        let name = if *value { "https" } else { "none" };
        Some(Value::String(name.to_owned()))
    }
}

/// The kind of a chat's identifier: a number, or a channel's name with its `@`.
pub(super) struct ChatId;

impl Kind for ChatId {
    type Value = String;

    fn parse(&self, input: &Input) -> Result<String, String> {
        if let Input::Integer(number) = input {
            return Ok(number.to_string());
        }
        let text = input.text()?.trim();
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let channel = text.strip_prefix('@');
        let named = channel.is_some_and(|name| !name.is_empty() && name.bytes().all(legal));
        if named || text.parse::<i64>().is_ok() {
            return Ok(text.to_owned());
        }
        Err("is no chat: write its number, or a channel's name as `@name`".to_owned())
    }

    fn render(&self, value: &String) -> Option<Value> {
        Some(Value::String(value.clone()))
    }
}
