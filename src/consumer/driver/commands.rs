//! What the application asks for, done.

use std::collections::BTreeMap;

use tokio::sync::oneshot;

use super::{Done, Driver};
use crate::Error;
use crate::consumer::{CommitOffset, GroupOffsets, Standing};
use crate::wire::{ErrorCode, TopicPartition};

/// What a group has committed of each partition, if anything.
pub(in crate::consumer) type Committed = BTreeMap<TopicPartition, Option<i64>>;

/// What the application asks of the driver.
#[derive(Debug)]
pub(in crate::consumer) enum Command {
    Commit(Vec<CommitOffset>, oneshot::Sender<Result<(), Error>>),
    Stamp(
        Vec<CommitOffset>,
        oneshot::Sender<Result<GroupOffsets, Error>>,
    ),
    Committed(
        Vec<TopicPartition>,
        oneshot::Sender<Result<Committed, Error>>,
    ),
    Revoked(Vec<TopicPartition>),
    Pause(Vec<TopicPartition>),
    Resume(Vec<TopicPartition>),
    Seek(TopicPartition, i64),
    Look(oneshot::Sender<Standing>),
    Close(oneshot::Sender<Result<(), Error>>),
}

impl Driver {
    /// Does what the application asked for when `seen` was the last event it had taken.
    pub(super) fn handle_command(&mut self, seen: u64, command: Command) {
        match command {
            Command::Commit(offsets, reply) => self.commit(seen, offsets, reply),
            Command::Stamp(offsets, reply) => self.stamp(seen, offsets, reply),
            Command::Committed(partitions, reply) => self.tell_committed(partitions, reply),
            Command::Revoked(partitions) => self.group.revoked(&partitions),
            Command::Pause(partitions) => self.positions.pause(&self.told.known(partitions, seen)),
            Command::Resume(partitions) => {
                self.positions.resume(&self.told.known(partitions, seen));
            }
            Command::Seek(tp, offset) if self.told.is_known(&tp, seen) => {
                self.positions.seek(&tp, offset);
            }
            Command::Look(reply) => {
                // Whoever asked may wait no more.
                let _ = reply.send(self.standing());
            }
            // Closing is handled where the loop ends.
            Command::Seek(..) | Command::Close(_) => {}
        }
    }

    fn standing(&self) -> Standing {
        let began_at = self.positions.began_at();
        Standing {
            is_member: self.group.is_member(),
            assignments: self.assignments,
            began_at: began_at.map(|(tp, offset)| (tp.clone(), offset)).collect(),
        }
    }

    fn commit(
        &mut self,
        seen: u64,
        offsets: Vec<CommitOffset>,
        reply: oneshot::Sender<Result<(), Error>>,
    ) {
        match self.known_offsets(seen, offsets) {
            Ok(offsets) => self.group.commit(offsets, reply),
            Err(refused) => {
                let _ = reply.send(Err(refused));
            }
        }
    }

    fn stamp(
        &mut self,
        seen: u64,
        offsets: Vec<CommitOffset>,
        reply: oneshot::Sender<Result<GroupOffsets, Error>>,
    ) {
        match self.known_offsets(seen, offsets) {
            Ok(offsets) => self.group.stamp(offsets, reply),
            Err(refused) => {
                let _ = reply.send(Err(refused));
            }
        }
    }

    fn tell_committed(
        &mut self,
        partitions: Vec<TopicPartition>,
        reply: oneshot::Sender<Result<Committed, Error>>,
    ) {
        let found = self.group.committed(partitions);
        self.under_way.push(Box::pin(async move {
            let found = found.await;
            // Whoever asked may be gone.
            let _ = reply.send(found.failure.map_or(Ok(found.offsets), Err));
            Done::Told
        }));
    }

    /// The offsets with their leader epochs, where the application knew of the present lives of
    /// their partitions.
    fn known_offsets(
        &self,
        seen: u64,
        mut offsets: Vec<CommitOffset>,
    ) -> Result<Vec<CommitOffset>, Error> {
        let mut partitions = offsets.iter().map(|offset| &offset.partition);
        if let Some(tp) = partitions.find(|tp| !self.told.is_known(tp, seen)) {
            let doing = format!("committing an offset of {tp} as it was");
            return Err(Error::broker(ErrorCode::ILLEGAL_GENERATION, doing));
        }
        for offset in &mut offsets {
            let (tp, next) = (&offset.partition, offset.next_offset);
            let known = self.positions.epoch_before(tp, next);
            offset.leader_epoch = offset.leader_epoch.or(known);
        }
        Ok(offsets)
    }

    /// The application takes no more events: it has closed or dropped its handle, and what it
    /// asked for before that is still to be done.
    pub(super) fn last_commands(&mut self) -> Option<oneshot::Sender<Result<(), Error>>> {
        while let Ok((seen, command)) = self.commands.try_recv() {
            match command {
                Command::Close(reply) => return Some(reply),
                command => self.handle_command(seen, command),
            }
        }
        None
    }
}
