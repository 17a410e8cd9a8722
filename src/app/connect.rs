//! Connecting to Kafka, and telling whoever waits for it.

use std::time::Duration;

use super::config::KafkaConfig;
use crate::Error;
use crate::cluster::{Client, ClientConfig};
use crate::net::Security;

/// From this wait on a person would ask what is going on.
const LONG: Duration = Duration::from_secs(3);

/// Connects; where no broker answers within some seconds, that is told while it is tried on.
///
/// # Errors
///
/// What kept every broker from answering within `request.timeout.ms`.
pub(super) async fn connect(kafka: &KafkaConfig, security: &Security) -> Result<Client, Error> {
    let config = client_config(kafka, security);
    let (addresses, limit) = (config.bootstrap_servers.join(", "), config.request_timeout);
    let tell = || {
        tracing::warn!("no broker answers yet: {addresses}; trying for {limit:?} in all");
    };
    told_if_long(Client::connect(config), tell).await
}

pub(super) fn client_config(kafka: &KafkaConfig, security: &Security) -> ClientConfig {
    ClientConfig {
        bootstrap_servers: kafka
            .bootstrap_servers
            .iter()
            .map(ToString::to_string)
            .collect(),
        client_id: kafka.client_id.clone(),
        request_timeout: kafka.request_timeout,
        connection_setup_timeout: kafka.connection_setup_timeout,
        reconnect_backoff: kafka.reconnect_backoff,
        reconnect_backoff_max: kafka.reconnect_backoff_max,
        retry_backoff: kafka.retry_backoff,
        retry_backoff_max: kafka.retry_backoff_max,
        metadata_max_age: kafka.metadata_max_age,
        connections_max_idle: kafka.connections_max_idle,
        max_frame_bytes: kafka.receive_message_max_bytes,
        security: security.clone(),
        ..ClientConfig::default()
    }
}

/// Awaits, and tells once if that takes long.
async fn told_if_long<T>(awaited: impl Future<Output = T>, tell: impl FnOnce()) -> T {
    let mut awaited = std::pin::pin!(awaited);
    match tokio::time::timeout(LONG, &mut awaited).await {
        Ok(done) => done,
        Err(_) => {
            tell();
            awaited.await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_takes_long_is_told_while_it_lasts() {
        let start = tokio::time::Instant::now();
        let mut told = None;
        let slow = tokio::time::sleep(Duration::from_secs(30));
        told_if_long(slow, || told = Some(start.elapsed())).await;
        assert_eq!(told, Some(LONG));
        assert_eq!(start.elapsed(), Duration::from_secs(30));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_quick_is_not_told() {
        let quick = tokio::time::sleep(Duration::from_secs(2));
        told_if_long(quick, || panic!("told")).await;
    }
}
