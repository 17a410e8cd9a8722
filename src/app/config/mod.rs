//! The configuration: a TOML file, systemd's credentials and the environment over it, flags over
//! that; and under it all a Java client's file, where one is named.
//!
//! Each key is one row of a `table!`: its name, its field, its documentation, how it is read and
//! what it defaults to. The readers of the file, the environment and the flags, the suggestions
//! for unknown names, what `config` prints and the example file all follow from those rows.
//!
//! # Invariants
//!
//! - Everything that is wrong is found in one reading, before anything connects.
//! - No problem, no output and no `Debug` of this module shows a secret.
//! - A value that came out has been checked: nothing below checks it again.

mod bot;
mod duration;
mod file;
mod formats;
mod input;
mod jaas;
mod java;
mod kafka;
mod kind;
mod layers;
mod print;
mod problem;
mod properties;
mod reader;
mod reserved;
mod secrets;
mod security;
mod table;
mod tables;
#[cfg(test)]
mod tests;

pub use bot::Bot;
pub use formats::{Address, Rate};
pub use kafka::{Assignor, KafkaConfig, Mechanism, Protocol};
pub use layers::{Flag, Sources};
pub use problem::Problems;
pub use tables::{
    AutoOffsetReset, ConsumerConfig, DrainConfig, DrainMode, FinalTopic, Forwarding, HealthConfig,
    HttpConfig, MessageConfig, RetryConfig, TelegramConfig, TopicsConfig,
};

use layers::Layers;
use reader::{Reader, Setting};

use crate::net::Security;
use crate::payment::Template;

/// What `run` and `drain` need.
#[derive(Clone, Debug)]
pub struct Config {
    /// The Kafka client.
    pub kafka: KafkaConfig,
    /// Its TLS and login, from wherever they are.
    pub security: Security,
    /// The three topics.
    pub topics: TopicsConfig,
    /// The consumption of the source topic.
    pub consumer: ConsumerConfig,
    /// The retries before a record becomes a dead letter.
    pub retry: RetryConfig,
    /// The passes over the dead letters.
    pub drain: DrainConfig,
    /// The Telegram bot, as it is configured.
    pub telegram: TelegramConfig,
    /// Its token and chat, from wherever they are.
    pub bot: Bot,
    /// The text of a message.
    pub template: Template,
    /// Where the service is asked how it is.
    pub http: HttpConfig,
    /// When it is well.
    pub health: HealthConfig,
}

/// What `publish` needs: no token, and no word about consuming.
#[derive(Clone, Debug)]
pub struct PublishConfig {
    /// The Kafka client.
    pub kafka: KafkaConfig,
    /// Its TLS and login, from wherever they are.
    pub security: Security,
    /// The topics.
    pub topics: TopicsConfig,
}

/// A configuration that was loaded.
pub struct Loaded<C> {
    /// The values.
    pub config: C,
    /// What is unwise but not wrong, a sentence each.
    pub warnings: Vec<String>,
    settings: Vec<Setting>,
}

impl<C> Loaded<C> {
    /// The values as TOML, each with a comment where it came from; secrets are `***`.
    pub fn effective(&self) -> String {
        print::effective(&self.settings)
    }
}

impl Config {
    /// Reads and checks every table, and the files that they name.
    ///
    /// # Errors
    ///
    /// All that is wrong.
    pub fn load(sources: &Sources) -> Result<Loaded<Self>, Problems> {
        load(sources, Self::read)
    }

    /// An example file: every key, explained, commented out at its default.
    pub fn example() -> String {
        let mut reader = Reader::new(Layers::default());
        // Without a token it gives nothing, but it does read every key.
        let _ = Self::read(&mut reader);
        print::example(&reader.settings)
    }

    fn read(reader: &mut Reader) -> Option<Self> {
        let (kafka, security, topics) = kafka_and_topics(reader);
        let consumer = ConsumerConfig::read(reader);
        let retry = RetryConfig::read(reader);
        let drain = DrainConfig::read(reader);
        drain.check(&consumer, reader);
        let telegram = TelegramConfig::read(reader);
        telegram.check(&kafka, reader);
        let bot = bot::bot(&telegram, reader);
        let template = bot::template(&MessageConfig::read(reader), reader);
        let http = HttpConfig::read(reader);
        let health = HealthConfig::read(reader);
        health.check(&http, reader);
        Some(Self {
            kafka,
            security: security?,
            topics,
            consumer,
            retry,
            drain,
            telegram,
            bot: bot?,
            template,
            http,
            health,
        })
    }
}

impl PublishConfig {
    /// Reads and checks the tables that publishing needs. The values of the others aren't looked
    /// at, their names are.
    ///
    /// # Errors
    ///
    /// All that is wrong.
    pub fn load(sources: &Sources) -> Result<Loaded<Self>, Problems> {
        load(sources, |reader| {
            let (kafka, security, topics) = kafka_and_topics(reader);
            Some(Self {
                kafka,
                security: security?,
                topics,
            })
        })
    }
}

fn kafka_and_topics(reader: &mut Reader) -> (KafkaConfig, Option<Security>, TopicsConfig) {
    let kafka = KafkaConfig::read(reader);
    kafka.check(reader);
    let security = security::security(&kafka, reader);
    let topics = TopicsConfig::read(reader);
    topics.check(reader);
    (kafka, security, topics)
}

/// `read` gives nothing only where it noted a problem.
fn load<C>(
    sources: &Sources,
    read: impl FnOnce(&mut Reader) -> Option<C>,
) -> Result<Loaded<C>, Problems> {
    let mut reader = Reader::new(Layers::merge(sources).map_err(Problems::new)?);
    match read(&mut reader) {
        Some(config) if reader.problems.is_empty() => Ok(Loaded {
            config,
            warnings: reader.warnings,
            settings: reader.settings,
        }),
        _ => Err(Problems::new(reader.problems)),
    }
}
