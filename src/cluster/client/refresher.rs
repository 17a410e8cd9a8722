//! The task that keeps the metadata fresh: on request, and by age.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kafka_protocol::messages::MetadataRequest;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::cluster::any::ask_any;
use crate::cluster::config::ClientConfig;
use crate::cluster::metadata::Metadata;
use crate::cluster::pool::{Channel, jittered_backoff};
use crate::wire::ErrorCode;
use crate::wire::names::topic_name;
use crate::{Error, ErrorKind};

/// What the client and its refresher have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: ClientConfig,
    topics: Mutex<BTreeSet<Arc<str>>>,
    pub(super) wanted: Notify,
}

impl Shared {
    pub(super) fn new(config: ClientConfig) -> Self {
        Self {
            config,
            topics: Mutex::default(),
            wanted: Notify::new(),
        }
    }

    /// Keeps these topics in the metadata; true where one of them is new.
    pub(super) fn track(&self, topics: impl IntoIterator<Item = impl AsRef<str>>) -> bool {
        let mut tracked = self.topics();
        let before = tracked.len();
        tracked.extend(topics.into_iter().map(|topic| Arc::from(topic.as_ref())));
        tracked.len() > before
    }

    fn topics(&self) -> MutexGuard<'_, BTreeSet<Arc<str>>> {
        // A set that took in fewer than it was to is a set all the same.
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many refreshes have begun and ended, and how the last one ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Attempts {
    pub(super) begun: u64,
    pub(super) ended: u64,
    pub(super) last_error: Option<Error>,
}

/// The background task that keeps the metadata fresh.
pub(super) struct Refresher {
    pub(super) shared: Arc<Shared>,
    pub(super) control: Channel,
    pub(super) metadata: watch::Sender<Arc<Metadata>>,
    pub(super) attempts: watch::Sender<Attempts>,
}

impl Refresher {
    pub(super) async fn run(self) {
        let config = &self.shared.config;
        let mut failures = 0;
        let mut outage = Outage::default();
        loop {
            let age = if failures == 0 {
                config.metadata_max_age
            } else {
                config.retry_backoff_max
            };
            tokio::select! {
                () = self.shared.wanted.notified() => {}
                () = tokio::time::sleep(age) => {}
            }
            self.attempts.send_if_modified(|attempts| {
                attempts.begun += 1;
                // Nobody waits for a beginning.
                false
            });
            let outcome = self.refresh().await;
            failures = match &outcome {
                Ok(()) => 0,
                Err(error) => {
                    tracing::debug!(%error, "metadata could not be refreshed");
                    u32::saturating_add(failures, 1)
                }
            };
            outage.tell(outcome.as_ref().err());
            self.attempts.send_modify(|attempts| {
                attempts.ended += 1;
                attempts.last_error = outcome.err();
            });
            // However many wish for it: no more often than this.
            let (min, max) = (config.retry_backoff, config.retry_backoff_max);
            tokio::time::sleep(jittered_backoff(min, max, failures)).await;
        }
    }

    async fn refresh(&self) -> Result<(), Error> {
        let topics: Vec<_> = self.shared.topics().iter().cloned().collect();
        let wanted = topics.iter().map(|topic| {
            let name = topic_name(topic);
            MetadataRequestTopic::default().with_name(Some(name))
        });
        let request = MetadataRequest::default()
            .with_topics(Some(wanted.collect()))
            .with_allow_auto_topic_creation(false);
        let deadline = Instant::now() + self.shared.config.request_timeout;
        let answer = ask_any(&self.control, &request, deadline).await?;
        let code = ErrorCode(answer.error_code);
        if code == ErrorCode::REBOOTSTRAP_REQUIRED || answer.brokers.is_empty() {
            // The one that says so would say it again, for as long as the connection holds.
            self.control.rebootstrap();
            let text = "a broker knows no others: asking the bootstrap servers";
            return Err(Error::new(ErrorKind::Connection, text));
        }
        let next = self.metadata.borrow().updated(answer);
        self.metadata.send_if_modified(|current| {
            let changed = **current != next;
            if changed {
                *current = Arc::new(next);
            }
            changed
        });
        Ok(())
    }
}

/// A cluster that could be reached and can't be any more: told once, and again when it is over.
#[derive(Default)]
struct Outage {
    connected: bool,
    told: bool,
}

impl Outage {
    fn tell(&mut self, error: Option<&Error>) {
        match error {
            // Until the first answer, whoever connects is told by the error itself.
            Some(error) if self.connected && !self.told => {
                tracing::warn!(%error, "the cluster can't be reached; trying again");
                self.told = true;
            }
            Some(_) => {}
            None => {
                if std::mem::take(&mut self.told) {
                    tracing::info!("the cluster can be reached again");
                }
                self.connected = true;
            }
        }
    }
}
