//! A look at a running service from beside it.
//!
//! Each question goes through the loop that does the work, and is answered in its turn: an answer
//! shows that the loop goes round, and all that it says is of one moment.

use tokio::sync::{mpsc, oneshot};

use crate::consumer::{self, Standing};
use crate::engine::Status;
use crate::{Error, ErrorKind};

/// Questions that may wait for the loop; whoever has more waits to ask.
const QUESTIONS: usize = 16;

/// Where a service stands.
#[derive(Clone, Debug)]
pub struct View {
    /// Its engine.
    pub engine: Status,
    /// The consumer of the main path, where there is one.
    pub main: Option<Standing>,
    /// The consumer of the drain, where there is one.
    pub drain: Option<Standing>,
}

/// Sees where a [`Service`](super::Service) stands.
#[derive(Clone, Debug)]
pub struct Watcher {
    engine: mpsc::Sender<oneshot::Sender<Status>>,
    main: Option<consumer::Watcher>,
    drain: Option<consumer::Watcher>,
}

/// What watchers ask: the service that runs with it answers.
#[derive(Debug)]
pub struct Questions(Option<mpsc::Receiver<oneshot::Sender<Status>>>);

/// A watcher of a service with these consumers, and what it is going to ask.
pub(super) fn watch(
    main: Option<consumer::Watcher>,
    drain: Option<consumer::Watcher>,
) -> (Watcher, Questions) {
    let (engine, questions) = mpsc::channel(QUESTIONS);
    let watcher = Watcher {
        engine,
        main,
        drain,
    };
    (watcher, Questions(Some(questions)))
}

impl Watcher {
    /// Asks the service's loop, then those of its consumers. Waits for as long as that takes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Closed`] where the service has stopped, or is leaving its groups.
    ///
    /// # Cancel safety
    ///
    /// When dropped, only the answer is lost.
    pub async fn look(&self) -> Result<View, Error> {
        let (reply, answer) = oneshot::channel();
        let sent = self.engine.send(reply).await;
        sent.map_err(|_| stopped())?;
        let engine = answer.await.map_err(|_| stopped())?;
        Ok(View {
            engine,
            main: standing(self.main.as_ref()).await?,
            drain: standing(self.drain.as_ref()).await?,
        })
    }
}

async fn standing(watcher: Option<&consumer::Watcher>) -> Result<Option<Standing>, Error> {
    match watcher {
        Some(watcher) => watcher.look().await.map(Some),
        None => Ok(None),
    }
}

fn stopped() -> Error {
    Error::new(ErrorKind::Closed, "the service has stopped")
}

impl Questions {
    /// Nobody asks.
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// The next one. Cancel safe.
    pub(super) async fn next(&mut self) -> oneshot::Sender<Status> {
        if let Some(questions) = &mut self.0
            && let Some(question) = questions.recv().await
        {
            return question;
        }
        std::future::pending().await
    }
}
