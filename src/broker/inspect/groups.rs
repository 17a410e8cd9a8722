//! Groups, their members and their committed offsets, as a test wants to see them.

use crate::broker::Broker;
use crate::broker::group::{
    Classic, Committed, ConsumerGroup, ConsumerMember, Group, GroupState, Member,
};
use crate::broker::topics::Topics;
use crate::group::subscription::decode_assignment;
use crate::wire::TopicPartition;

/// A group at some moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupView {
    /// The protocol that it goes by.
    pub kind: GroupKind,
    /// Where it is in its life.
    pub state: GroupState,
    /// How many rebalances it has gone through; of the consumer protocol, its epoch.
    pub generation: i32,
    /// `consumer` for consumers; none where it never had a member.
    pub protocol_type: Option<String>,
    /// The assignor that this generation goes by.
    pub protocol: Option<String>,
    /// The member that assigns the partitions; none of the consumer protocol.
    pub leader: Option<String>,
    /// In the order in which they came.
    pub members: Vec<MemberView>,
}

/// The protocol that a group goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupKind {
    /// JoinGroup and SyncGroup: a member shares out.
    Classic,
    /// KIP-848: the coordinator does.
    Consumer,
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
    /// The group's generation, or the epoch that the member is in.
    pub epoch: i32,
    /// What was assigned to it, sorted; none where that is not in the consumers' form. In the
    /// consumer protocol, without what it has but was told to give up.
    pub assignment: Option<Vec<TopicPartition>>,
}

impl GroupView {
    fn new(group: &Group, topics: &Topics) -> Self {
        let classic = group.classic();
        let consumer = group.consumer();
        let protocol = classic.and_then(Classic::protocol);
        let protocol = protocol.or(consumer.map(|it| it.assignor().name()));
        let classics = classic.into_iter().flat_map(Classic::members);
        let classics = classics.map(|it| MemberView::new(it, group.generation()));
        let consumers = consumer.into_iter().flat_map(ConsumerGroup::members);
        let consumers = consumers.map(|it| MemberView::of_consumer(it, topics));
        Self {
            kind: consumer.map_or(GroupKind::Classic, |_| GroupKind::Consumer),
            state: group.state(),
            generation: group.generation(),
            protocol_type: group.protocol_type().map(str::to_owned),
            protocol: protocol.map(str::to_owned),
            leader: classic.and_then(Classic::leader).map(str::to_owned),
            members: classics.chain(consumers).collect(),
        }
    }
}

impl MemberView {
    fn new(member: &Member, epoch: i32) -> Self {
        let mut assignment = decode_assignment(member.assignment()).ok();
        if let Some(partitions) = &mut assignment {
            partitions.sort();
        }
        Self {
            id: member.id().to_owned(),
            instance_id: member.instance_id().map(str::to_owned),
            client_id: member.client_id().to_owned(),
            epoch,
            assignment,
        }
    }

    fn of_consumer(member: &ConsumerMember, topics: &Topics) -> Self {
        let mut assignment = Vec::new();
        for (id, held) in member.assigned() {
            // A topic that is gone has no name.
            if let Some(name) = topics.name(*id) {
                let of_topic = held.keys().map(|it| TopicPartition::new(name.clone(), *it));
                assignment.extend(of_topic);
            }
        }
        assignment.sort();
        Self {
            id: member.id().to_owned(),
            instance_id: member.instance_id().map(str::to_owned),
            client_id: member.client_id().to_owned(),
            epoch: member.epoch(),
            assignment: Some(assignment),
        }
    }
}

impl Broker {
    /// A group as it is now; none where there is none of this name.
    pub fn group(&self, id: &str) -> Option<GroupView> {
        let state = self.shared.state();
        let group = state.groups.get(id)?;
        Some(GroupView::new(group, &state.topics))
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
