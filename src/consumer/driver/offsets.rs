//! Finding the offsets at which partitions begin.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::{Done, Driver, backoff, may_pass};
use crate::cluster::OffsetAt;
use crate::consumer::Event;
use crate::consumer::config::OffsetReset;
use crate::consumer::positions::Incarnation;
use crate::group::driver::Found;
use crate::{Error, ErrorKind};

impl Driver {
    pub(super) fn ask_committed(&mut self, asked: Vec<Incarnation>) {
        let partitions = asked.iter().map(|asked| asked.partition.clone()).collect();
        let found = self.group.committed(partitions);
        self.under_way
            .push(Box::pin(async move { Done::Found(asked, found.await) }));
    }

    pub(super) fn ask_reset(&mut self, asked: Vec<Incarnation>) {
        let at = match self.config.auto_offset_reset {
            OffsetReset::Earliest => OffsetAt::Earliest,
            OffsetReset::Latest => OffsetAt::Latest,
            OffsetReset::None => return self.stop_without_offset(&asked),
        };
        let admin = self.client.admin();
        let timeout = self.client.config().request_timeout;
        let isolation = self.config.isolation_level;
        let partitions: Vec<_> = asked
            .iter()
            .map(|asked| (asked.partition.clone(), at))
            .collect();
        self.under_way.push(Box::pin(async move {
            let deadline = Instant::now() + timeout;
            let (offsets, failure) = admin.ask_offsets(&partitions, isolation, deadline).await;
            let offsets = offsets.into_iter().map(|(tp, offset)| (tp, Some(offset)));
            let offsets = offsets.collect();
            let epochs = BTreeMap::new();
            let found = Found {
                offsets,
                epochs,
                failure,
            };
            Done::Found(asked, found)
        }));
    }

    fn stop_without_offset(&mut self, asked: &[Incarnation]) {
        for Incarnation { partition: tp, .. } in asked {
            self.positions.stop(tp);
            let text = format!(
                "{tp}: group {} has no committed offset that is still there, and \
                 auto.offset.reset is none: commit one (kafka-consumer-groups --reset-offsets), \
                 or begin at the earliest or latest",
                self.config.group_id
            );
            let error = Error::new(ErrorKind::NoOffset, text);
            self.told
                .announce(Event::PartitionFailed(tp.clone(), error));
        }
    }

    /// Offsets were looked up; a missing committed one leads to the reset policy. One that the
    /// answer does not speak of is asked for again: what is not known to be missing is not.
    pub(super) fn handle_found(&mut self, asked: &[Incarnation], found: Found) {
        for asked in asked {
            if let Some(offset) = found.offsets.get(&asked.partition) {
                tracing::debug!(partition = %asked.partition, ?offset, "offset found");
                if let Some(offset) = self.positions.found(asked, *offset) {
                    let tp = asked.partition.clone();
                    tracing::warn!(partition = %tp, offset, "partition begins anew");
                    self.told.announce(Event::Reset(tp, offset));
                }
                if let (Some(offset), Some(epoch)) = (offset, found.epochs.get(&asked.partition)) {
                    self.positions
                        .note_epoch(&asked.partition, *epoch, offset - 1);
                }
            } else {
                let later = backoff(&self.client);
                self.positions.not_found(asked, later);
            }
        }
        match found.failure {
            Some(error) if may_pass(&error) => {
                tracing::debug!(%error, "offsets could not be looked up");
                self.client.request_refresh();
            }
            Some(error) => self.fail(error),
            None => {}
        }
    }
}
