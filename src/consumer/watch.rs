//! A look at a consumer from beside its application.

use std::collections::BTreeMap;

use tokio::sync::{mpsc, oneshot};

use super::closed;
use super::driver::Command;
use crate::Error;
use crate::wire::TopicPartition;

/// Where a consumer stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// True where the coordinator counts it to the group, as far as it has told.
    pub is_member: bool,
    /// How often the group has given out partitions to it, none at all counted too.
    pub assignments: u64,
    /// Its partitions, each with the offset of the first record that the application was given or
    /// will be; none while that is looked for.
    pub began_at: BTreeMap<TopicPartition, Option<i64>>,
}

/// Sees where a [`Consumer`](super::Consumer) stands. Clones see the same one, and keep none alive.
#[derive(Clone, Debug)]
pub struct Watcher(mpsc::WeakUnboundedSender<(u64, Command)>);

impl Watcher {
    pub(super) fn new(commands: &mpsc::UnboundedSender<(u64, Command)>) -> Self {
        Self(commands.downgrade())
    }

    /// Asks the consumer's task, which answers in its turn: that it does shows that it is at work.
    /// Waits for as long as that takes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed) where the consumer has ended.
    ///
    /// # Cancel safety
    ///
    /// When dropped, only the answer is lost.
    pub async fn look(&self) -> Result<Standing, Error> {
        let (reply, answer) = oneshot::channel();
        // What the application had seen says nothing about this.
        let sent = self
            .0
            .upgrade()
            .map(|it| it.send((0, Command::Look(reply))));
        match sent {
            Some(Ok(())) => answer.await.map_err(|_| closed()),
            _ => Err(closed()),
        }
    }
}
