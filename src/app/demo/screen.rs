//! Where events are shown: a thread of its own, so that a reader who takes his time holds up no
//! send and makes no answer late.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::event::Event;
use super::json;
use super::tally::Tally;
use super::text::Text;
use crate::app::progress::{Line, PAUSE, is_possible, spinner};

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
    /// While payments are on their way, on a terminal.
    line: Option<Line>,
    progress_at: Duration,
}

impl Shown {
    fn new(payments: usize) -> Self {
        Self {
            text: Text::new(has_colours(), payments),
            tally: Tally::new(payments),
            line: None,
            progress_at: PROGRESS_EVERY,
        }
    }

    fn show(mut self, told: &Receiver<Option<(Duration, Event)>>) -> io::Result<()> {
        loop {
            match told.recv_timeout(PAUSE) {
                Ok(Some((at, event))) => self.show_event(at, &event)?,
                Ok(None) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.draw()?;
        }
        self.clear()
    }

    fn show_event(&mut self, at: Duration, event: &Event) -> io::Result<()> {
        self.tally.note(event);
        match self.text.lines(at, event) {
            Some(lines) => self.print(&lines)?,
            None => self.progress(at)?,
        }
        match event {
            Event::Ready(_) if is_possible(&io::stdout()) => self.line = Some(Line::new()),
            Event::Account(_) => {
                self.clear()?;
                self.line = None;
            }
            _ => {}
        }
        Ok(())
    }

    fn print(&mut self, lines: &str) -> io::Result<()> {
        self.clear()?;
        writeln!(io::stdout(), "{lines}")
    }

    /// Says how far it is where there is neither a line nor one that moves that would.
    fn progress(&mut self, at: Duration) -> io::Result<()> {
        if self.line.is_some() || at < self.progress_at {
            return Ok(());
        }
        self.progress_at = at + PROGRESS_EVERY;
        self.print(&self.text.progress(at, &self.tally))
    }

    fn draw(&mut self) -> io::Result<()> {
        let Some(line) = &mut self.line else {
            return Ok(());
        };
        line.draw(&mut io::stdout(), |elapsed| {
            format!("  {}  {}", spinner(elapsed), self.tally)
        })
    }

    fn clear(&mut self) -> io::Result<()> {
        self.line
            .as_mut()
            .map_or(Ok(()), |line| line.clear(&mut io::stdout()))
    }
}

/// True on a terminal that can show them, where nobody asked for none (<https://no-color.org>).
fn has_colours() -> bool {
    let is_plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    is_possible(&io::stdout()) && !is_plain
}
