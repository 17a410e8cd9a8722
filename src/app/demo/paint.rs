//! Colours, where there may be any. Pure.

use anstyle::{AnsiColor, Style};

/// What a piece of text is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Bad,
    Wait,
    Letter,
    End,
    Dim,
    Strong,
}

/// Those of payments that there is more to see of; so that one can be followed by eye.
const NAMES: [AnsiColor; 6] = [
    AnsiColor::BrightCyan,
    AnsiColor::BrightMagenta,
    AnsiColor::BrightYellow,
    AnsiColor::BrightBlue,
    AnsiColor::BrightGreen,
    AnsiColor::BrightRed,
];

/// Paints, or leaves texts as they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint {
    pub(super) colour: bool,
}

impl Paint {
    /// Paints a text by what it is about.
    pub(super) fn tone(self, tone: Tone, text: &str) -> String {
        let of = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
        self.apply(
            match tone {
                Tone::Good => of(AnsiColor::Green),
                Tone::Bad => of(AnsiColor::Red),
                Tone::Wait => of(AnsiColor::Yellow),
                Tone::Letter => of(AnsiColor::Magenta),
                Tone::End => of(AnsiColor::Red).bold(),
                Tone::Dim => Style::new().dimmed(),
                Tone::Strong => Style::new().bold(),
            },
            text,
        )
    }

    /// Paints a payment's name: always in the same colour.
    pub(super) fn name(self, number: usize, is_special: bool, text: &str) -> String {
        if is_special {
            let colour = NAMES[number % NAMES.len()];
            self.apply(Style::new().fg_color(Some(colour.into())).bold(), text)
        } else {
            self.tone(Tone::Dim, text)
        }
    }

    fn apply(self, style: Style, text: &str) -> String {
        if self.colour {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }
}
