//! The `demo` command: the service of `run` between a Kafka in memory and a stand-in for Telegram,
//! with payments that go well and payments that don't, and an account at the end.
//!
//! | module | | what it holds |
//! |---|---|---|
//! | `script` | P | which payments there are, and what befalls each |
//! | `book` | P | from what is observed to the events that are shown |
//! | `account` | P | from the evidence to where each payment ended, and what is missing |
//! | `text`, `table`, `json` | P | events as lines |
//! | `stand_in` | S | Telegram |
//! | `observer`, `watched` | S | see what the service does, from outside |
//! | `publish`, `screen` | S | the payments, and what is shown of them |

mod account;
mod book;
mod event;
mod evidence;
mod json;
mod observer;
mod paint;
mod publish;
mod screen;
mod script;
mod settings;
mod stand_in;
mod table;
mod tally;
#[cfg(test)]
mod testing;
mod text;
mod watched;

use std::future::Future;
use std::pin::{Pin, pin};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use self::account::Account;
use self::book::Book;
use self::event::{Event, Stage};
use self::evidence::Sums;
use self::observer::{Names, Observer};
use self::screen::Screen;
use self::script::Script;
use self::settings::Pace;
use self::stand_in::StandIn;
use self::watched::watched;
use super::cli::DemoArgs;
use super::config::Config;
use super::connect::connect;
use super::service::{Paths, assemble, producer_config};
use super::shutdown;
use crate::broker::{Broker, BrokerConfig};
use crate::engine::run::Outcome;
use crate::producer::Producer;
use crate::{Error, ErrorKind};

/// The demo ends within 20 s, of which some are for stopping.
const TIME: Duration = Duration::from_secs(17);
/// … and this much later for each payment: many of them take a slow machine longer.
const TIME_EACH: Duration = Duration::from_millis(5);
/// How often the topics are looked at while the service does nothing.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Runs the demo; fails where not every payment is accounted for.
///
/// # Errors
///
/// What could not be started, what ended the service, or why nothing can be shown.
pub(super) async fn execute(args: &DemoArgs) -> Result<ExitCode, Error> {
    let signal = shutdown::signals()?;
    let payments = usize::try_from(args.payments).unwrap_or(usize::MAX);
    let mut screen = Screen::start(args.json, payments);
    let script = Script::new(payments, args.seed);
    let adds_up = match Demo::set_up(args, &script, &screen).await {
        Ok(demo) => demo.play(&script, pin!(signal), &mut screen.gone).await,
        Err(error) => Err(error),
    };
    let shown = screen.finish();
    let adds_up = adds_up?;
    shown
        .map_err(|error| Error::caused(ErrorKind::System, "the output can't be written", error))?;
    Ok(if adds_up {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Everything that a demo has.
struct Demo {
    config: Config,
    observer: Arc<Observer>,
    stage: Stage,
    stays: bool,
    deadline: Instant,
}

/// Why a part of the demo was not played to its end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    Signal,
    NobodyLooks,
    TimeIsOver,
}

impl Cut {
    fn describe(self) -> &'static str {
        match self {
            Self::Signal => "a signal came",
            Self::NobodyLooks => "nobody looks any more",
            Self::TimeIsOver => "the time is over",
        }
    }
}

impl Demo {
    async fn set_up(args: &DemoArgs, script: &Script, screen: &Screen) -> Result<Self, Error> {
        let pace = if args.fast { Pace::FAST } else { Pace::NORMAL };
        let broker = Broker::start(BrokerConfig::default()).await?;
        let telegram = StandIn::start(script).await?;
        let kafka = broker.bootstrap_servers();
        let bot = (stand_in::TOKEN, stand_in::CHAT_ID);
        let config = settings::config(pace, &kafka, telegram.url(), bot)
            .map_err(|problems| Error::new(ErrorKind::Usage, problems.to_string()))?;
        let names = Names::of(&config);
        let stage = Stage {
            kafka,
            telegram: telegram.url().to_owned(),
            topics: names.topics(),
            program: program(),
            payments: script.payments.len(),
            seed: args.seed,
            pace,
        };
        let book = Book::new(script, pace.backoff);
        let observer = Observer::new(broker, telegram, names, book, screen.teller());
        observer.tell(Event::Ready(stage.clone()));
        Ok(Self {
            config,
            observer: Arc::new(observer),
            stage,
            stays: args.keep,
            deadline: Instant::now() + TIME + TIME_EACH * args.payments,
        })
    }

    /// Plays the script to its end, or until it is cut; true where the account adds up.
    async fn play(
        &self,
        script: &Script,
        mut signal: Pin<&mut impl Future<Output = ()>>,
        gone: &mut oneshot::Receiver<()>,
    ) -> Result<bool, Error> {
        let (service, engine) = assemble(self.config.clone(), Paths::Service).await?;
        let (stop, stopped) = oneshot::channel();
        let service = watched(service, &self.observer);
        let mut service = pin!(service.run(engine, async {
            let _ = stopped.await;
        }));
        let mut cut = tokio::select! {
            ended = &mut service => return Err(ended_early(ended)),
            cut = self.perform(script) => cut?,
            () = &mut signal => Some(Cut::Signal),
            _ = &mut *gone => Some(Cut::NobodyLooks),
        };
        if self.stays && cut.is_none() {
            self.tell_account(None);
            self.observer.tell(Event::Staying(self.stage.clone()));
            self.observer.welcome_guests();
            cut = tokio::select! {
                ended = &mut service => return Err(ended_early(ended)),
                () = self.look_until(|| false) => None,
                () = &mut signal => Some(Cut::Signal),
                _ = gone => Some(Cut::NobodyLooks),
            };
        }
        if let Some(cut) = cut {
            let why = cut.describe();
            self.observer.tell(Event::Stopping { why });
        }
        // The service is there to hear it.
        let _ = stop.send(());
        let outcome = service.await?;
        self.observer.look();
        let adds_up = self.tell_account(Some(Sums {
            main: outcome.main,
            drain: outcome.drain,
        }));
        Ok(adds_up && cut != Some(Cut::TimeIsOver))
    }

    /// Publishes all payments and waits until each has come to its end.
    async fn perform(&self, script: &Script) -> Result<Option<Cut>, Error> {
        let client = connect(&self.config.kafka, &self.config.security).await?;
        let producer = Producer::new(&client, producer_config(&self.config.kafka));
        let apart = self.stage.pace.between(script.payments.len());
        let topic = &self.config.topics.source;
        let performance = async {
            tokio::select! {
                published = publish::publish(script, &producer, topic, apart, &self.observer) => published?,
                () = self.look_until(|| false) => {}
            }
            self.look_until(|| self.observer.is_settled()).await;
            Ok(None)
        };
        let late = |_| Ok(Some(Cut::TimeIsOver));
        tokio::time::timeout_at(self.deadline, performance)
            .await
            .unwrap_or_else(late)
    }

    async fn look_until(&self, is_enough: impl Fn() -> bool) {
        loop {
            self.observer.look();
            if is_enough() {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn tell_account(&self, engine: Option<Sums>) -> bool {
        let account = Account::of(&self.observer.evidence(engine));
        let adds_up = account.adds_up();
        self.observer.tell(Event::Account(account));
        adds_up
    }
}

fn ended_early(ended: Result<Outcome, Error>) -> Error {
    match ended {
        Ok(_) => Error::new(ErrorKind::Closed, "the service ended before its time"),
        Err(error) => error,
    }
}

/// How this program was called, to be called so again.
fn program() -> String {
    let called = std::env::args_os().next();
    called.map_or_else(
        || env!("CARGO_PKG_NAME").to_owned(),
        |program| program.to_string_lossy().into_owned(),
    )
}
