//! Settings that all parts of a client share.

use std::sync::Arc;
use std::time::Duration;

use crate::net::{ConnectionConfig, Connector, Security};

/// Settings of a [`Client`](super::Client). Each field's Kafka name is given in its text; the
/// defaults are Kafka's where not said otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientConfig {
    /// `bootstrap.servers`: `host:port`, where to ask first. Default: none.
    pub bootstrap_servers: Vec<String>,
    /// `client.id`: what brokers log and set quotas by.
    pub client_id: String,
    /// `request.timeout.ms`: how long one request may take.
    pub request_timeout: Duration,
    /// `socket.connection.setup.timeout.ms`: how long name look-up, connecting and agreeing on
    /// versions may take.
    pub connection_setup_timeout: Duration,
    /// `reconnect.backoff.ms`: the pause after a first failed connection.
    pub reconnect_backoff: Duration,
    /// `reconnect.backoff.max.ms`: what the pause doubles up to.
    pub reconnect_backoff_max: Duration,
    /// `retry.backoff.ms`: the pause before a failed request is sent again.
    pub retry_backoff: Duration,
    /// `retry.backoff.max.ms`: what that pause doubles up to.
    pub retry_backoff_max: Duration,
    /// `metadata.max.age.ms`: metadata older than this is asked for again.
    pub metadata_max_age: Duration,
    /// `connections.max.idle.ms`: a connection unused for this long is closed.
    pub connections_max_idle: Duration,
    /// `receive.message.max.bytes` (librdkafka's name): a larger answer closes the connection.
    pub max_frame_bytes: usize,
    /// `security.protocol`: TLS and login. Default: neither.
    pub security: Security,
    /// How connections come about: by TCP, where nothing else is said.
    pub connector: Connector,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            bootstrap_servers: Vec::new(),
            client_id: "payment-notifier".into(),
            request_timeout: Duration::from_secs(30),
            connection_setup_timeout: Duration::from_secs(10),
            reconnect_backoff: Duration::from_millis(50),
            reconnect_backoff_max: Duration::from_secs(1),
            retry_backoff: Duration::from_millis(100),
            retry_backoff_max: Duration::from_secs(1),
            metadata_max_age: Duration::from_secs(300),
            connections_max_idle: Duration::from_secs(540),
            max_frame_bytes: 100_000_000,
            security: Security::default(),
            connector: Connector::default(),
        }
    }
}

/// The longest that any wait lasts: longer than any process runs, short enough for every clock.
pub(crate) const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);
/// The shortest pause between attempts, so that no setting makes a busy loop.
const SHORTEST_BACKOFF: Duration = Duration::from_millis(1);

impl ClientConfig {
    /// Keeps waits short enough to be added to any point in time, and pauses long enough to be
    /// some.
    pub(super) fn bounded(self) -> Self {
        let pause = |pause: Duration| pause.clamp(SHORTEST_BACKOFF, LONGEST);
        Self {
            request_timeout: self.request_timeout.min(LONGEST),
            connection_setup_timeout: self.connection_setup_timeout.min(LONGEST),
            reconnect_backoff: pause(self.reconnect_backoff),
            reconnect_backoff_max: pause(self.reconnect_backoff_max),
            retry_backoff: pause(self.retry_backoff),
            retry_backoff_max: pause(self.retry_backoff_max),
            metadata_max_age: self.metadata_max_age.clamp(Duration::from_secs(1), LONGEST),
            connections_max_idle: self.connections_max_idle.min(LONGEST),
            ..self
        }
    }

    pub(crate) fn connection(&self) -> ConnectionConfig {
        ConnectionConfig {
            client_id: Arc::from(self.client_id.as_str()),
            max_frame_bytes: self.max_frame_bytes,
            max_idle: self.connections_max_idle,
            security: self.security.clone(),
            traffic: Arc::default(),
        }
    }
}
