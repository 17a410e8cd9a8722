//! Logs that were cut off and written anew (KIP-320): a leader that lacked records took over.

use super::{Driver, backoff};
use crate::consumer::Event;
use crate::consumer::config::OffsetReset;
use crate::wire::TopicPartition;
use crate::{Error, ErrorKind};

impl Driver {
    /// The leader's log has parted from the one that was read up to `from`: `epoch`, the last that
    /// both may have, ends at `end` there.
    pub(super) fn handle_truncated(
        &mut self,
        tp: &TopicPartition,
        from: i64,
        epoch: i32,
        end: i64,
    ) {
        if self.config.auto_offset_reset == OffsetReset::None {
            return self.stop_truncated(tp, from, end);
        }
        let Some(truncation) = self.positions.truncated(tp, epoch, end) else {
            tracing::debug!(partition = %tp, from, epoch, end, "a divergence that is none");
            let later = backoff(&self.client);
            return self.positions.hold(tp, later);
        };
        let to = truncation.diverged_at;
        tracing::warn!(
            topic = %tp.topic,
            partition = tp.partition,
            from,
            to,
            "the log was cut off: records that were read are no more, and others may be in their place"
        );
        if truncation.is_told {
            self.told.announce(Event::Reset(tp.clone(), to));
        }
    }

    /// The policy is to find no offset but by the application.
    fn stop_truncated(&mut self, tp: &TopicPartition, from: i64, end: i64) {
        self.positions.stop(tp);
        let text = format!(
            "{tp}: the log was cut off: read up to offset {from}, and from {end} on or before the \
             records are no more the same, and auto.offset.reset is none: commit an offset \
             (kafka-consumer-groups --reset-offsets), or begin at the earliest or latest"
        );
        let error = Error::new(ErrorKind::NoOffset, text);
        self.told
            .announce(Event::PartitionFailed(tp.clone(), error));
    }
}
