//! Where events are shown: a thread of its own, so that a reader who takes his time holds up no
//! send and makes no answer late.

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::oneshot;

use super::event::Event;
use super::json;
use super::tally::Tally;
use super::text::Text;

/// How often progress is told where nothing can be drawn.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// Takes events and stamps them with the time since the start. What waits to be shown is bounded
/// by what the demo does.
#[derive(Clone, Debug)]
pub(super) struct Teller {
    began: Instant,
    events: Sender<Option<(Duration, Event)>>,
}

/// The thread that shows them.
pub(super) struct Screen {
    teller: Teller,
    thread: JoinHandle<io::Result<()>>,
    /// Resolves once nothing can be shown any more.
    pub(super) gone: oneshot::Receiver<()>,
}

impl Teller {
    /// Has an event shown, after all that were told before.
    pub(super) fn tell(&self, event: Event) {
        // Nobody may be there any more; the demo then ends.
        let _ = self.events.send(Some((self.began.elapsed(), event)));
    }
}

impl Screen {
    /// Begins to show events, as JSON or as text.
    pub(super) fn start(as_json: bool, payments: usize) -> Self {
        let (events, told) = channel();
        let (here, gone) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let shown = if as_json {
                show_json(&told)
            } else {
                Shown::new(payments).show(&told)
            };
            drop(here);
            shown
        });
        let teller = Teller {
            began: Instant::now(),
            events,
        };
        Self {
            teller,
            thread,
            gone,
        }
    }

    pub(super) fn teller(&self) -> Teller {
        self.teller.clone()
    }

    /// Waits until all is shown that was told, or nothing more can be.
    ///
    /// # Errors
    ///
    /// Why something could not be shown, where it is not that the reader has seen enough, as
    /// `| head` does.
    pub(super) fn finish(self) -> io::Result<()> {
        let _ = self.teller.events.send(None);
        match self.thread.join() {
            Ok(Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(()),
        }
    }
}

fn show_json(told: &Receiver<Option<(Duration, Event)>>) -> io::Result<()> {
    while let Ok(Some((at, event))) = told.recv() {
        writeln!(io::stdout(), "{}", json::line(at, &event))?;
    }
    Ok(())
}

/// Text: with a line that moves where that can be drawn.
struct Shown {
    text: Text,
    tally: Tally,
    bar: ProgressBar,
    progress_at: Duration,
}

impl Shown {
    fn new(payments: usize) -> Self {
        Self {
            text: Text::new(has_colours(), payments),
            tally: Tally::new(payments),
            bar: ProgressBar::hidden(),
            progress_at: PROGRESS_EVERY,
        }
    }

    fn show(mut self, told: &Receiver<Option<(Duration, Event)>>) -> io::Result<()> {
        while let Ok(Some((at, event))) = told.recv() {
            self.tally.note(&event);
            let lines = self.text.lines(at, &event);
            match &event {
                Event::Account(_) => self.bar.finish_and_clear(),
                _ => self.bar.set_message(self.tally.to_string()),
            }
            match lines {
                Some(lines) => self.print(&lines)?,
                None => self.progress(at)?,
            }
            if let Event::Ready(_) = event {
                self.bar = bar();
            }
        }
        self.bar.finish_and_clear();
        Ok(())
    }

    fn print(&self, lines: &str) -> io::Result<()> {
        self.bar.suspend(|| writeln!(io::stdout(), "{lines}"))
    }

    /// Says how far it is where there is neither a line nor a bar that would.
    fn progress(&mut self, at: Duration) -> io::Result<()> {
        if !self.bar.is_hidden() || at < self.progress_at {
            return Ok(());
        }
        self.progress_at = at + PROGRESS_EVERY;
        self.print(&self.text.progress(at, &self.tally))
    }
}

/// True on a terminal that can show them, where nobody asked for none (<https://no-color.org>).
fn has_colours() -> bool {
    let is_plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|name| name == "dumb");
    io::stdout().is_terminal() && !is_plain && !is_dumb
}

/// Hidden where the standard output is no terminal.
fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout());
    if let Ok(style) = ProgressStyle::with_template("  {spinner} {elapsed}  {msg}") {
        bar.set_style(style);
    }
    if !bar.is_hidden() {
        bar.enable_steady_tick(Duration::from_millis(100));
    }
    bar
}
