//! The text of a notification: a template, and a payment's values put into it.
//!
//! # Invariants
//!
//! - A rendered text is never longer than [`MAX_UTF16_UNITS`], whatever the values hold.
//! - Values are never read as templates: braces in a concert's title stay braces.

mod parse;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use super::PaymentEvent;
pub use parse::TemplateError;

/// Telegram's limit for the text of a message
/// ([sendMessage](https://core.telegram.org/bots/api#sendmessage): 4,096 characters), counted here in
/// UTF-16 code units: Telegram's own measure of text, and never below the count of characters.
const MAX_UTF16_UNITS: usize = 4096;

/// Stands where a text was cut off.
const CUT: &str = "…\n";

const DEFAULT: &str = "\
🎫 콘서트 결제가 완료되었습니다!
예약자 ID: {mail}
콘서트: {concertTitle}
시작 날짜: {startDt}
결제 날짜: {confirmDt}
결제 금액: {amount}원
콘서트 시작 10분전에는 꼭 입장 부탁드립니다!!
[재시도 발송 - 시도 횟수: {n}]
";

/// What a notification says, with places for a payment's values.
///
/// # Syntax
///
/// `{mail}`, `{concertTitle}`, `{startDt}`, `{confirmDt}` and `{amount}` stand for the payment's
/// values; date-times are written as `2024-12-24 19:00:00`. A line with `{n}`, the number of the
/// retry, is there only in a text that is sent again from the dead-letter topic. `{{` and `}}` are
/// literal braces.
///
/// Values are put in as they are: Telegram gets plain text (no `parse_mode`), where nothing needs
/// to be escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    lines: Vec<Line>,
}

/// A line with its line end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Line {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Value(Placeholder),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placeholder {
    Mail,
    ConcertTitle,
    Start,
    Confirmed,
    Amount,
    Retry,
}

/// The text that the Java notifier sends.
impl Default for Template {
    fn default() -> Self {
        Self::parse(DEFAULT).expect("the default template is well formed, as a test shows")
    }
}

impl Template {
    /// Reads a template. Line ends may be those of Windows; texts have `\n`.
    ///
    /// # Errors
    ///
    /// A placeholder that isn't known, a brace that is never closed or never opened, and a template
    /// that would send nothing. The error names the line and, where there is one, the nearest
    /// right name.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        parse::template(text)
    }

    /// Writes the text for a payment; `retry` is the number of the drain's attempt, from 1, and
    /// `None` for a first send.
    ///
    /// A text beyond Telegram's limit is cut off with `…`; the lines about the retry are then
    /// put after the cut, so that they survive it.
    pub fn render(&self, event: &PaymentEvent, retry: Option<u32>) -> String {
        let mut text = String::new();
        for line in &self.lines {
            if retry.is_some() || !line.is_about_retry() {
                line.render(event, retry, &mut text);
            }
        }
        if utf16_units(&text) > MAX_UTF16_UNITS {
            self.render_cut(event, retry)
        } else {
            text
        }
    }

    fn render_cut(&self, event: &PaymentEvent, retry: Option<u32>) -> String {
        let (mut body, mut about_retry) = (String::new(), String::new());
        for line in &self.lines {
            if !line.is_about_retry() {
                line.render(event, retry, &mut body);
            } else if retry.is_some() {
                line.render(event, retry, &mut about_retry);
            }
        }
        // A line about the retry may hold a long value too: it gets half at most.
        cut(&mut about_retry, MAX_UTF16_UNITS / 2);
        cut(&mut body, MAX_UTF16_UNITS - utf16_units(&about_retry));
        body + &about_retry
    }
}

impl Line {
    fn is_about_retry(&self) -> bool {
        self.pieces.contains(&Piece::Value(Placeholder::Retry))
    }

    fn render(&self, event: &PaymentEvent, retry: Option<u32>, out: &mut String) {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Value(placeholder) => placeholder.render(event, retry, out),
            }
        }
    }
}

impl Placeholder {
    const ALL: [Self; 6] = [
        Self::Mail,
        Self::ConcertTitle,
        Self::Start,
        Self::Confirmed,
        Self::Amount,
        Self::Retry,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::ConcertTitle => "concertTitle",
            Self::Start => "startDt",
            Self::Confirmed => "confirmDt",
            Self::Amount => "amount",
            Self::Retry => "n",
        }
    }

    fn render(self, event: &PaymentEvent, retry: Option<u32>, out: &mut String) {
        const DATE_TIME: &str = "%Y-%m-%d %H:%M:%S";
        let written = match self {
            Self::Mail => out.write_str(&event.mail),
            Self::ConcertTitle => out.write_str(&event.concert_title),
            Self::Start => write!(out, "{}", event.start.format(DATE_TIME)),
            Self::Confirmed => write!(out, "{}", event.confirmed.format(DATE_TIME)),
            Self::Amount => write!(out, "{}", event.amount),
            Self::Retry => write!(out, "{}", retry.unwrap_or_default()),
        };
        written.expect("a String takes all that is written, and the format is a constant");
    }
}

fn utf16_units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// Shortens a text that has more than `limit` UTF-16 units to at most that, and marks the cut.
fn cut(text: &mut String, limit: usize) {
    if utf16_units(text) <= limit {
        return;
    }
    let mut room = limit.saturating_sub(utf16_units(CUT));
    let end = text
        .char_indices()
        .find(|(_, char)| match room.checked_sub(char.len_utf16()) {
            Some(rest) => {
                room = rest;
                false
            }
            None => true,
        })
        .map_or(text.len(), |(at, _)| at);
    text.truncate(end);
    text.push_str(CUT);
}
