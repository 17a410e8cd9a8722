//! What the engine decides, done: each answer is a future of the one task.

use std::time::Duration;

use super::{Done, Handler, Work, log};
use crate::cluster::OffsetAt;
use crate::consumer::{CommitOffset, Consumer};
use crate::engine::{
    CommitFailure, CommitFailureKind, Destination, Effect, ForwardFailure, ForwardFailureKind,
    Outgoing, Path, Ticket,
};
use crate::producer::ProducerRecord;
use crate::wire::{ErrorCode, TopicPartition};
use crate::{Error, ErrorKind};

/// The pause before end offsets that could not be looked up are asked for again.
const ASK_AGAIN: Duration = Duration::from_secs(1);

impl<H: Handler> Work<H> {
    /// True once the engine has stopped.
    pub(super) fn carry_out_effects(&mut self) -> bool {
        while let Some(effect) = self.engine.poll_effect() {
            tracing::trace!(?effect);
            if effect == Effect::Stopped {
                return true;
            }
            self.carry_out(effect);
        }
        false
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Send {
                ticket,
                record,
                retry,
                ..
            } => {
                let handler = self.service.handler.clone();
                self.begin(
                    async move { Done::Verdict(ticket, handler.deliver(&record, retry).await) },
                );
            }
            Effect::Forward {
                ticket,
                records,
                offsets,
                ..
            } if offsets.is_empty() => self.forward(ticket, records),
            Effect::Forward {
                ticket,
                path,
                records,
                offsets,
                again,
            } => self.transact(ticket, path, again, records, offsets),
            Effect::Commit {
                ticket,
                path,
                offsets,
            } => self.commit(ticket, path, offsets),
            Effect::Pause { path, partitions } => {
                self.with_consumer(path, |consumer| consumer.pause(&partitions));
            }
            Effect::Resume { path, partitions } => {
                self.with_consumer(path, |consumer| consumer.resume(&partitions));
            }
            Effect::Revoked { path, partitions } => {
                self.with_consumer(path, |consumer| consumer.revoked(&partitions));
            }
            Effect::QueryEndOffsets { partitions } => {
                self.ask_end_offsets(partitions, Duration::ZERO);
            }
            Effect::Probe => {
                let handler = self.service.handler.clone();
                self.begin(async move { Done::Probed(handler.probe().await) });
            }
            Effect::Report(report) => {
                self.outcome.note(&report);
                log::log(&report);
                self.service.handler.told(&report);
            }
            Effect::Stopped => {}
        }
    }

    pub(super) fn begin(&mut self, work: impl Future<Output = Done> + Send + 'static) {
        self.under_way.push(Box::pin(work));
    }

    pub(super) fn with_consumer(&self, path: Path, act: impl FnOnce(&Consumer)) {
        let consumer = match path {
            Path::Main => &self.service.main,
            Path::Drain => &self.service.drain,
        };
        if let Some(consumer) = consumer {
            act(consumer);
        }
    }

    /// The record is stamped with the present time: retention counts from it, and a dead letter
    /// must not be deleted for the age of its source. The source's time is in a header.
    pub(super) fn record(&self, outgoing: Outgoing) -> ProducerRecord {
        let topic = match outgoing.to {
            Destination::DeadLetter => &self.service.topics.dead_letter,
            Destination::Permanent => &self.service.topics.permanent,
        };
        ProducerRecord {
            topic: topic.clone(),
            partition: Some(outgoing.partition),
            timestamp_ms: None,
            body: outgoing.body,
        }
    }

    fn forward(&mut self, ticket: Ticket, records: Vec<Outgoing>) {
        let records: Vec<_> = records.into_iter().map(|it| self.record(it)).collect();
        let producer = self.service.producer.clone();
        self.begin(async move {
            let written = async {
                let mut offsets = Vec::new();
                for record in &records {
                    offsets.push(producer.send(record).await?.await?.offset);
                }
                Ok(offsets)
            };
            Done::Forwarded(
                ticket,
                written.await.map_err(|error| forward_failure(&error)),
            )
        });
    }

    fn commit(&mut self, ticket: Ticket, path: Path, offsets: Vec<(TopicPartition, i64)>) {
        let offsets = offsets
            .into_iter()
            .map(|(tp, next)| CommitOffset::new(tp, next));
        let offsets: Vec<_> = offsets.collect();
        let mut committed = None;
        self.with_consumer(path, |consumer| committed = Some(consumer.commit(offsets)));
        self.begin(async move {
            let result = match committed {
                Some(committed) => committed.await,
                None => Err(Error::new(ErrorKind::Closed, "there is no such consumer")),
            };
            Done::Committed(ticket, result.map_err(|error| commit_failure(&error)))
        });
    }

    /// They could not be looked up: not at once again.
    pub(super) fn ask_end_offsets_again(&mut self, partitions: Vec<TopicPartition>) {
        self.ask_end_offsets(partitions, ASK_AGAIN);
    }

    fn ask_end_offsets(&mut self, partitions: Vec<TopicPartition>, pause: Duration) {
        let admin = self.service.client.admin();
        let timeout = self.service.client.config().request_timeout;
        // A pass that waits for more than its consumer is given would not end.
        let drain = self.service.drain.as_ref();
        let isolation = drain.map(Consumer::isolation_level).unwrap_or_default();
        self.begin(async move {
            tokio::time::sleep(pause).await;
            let wanted: Vec<_> = partitions
                .iter()
                .map(|tp| (tp.clone(), OffsetAt::Latest))
                .collect();
            let found = admin.offsets(&wanted, isolation, timeout).await;
            Done::EndOffsets(partitions, found.map(|found| found.into_iter().collect()))
        });
    }
}

fn forward_failure(error: &Error) -> ForwardFailure {
    ForwardFailure {
        kind: match error.is_in_doubt() {
            true => ForwardFailureKind::InDoubt,
            false => ForwardFailureKind::NotWritten,
        },
        message: error.to_string(),
    }
}

fn commit_failure(error: &Error) -> CommitFailure {
    let fenced = matches!(
        error.code(),
        Some(
            ErrorCode::ILLEGAL_GENERATION
                | ErrorCode::UNKNOWN_MEMBER_ID
                | ErrorCode::FENCED_INSTANCE_ID
        )
    ) || error.kind() == ErrorKind::Closed;
    let kind = if fenced {
        CommitFailureKind::Fenced
    } else {
        CommitFailureKind::Retriable
    };
    CommitFailure {
        kind,
        message: error.to_string(),
    }
}
