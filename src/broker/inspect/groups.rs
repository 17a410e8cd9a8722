//! Groups, their members and their committed offsets, as a test wants to see them.

use crate::broker::Broker;
use crate::broker::group::{Committed, Group, GroupState, Member};
use crate::group::subscription::decode_assignment;
use crate::wire::TopicPartition;

/// A group at some moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupView {
    /// Where it is in its life.
    pub state: GroupState,
    /// How many rebalances it has gone through.
    pub generation: i32,
    /// `consumer` for consumers; none where it never had a member.
    pub protocol_type: Option<String>,
    /// The assignor that this generation goes by.
    pub protocol: Option<String>,
    /// The member that assigns the partitions.
    pub leader: Option<String>,
    /// In the order in which they came.
    pub members: Vec<MemberView>,
}

/// A member at some moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberView {
    /// The id that it was given.
    pub id: String,
    /// `group.instance.id` of a static member.
    pub instance_id: Option<String>,
    /// `client.id`.
    pub client_id: String,
    /// What the leader has assigned to it, sorted; none where that is not in the consumers' form.
    pub assignment: Option<Vec<TopicPartition>>,
}

impl GroupView {
    fn new(group: &Group) -> Self {
        Self {
            state: group.state(),
            generation: group.generation(),
            protocol_type: group.protocol_type().map(str::to_owned),
            protocol: group.protocol().map(str::to_owned),
            leader: group.leader().map(str::to_owned),
            members: group.members().iter().map(MemberView::new).collect(),
        }
    }
}

impl MemberView {
    fn new(member: &Member) -> Self {
        let mut assignment = decode_assignment(member.assignment()).ok();
        if let Some(partitions) = &mut assignment {
            partitions.sort();
        }
        Self {
            id: member.id().to_owned(),
            instance_id: member.instance_id().map(str::to_owned),
            client_id: member.client_id().to_owned(),
            assignment,
        }
    }
}

impl Broker {
    /// A group as it is now; none where there is none of this name.
    pub fn group(&self, id: &str) -> Option<GroupView> {
        self.shared.state().groups.get(id).map(GroupView::new)
    }

    /// What a group has committed to a partition.
    pub fn committed(&self, group: &str, topic: &str, partition: i32) -> Option<Committed> {
        let state = self.shared.state();
        let group = state.groups.get(group)?;
        group.committed(topic, partition).cloned()
    }

    /// Waits until there is a group of this name that satisfies a condition.
    ///
    /// # Cancel safety
    ///
    /// The future can be dropped at any time.
    pub async fn wait_for_group(
        &self,
        id: &str,
        condition: impl Fn(&GroupView) -> bool,
    ) -> GroupView {
        self.wait_for(|| self.group(id).filter(&condition)).await
    }

    /// Waits until a group has committed at least this offset to a partition.
    ///
    /// # Cancel safety
    ///
    /// The future can be dropped at any time.
    pub async fn wait_for_committed(
        &self,
        group: &str,
        topic: &str,
        partition: i32,
        offset: i64,
    ) -> Committed {
        let enough = |committed: &Committed| committed.offset >= offset;
        self.wait_for(|| self.committed(group, topic, partition).filter(enough))
            .await
    }

    async fn wait_for<T>(&self, look: impl Fn() -> Option<T>) -> T {
        let mut changed = self.shared.groups_changed.subscribe();
        loop {
            if let Some(found) = look() {
                return found;
            }
            // The sender lives as long as this broker.
            let _ = changed.changed().await;
        }
    }
}

#[cfg(test)]
mod tests;
