//! The payment event and its JSON.

mod date_time;
#[cfg(test)]
mod tests;

use chrono::NaiveDateTime;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::sink::{Failure, FailureKind};

/// Of a value that can't be read, this many characters are quoted.
const MAX_QUOTED_CHARS: usize = 40;

/// A payment for a concert that was confirmed.
///
/// # What is read
///
/// One JSON object with the fields `mail`, `concertTitle`, `startDt`, `confirmDt` and `amount`, in
/// any order; other fields are ignored, however deep they nest. Both forms in which Jackson writes
/// a `LocalDateTime` are read: ISO text and a list of numbers.
///
/// # What is refused
///
/// Whatever could put something into a text that nobody wrote. Jackson would read a field that is
/// missing or null as `null` (an amount as 0), turn a number into text, round 50000.7 won, and take
/// the last of two values for one field; the customer would then get "null". All these are
/// [`FailureKind::Undecodable`], as are: an amount as text, with a fraction or exponent, or beyond
/// 64 bits; a date-time with a zone, or one that doesn't exist; a byte order mark; anything after
/// the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentEvent {
    /// Who paid: a mail address, unchecked (`mail`).
    pub mail: String,
    /// The concert's title (`concertTitle`).
    pub concert_title: String,
    /// When the concert starts, in local time (`startDt`).
    pub start: NaiveDateTime,
    /// When the payment was confirmed, in local time (`confirmDt`).
    pub confirmed: NaiveDateTime,
    /// What was paid, in won (`amount`).
    pub amount: i64,
}

impl PaymentEvent {
    /// Reads the value of a record; `None` is Kafka's null value.
    ///
    /// # Errors
    ///
    /// [`FailureKind::Undecodable`], also for a null value.
    pub fn from_record_value(value: Option<&[u8]>) -> Result<Self, Failure> {
        value.map_or_else(
            || {
                Err(undecodable(
                    "the value is null (a tombstone), not a payment",
                ))
            },
            Self::from_json,
        )
    }

    /// Reads an event from its JSON; see above for what is refused.
    ///
    /// # Errors
    ///
    /// [`FailureKind::Undecodable`]: the message names the field and what is wrong with it, and
    /// quotes at most the beginning of a value.
    pub fn from_json(json: &[u8]) -> Result<Self, Failure> {
        let raw = RawEvent::parse(json)?;
        Ok(Self {
            mail: text("mail", raw.mail)?,
            concert_title: text("concertTitle", raw.concert_title)?,
            start: local_date_time("startDt", raw.start)?,
            confirmed: local_date_time("confirmDt", raw.confirmed)?,
            amount: won("amount", raw.amount)?,
        })
    }

    /// Writes the event's JSON, with date-times as ISO text: the form that every reader of dates
    /// knows, and Jackson's default deserializer among them.
    pub fn to_json(&self) -> String {
        let written = WrittenEvent {
            mail: &self.mail,
            concert_title: &self.concert_title,
            start: date_time::to_iso(self.start),
            confirmed: date_time::to_iso(self.confirmed),
            amount: self.amount,
        };
        serde_json::to_string(&written).expect("texts and a number are always JSON")
    }
}

#[derive(Serialize)]
struct WrittenEvent<'a> {
    mail: &'a str,
    #[serde(rename = "concertTitle")]
    concert_title: &'a str,
    #[serde(rename = "startDt")]
    start: String,
    #[serde(rename = "confirmDt")]
    confirmed: String,
    amount: i64,
}

/// The fields as they are written, so that each can be refused by its name.
#[derive(Deserialize)]
struct RawEvent<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    mail: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present", rename = "concertTitle")]
    concert_title: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present", rename = "startDt")]
    start: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present", rename = "confirmDt")]
    confirmed: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    amount: Option<&'a RawValue>,
}

/// Tells a field that is null from one that is missing, which `Option` alone does not.
fn present<'de, D: Deserializer<'de>>(field: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(field).map(Some)
}

impl<'a> RawEvent<'a> {
    fn parse(json: &'a [u8]) -> Result<Self, Failure> {
        if json.is_empty() {
            return Err(undecodable("the value is empty"));
        }
        if json.starts_with("\u{feff}".as_bytes()) {
            return Err(undecodable("the value starts with a byte order mark (BOM)"));
        }
        let value = serde_json::from_slice::<&RawValue>(json)
            .map_err(|error| undecodable(format!("the value is not JSON: {error}")))?;
        // A list would be read as a struct's fields in their order.
        if !value.get().starts_with('{') {
            let found = found(value);
            return Err(undecodable(format!("an object is expected, not {found}")));
        }
        serde_json::from_str(value.get()).map_err(|error| undecodable(error.to_string()))
    }
}

fn text(field: &str, value: Option<&RawValue>) -> Result<String, Failure> {
    let value = required(field, value)?;
    if !value.get().starts_with('"') {
        return Err(expected(field, "text", value));
    }
    serde_json::from_str(value.get()).map_err(|error| refused(field, error))
}

fn local_date_time(field: &str, value: Option<&RawValue>) -> Result<NaiveDateTime, Failure> {
    const ISO: &str = "a local date-time like 2024-12-24T19:00:00, without a zone,";
    const LIST: &str = "a list of 5 to 7 whole numbers, from the year to nanoseconds,";
    let raw = required(field, value)?;
    let numbers = match raw.get().as_bytes().first() {
        Some(b'[') => date_time::numbers_of_list(raw.get()).ok_or(LIST),
        Some(b'"') => date_time::numbers_of_iso(&text(field, value)?).ok_or(ISO),
        _ => Err(ISO),
    };
    let numbers = numbers.map_err(|form| expected(field, form, raw))?;
    date_time::from_numbers(numbers)
        .ok_or_else(|| refused(field, format!("{} does not exist", quote(raw))))
}

fn won(field: &str, value: Option<&RawValue>) -> Result<i64, Failure> {
    let value = required(field, value)?;
    let is_number = value
        .get()
        .starts_with(|c: char| c == '-' || c.is_ascii_digit());
    if !is_number || value.get().contains(['.', 'e', 'E']) {
        return Err(expected(field, "a whole number of won", value));
    }
    value
        .get()
        .parse()
        .map_err(|_| refused(field, format!("{} is beyond 64 bits", quote(value))))
}

fn required<'a>(field: &str, value: Option<&'a RawValue>) -> Result<&'a RawValue, Failure> {
    match value {
        None => Err(undecodable(format!("the field {field} is missing"))),
        Some(value) if value.get() == "null" => Err(refused(field, "is null")),
        Some(value) => Ok(value),
    }
}

fn expected(field: &str, form: &str, value: &RawValue) -> Failure {
    refused(field, format!("{form} is expected, not {}", found(value)))
}

fn refused(field: &str, reason: impl std::fmt::Display) -> Failure {
    undecodable(format!("{field}: {reason}"))
}

fn undecodable(reason: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Undecodable, reason)
}

/// Says what a value is; nothing of what lists and objects hold is of help.
fn found(value: &RawValue) -> String {
    match value.get().as_bytes().first() {
        Some(b'{') => "an object".to_owned(),
        Some(b'"') => format!("the text {}", quote(value)),
        _ => quote(value),
    }
}

fn quote(value: &RawValue) -> String {
    let json = value.get();
    match json.char_indices().nth(MAX_QUOTED_CHARS) {
        Some((end, _)) => format!("{}…", &json[..end]),
        None => json.to_owned(),
    }
}
