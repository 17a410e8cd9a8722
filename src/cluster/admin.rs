//! Topics and offsets: creating, describing, where partitions begin and end.

mod offsets;

use std::time::Duration;

pub use offsets::OffsetAt;

use kafka_protocol::messages::CreateTopicsRequest;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use tokio::time::Instant;

use crate::cluster::client::Client;
use crate::cluster::config::LONGEST;
use crate::cluster::pool::{Node, jittered_backoff};
use crate::wire::ErrorCode;
use crate::wire::names::{text, topic_name};
use crate::{Error, ErrorKind};

/// A topic to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    /// The name: up to 249 of `a-z A-Z 0-9 . _ -`.
    pub name: String,
    /// How many partitions; -1 for the broker's default.
    pub partitions: i32,
    /// How many replicas of each; -1 for the broker's default.
    pub replication_factor: i16,
    /// Settings that are not to be the broker's defaults: Kafka's names and values.
    pub configs: Vec<(String, String)>,
}

/// How the creation of a topic ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicOutcome {
    /// It was made.
    Created,
    /// It was there already; its settings were left as they are.
    Existed,
}

/// Administers topics. Made by [`Client::admin`].
#[derive(Clone, Debug)]
pub struct Admin {
    client: Client,
}

impl Admin {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Creates a topic, or finds that it exists, and waits until the cluster tells of it.
    ///
    /// # Errors
    ///
    /// The broker's code with its own text (`TOPIC_AUTHORIZATION_FAILED`,
    /// `INVALID_REPLICATION_FACTOR`); otherwise why there was no answer by the deadline.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the topic may or may not be created.
    pub async fn create_topic(
        &self,
        topic: &NewTopic,
        timeout: Duration,
    ) -> Result<TopicOutcome, Error> {
        let deadline = Instant::now() + timeout.min(LONGEST);
        let mut failures = 0;
        let outcome = loop {
            match self.try_create(topic, deadline).await {
                Err(error) if error.is_retriable() && Instant::now() < deadline => {
                    failures += 1;
                    self.client.request_refresh();
                    self.pause(failures, deadline).await;
                }
                outcome => break outcome?,
            }
        };
        self.wait_for(&topic.name, deadline).await?;
        Ok(outcome)
    }

    async fn try_create(&self, topic: &NewTopic, deadline: Instant) -> Result<TopicOutcome, Error> {
        let left = deadline.saturating_duration_since(Instant::now());
        let configs = topic.configs.iter().map(|(name, value)| {
            CreatableTopicConfig::default()
                .with_name(text(name))
                .with_value(Some(text(value)))
        });
        let wanted = CreatableTopic::default()
            .with_name(topic_name(&topic.name))
            .with_num_partitions(topic.partitions)
            .with_replication_factor(topic.replication_factor)
            .with_configs(configs.collect());
        let request = CreateTopicsRequest::default()
            .with_topics(vec![wanted])
            .with_timeout_ms(i32::try_from(left.as_millis()).unwrap_or(i32::MAX));
        // A broker without a quorum of controllers forwards the request (KIP-590); an older
        // cluster wants it at its controller.
        let node = self
            .client
            .metadata()
            .controller()
            .map_or(Node::Any, Node::Id);
        let answer = self.client.control().call(node, &request, deadline).await?;
        let Some(result) = answer
            .topics
            .into_iter()
            .find(|told| *told.name == *topic.name)
        else {
            let text = format!("creating topic {}: the answer does not name it", topic.name);
            return Err(Error::new(ErrorKind::Protocol, text));
        };
        match ErrorCode(result.error_code) {
            ErrorCode::NONE => Ok(TopicOutcome::Created),
            ErrorCode::TOPIC_ALREADY_EXISTS => Ok(TopicOutcome::Existed),
            code => {
                let told = result
                    .error_message
                    .map(|text| format!(" ({text})"))
                    .unwrap_or_default();
                Err(Error::broker(
                    code,
                    format!("creating topic {}{told}", topic.name),
                ))
            }
        }
    }

    /// How many partitions a topic has; none where it does not exist.
    ///
    /// # Errors
    ///
    /// `TOPIC_AUTHORIZATION_FAILED`, or why there was no answer within the timeout.
    ///
    /// # Cancel safety
    ///
    /// When dropped, nothing is left behind.
    pub async fn partition_count(
        &self,
        topic: &str,
        timeout: Duration,
    ) -> Result<Option<i32>, Error> {
        let deadline = Instant::now() + timeout.min(LONGEST);
        match self.client.topics(&[topic], deadline).await {
            Ok(metadata) => Ok(metadata.partition_count(topic)),
            Err(error) if error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Waits until the cluster tells of a topic that was just created.
    async fn wait_for(&self, topic: &str, deadline: Instant) -> Result<(), Error> {
        let mut failures = 0;
        loop {
            match self.client.topics(&[topic], deadline).await {
                Err(error)
                    if error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
                        && Instant::now() < deadline =>
                {
                    failures += 1;
                    self.pause(failures, deadline).await;
                }
                known => return known.map(|_| ()),
            }
        }
    }

    async fn pause(&self, failures: u32, deadline: Instant) {
        let config = self.client.config();
        let pause = jittered_backoff(config.retry_backoff, config.retry_backoff_max, failures);
        tokio::time::sleep_until(deadline.min(Instant::now() + pause)).await;
    }
}
