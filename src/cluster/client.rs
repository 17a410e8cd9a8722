//! The client: keeps the metadata fresh and finds brokers, leaders and coordinators.

mod refresher;

use std::sync::Arc;

use kafka_protocol::messages::FindCoordinatorRequest;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::cluster::Admin;
use crate::cluster::any::ask_any;
use crate::cluster::config::ClientConfig;
use crate::cluster::metadata::Metadata;
use crate::cluster::pool::{Channel, Pool};
use crate::net::TrafficSums;
use crate::wire::ErrorCode;
use crate::wire::names::text;
use crate::{Error, ErrorKind};
use refresher::{Attempts, Refresher, Shared};

/// What coordinators are found for, as FindCoordinator has it.
const OF_GROUPS: i8 = 0;
const OF_TRANSACTIONS: i8 = 1;

/// A client of one Kafka cluster: the way to everything else.
///
/// Clones are the same client. Its background task, which refreshes metadata on request and by
/// age, ends when the last clone is dropped.
///
/// ```no_run
/// # async fn example() -> Result<(), payment_notifier::Error> {
/// use payment_notifier::{Client, ClientConfig};
///
/// let config = ClientConfig {
///     bootstrap_servers: vec!["localhost:9092".into()],
///     ..ClientConfig::default()
/// };
/// let client = Client::connect(config).await?;
/// for broker in client.metadata().brokers().values() {
///     println!("broker {} at {}:{}", broker.id, broker.host, broker.port);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pool: Arc<Pool>,
    control: Channel,
    shared: Arc<Shared>,
    metadata: watch::Receiver<Arc<Metadata>>,
    attempts: watch::Receiver<Attempts>,
    refresher: tokio::task::AbortHandle,
}

impl Client {
    /// Connects to a cluster: returns when one of its brokers has described it. Connections that
    /// fail are tried again for `request.timeout.ms`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`] without bootstrap servers; [`ErrorKind::Unsupported`] where a peer is
    /// no Kafka broker or too old; [`ErrorKind::Authentication`] where one side does not accept
    /// who the other is; otherwise what kept every server from answering.
    ///
    /// # Cancel safety
    ///
    /// When dropped, nothing is left behind.
    pub async fn connect(config: ClientConfig) -> Result<Self, Error> {
        if config.bootstrap_servers.is_empty() {
            return Err(Error::new(ErrorKind::Usage, "bootstrap.servers is empty"));
        }
        if config.security.shows_secrets() {
            tracing::warn!(
                "security.protocol=SASL_PLAINTEXT sends the password or token unencrypted: \
                 anyone on the way can read it; SASL_SSL would hide it"
            );
        }
        let config = config.bounded();
        let deadline = Instant::now() + config.request_timeout;
        let client = Self::new(config);
        loop {
            match client.refresh(deadline).await {
                Ok(_) => return Ok(client),
                Err(error) if error.is_retriable() && Instant::now() < deadline => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn new(config: ClientConfig) -> Self {
        let (metadata_sender, metadata) = watch::channel(Arc::default());
        let (attempts_sender, attempts) = watch::channel(Attempts::default());
        let pool = Pool::new(config.clone(), metadata.clone());
        let control = pool.channel();
        let shared = Arc::new(Shared::new(config));
        let refresher = Refresher {
            shared: shared.clone(),
            control: control.clone(),
            metadata: metadata_sender,
            attempts: attempts_sender,
        };
        let refresher = tokio::spawn(refresher.run()).abort_handle();
        Self(Arc::new(Inner {
            pool,
            control,
            shared,
            metadata,
            attempts,
            refresher,
        }))
    }

    /// The settings it was made with.
    pub fn config(&self) -> &ClientConfig {
        &self.0.shared.config
    }

    /// The newest snapshot of the cluster.
    pub fn metadata(&self) -> Arc<Metadata> {
        self.0.metadata.borrow().clone()
    }

    /// How many partitions a topic has, where that is known.
    pub fn partition_count(&self, topic: &str) -> Option<i32> {
        self.0.metadata.borrow().partition_count(topic)
    }

    /// Follows the snapshots of the cluster.
    pub fn watch_metadata(&self) -> watch::Receiver<Arc<Metadata>> {
        self.0.metadata.clone()
    }

    /// Asks for fresh metadata soon and does not wait for it. Many such wishes become one request.
    pub fn request_refresh(&self) {
        self.0.shared.wanted.notify_one();
    }

    /// Keeps these topics in the metadata from now on.
    pub fn track(&self, topics: impl IntoIterator<Item = impl AsRef<str>>) {
        if self.0.shared.track(topics) {
            self.request_refresh();
        }
    }

    /// Waits for metadata that was asked for after this call.
    ///
    /// # Errors
    ///
    /// Why the refresh failed, or [`ErrorKind::Timeout`] at the deadline.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the refresh goes on.
    pub async fn refresh(&self, deadline: Instant) -> Result<Arc<Metadata>, Error> {
        let mut attempts = self.0.attempts.clone();
        // The one that may be under way now has asked for less than is known to be wanted.
        let begun = attempts.borrow_and_update().begun;
        self.request_refresh();
        let ended = attempts.wait_for(|attempts| attempts.ended > begun);
        match tokio::time::timeout_at(deadline, ended).await {
            Ok(Ok(attempts)) => attempts.last_error.clone().map_or(Ok(()), Err)?,
            Ok(Err(_)) => return Err(Error::new(ErrorKind::Closed, "the client was closed")),
            Err(_) => {
                let last = self.0.attempts.borrow().last_error.clone();
                return Err(last.unwrap_or_else(|| self.silent()));
            }
        }
        Ok(self.metadata())
    }

    fn silent(&self) -> Error {
        let servers = self.config().bootstrap_servers.join(", ");
        let text = format!("no metadata from the cluster in time (bootstrap.servers: {servers})");
        Error::new(ErrorKind::Timeout, text)
    }

    /// Waits until each of these topics is known, or known to be missing or forbidden; looks into
    /// what is known first.
    ///
    /// # Errors
    ///
    /// The broker's error about a topic (`UNKNOWN_TOPIC_OR_PARTITION`,
    /// `TOPIC_AUTHORIZATION_FAILED`), named; otherwise as [`Client::refresh`].
    ///
    /// # Cancel safety
    ///
    /// When dropped, nothing is lost.
    pub async fn topics(
        &self,
        topics: &[impl AsRef<str>],
        deadline: Instant,
    ) -> Result<Arc<Metadata>, Error> {
        self.track(topics);
        let mut metadata = self.metadata();
        loop {
            let unknown = topics
                .iter()
                .map(AsRef::as_ref)
                .find(|name| metadata.partition_count(name).is_none());
            let Some(name) = unknown else {
                return Ok(metadata);
            };
            metadata = self.refresh(deadline).await?;
            let Some(topic) = metadata.topic(name) else {
                continue;
            };
            let passing =
                topic.error.is_retriable() && topic.error != ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
            if !topic.error.is_ok() && !passing {
                return Err(Error::broker(topic.error, format!("topic {name}")));
            }
        }
    }

    /// Finds a group's coordinator, asking one broker after another until one answers.
    ///
    /// # Errors
    ///
    /// The broker's code (`COORDINATOR_NOT_AVAILABLE` while a new cluster makes its offsets
    /// topic, `GROUP_AUTHORIZATION_FAILED`), or why no broker answered.
    ///
    /// # Cancel safety
    ///
    /// When dropped, nothing is left behind.
    pub async fn find_coordinator(&self, group: &str, deadline: Instant) -> Result<i32, Error> {
        let found = self.coordinator(OF_GROUPS, group, deadline).await?;
        found.map_err(|code| {
            Error::broker(code, format!("finding the coordinator of group {group}"))
        })
    }

    /// Finds the coordinator of a transactional id, in the same way.
    ///
    /// # Errors
    ///
    /// The broker's code (`COORDINATOR_NOT_AVAILABLE` while a new cluster makes its transactions
    /// topic, `TRANSACTIONAL_ID_AUTHORIZATION_FAILED`), or why no broker answered.
    ///
    /// # Cancel safety
    ///
    /// When dropped, nothing is left behind.
    pub async fn find_transaction_coordinator(
        &self,
        transactional_id: &str,
        deadline: Instant,
    ) -> Result<i32, Error> {
        let found = self.coordinator(OF_TRANSACTIONS, transactional_id, deadline);
        found.await?.map_err(|code| {
            let doing = format!("finding the coordinator of transactional id {transactional_id}");
            Error::broker(code, doing)
        })
    }

    async fn coordinator(
        &self,
        key_type: i8,
        key: &str,
        deadline: Instant,
    ) -> Result<Result<i32, ErrorCode>, Error> {
        let request = FindCoordinatorRequest::default()
            .with_key(text(key))
            .with_key_type(key_type);
        let answer = ask_any(self.control(), &request, deadline).await?;
        if let Err(code) = ErrorCode(answer.error_code).ok() {
            return Ok(Err(code));
        }
        let known = self.metadata().brokers().contains_key(&answer.node_id.0);
        if !known {
            self.refresh(deadline).await?;
        }
        Ok(Ok(answer.node_id.0))
    }

    /// Opens a channel: connections that are shared with nothing else.
    pub fn channel(&self) -> Channel {
        self.0.pool.channel()
    }

    /// The channel of short requests that anyone may send.
    pub(crate) fn control(&self) -> &Channel {
        &self.0.control
    }

    /// What has gone over its connections so far.
    pub fn traffic(&self) -> TrafficSums {
        self.0.pool.traffic()
    }

    /// Creates and describes topics.
    pub fn admin(&self) -> Admin {
        Admin::new(self.clone())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.refresher.abort();
    }
}

#[cfg(test)]
mod tests;
