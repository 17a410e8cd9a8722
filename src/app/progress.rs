//! A line on a terminal that is written over while something goes on.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Between two drawings; nobody sees more.
pub(super) const PAUSE: Duration = Duration::from_millis(100);

const SPINNER: [char; 8] = ['⠁', '⠂', '⠄', '⡀', '⢀', '⠠', '⠐', '⠈'];
const BAR: usize = 40;
/// To the begin of the line, which is emptied.
const CLEAR: &str = "\r\x1b[2K";
/// What is wider than the terminal would go on in the next line, where it stays.
const CUT: (&str, &str) = ("\x1b[?7l", "\x1b[?7h");

/// True where a line can be written over.
pub(super) fn is_possible(out: &impl IsTerminal) -> bool {
    out.is_terminal() && std::env::var_os("TERM").is_none_or(|name| name != "dumb")
}

/// The line; it is there from its first drawing until it is cleared.
#[derive(Debug)]
pub(super) struct Line {
    began: Instant,
    drawn: Option<Instant>,
}

impl Line {
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            drawn: None,
        }
    }

    /// Draws what is to be told after this time, unless it was drawn a moment ago.
    ///
    /// # Errors
    ///
    /// Where it can't be written.
    pub(super) fn draw(
        &mut self,
        out: &mut impl Write,
        text: impl FnOnce(Duration) -> String,
    ) -> io::Result<()> {
        if self.drawn.is_some_and(|drawn| drawn.elapsed() < PAUSE) {
            return Ok(());
        }
        self.drawn = Some(Instant::now());
        let text = text(self.began.elapsed());
        write!(out, "{CLEAR}{}{text}{}", CUT.0, CUT.1)?;
        out.flush()
    }

    /// Has the terminal be as it was before the line.
    ///
    /// # Errors
    ///
    /// Where it can't be written.
    pub(super) fn clear(&mut self, out: &mut impl Write) -> io::Result<()> {
        if self.drawn.take().is_none() {
            return Ok(());
        }
        write!(out, "{CLEAR}")?;
        out.flush()
    }
}

/// Something that turns, and the time.
pub(super) fn spinner(elapsed: Duration) -> String {
    let step = (elapsed.as_millis() / PAUSE.as_millis()) as usize;
    let seconds = elapsed.as_secs();
    format!("{} {seconds}s", SPINNER[step % SPINNER.len()])
}

/// How far it is, how fast, and how long it will take from now on.
pub(super) fn bar(done: usize, count: usize, elapsed: Duration) -> String {
    let filled = BAR * done / count.max(1);
    let per_s = done as f64 / elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
    let left = (count.saturating_sub(done)) as f64 / per_s.max(1.0);
    let (full, empty) = ("█".repeat(filled), "░".repeat(BAR - filled));
    format!("{full}{empty} {done}/{count} {per_s:.0}/s {left:.0}s")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_line_is_drawn_once_in_a_while_and_cleared_once() {
        let (mut line, mut out) = (Line::new(), Vec::new());
        line.clear(&mut out).unwrap();
        assert!(out.is_empty());
        line.draw(&mut out, |_| "one".to_owned()).unwrap();
        line.draw(&mut out, |_| "too early".to_owned()).unwrap();
        assert_eq!(out, b"\r\x1b[2K\x1b[?7lone\x1b[?7h");
        out.clear();
        line.clear(&mut out).unwrap();
        line.clear(&mut out).unwrap();
        assert_eq!(out, b"\r\x1b[2K");
    }

    #[test]
    fn a_bar_says_how_far_how_fast_and_how_long() {
        let half = bar(1_000, 2_000, 2 * SECOND);
        let expected = format!("{}{} 1000/2000 500/s 2s", "█".repeat(20), "░".repeat(20));
        assert_eq!(half, expected);
        assert!(bar(0, 5, Duration::ZERO).ends_with("░ 0/5 0/s 5s"));
        assert!(bar(5, 5, SECOND).starts_with(&"█".repeat(40)));
        assert!(bar(0, 0, SECOND).ends_with(" 0/0 0/s 0s"));
    }

    #[test]
    fn a_spinner_turns() {
        assert_eq!(spinner(Duration::ZERO), "⠁ 0s");
        assert_eq!(spinner(SECOND), "⠄ 1s");
    }
}
