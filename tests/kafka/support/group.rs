//! What the cluster itself tells of a consumer group, of leaders and of coordinators, asked
//! without the client under test.

use std::collections::BTreeMap;
use std::io;

use bytes::Buf;
use kafka_protocol::messages::describe_groups_response::DescribedGroupMember;
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerProtocolAssignment, DescribeGroupsRequest,
    FindCoordinatorRequest, GroupId, OffsetFetchRequest,
};
use kafka_protocol::protocol::{Decodable, StrBytes};
use payment_notifier::wire::ErrorCode;

use super::cluster::Cluster;
use super::connection::{Connection, ask_any, metadata};
use super::records::{accepted, patiently};

const FIND_COORDINATOR: i16 = 3;
const DESCRIBE_GROUPS: i16 = 5;
const CONSUMER_GROUP_DESCRIBE: i16 = 1;
const OFFSET_FETCH: i16 = 5;

/// A group as its coordinator sees it.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) state: String,
    pub(crate) members: Vec<Member>,
}

/// A member, with the partitions it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) partitions: Vec<i32>,
}

impl Group {
    /// True at rest with this many members, each partition below `partitions` owned once, and no
    /// member without one while there are enough.
    pub(crate) fn shares_out(&self, members: usize, partitions: i32) -> bool {
        let owned = self.members.iter().flat_map(|member| &member.partitions);
        let mut owned: Vec<i32> = owned.copied().collect();
        owned.sort_unstable();
        let idle = self.members.iter().filter(|it| it.partitions.is_empty());
        let spared = members.saturating_sub(partitions as usize);
        self.state == "Stable"
            && self.members.len() == members
            && owned.into_iter().eq(0..partitions)
            && idle.count() == spared
    }
}

impl Cluster {
    /// Waits until a group satisfies `wanted`, and returns it.
    pub(crate) async fn wait_for_group(
        &self,
        group: &str,
        wanted: impl Fn(&Group) -> bool,
    ) -> Group {
        patiently(group, async || {
            let found = describe(self, group).await?;
            match wanted(&found) {
                true => Ok(found),
                false => Err(io::Error::other(format!("it is {found:#?}"))),
            }
        })
        .await
    }

    /// Waits until a group of this many members is at rest with all partitions shared out.
    pub(crate) async fn wait_for_members(
        &self,
        group: &str,
        members: usize,
        partitions: i32,
    ) -> Group {
        self.wait_for_group(group, |group| group.shares_out(members, partitions))
            .await
    }

    /// The committed offsets of a topic's partitions, without those that have none.
    pub(crate) async fn committed(&self, group: &str, topic: &str) -> BTreeMap<i32, i64> {
        patiently(group, async || committed(self, group, topic).await).await
    }

    /// Waits until the committed offsets of a topic add up to this many.
    pub(crate) async fn wait_for_commits(&self, group: &str, topic: &str, records: usize) {
        patiently(group, async || {
            let offsets = committed(self, group, topic).await?;
            match offsets.values().sum::<i64>() == records as i64 {
                true => Ok(()),
                false => Err(io::Error::other(format!("of {records}, {offsets:?}"))),
            }
        })
        .await;
    }

    /// The node that leads a partition now.
    pub(crate) async fn leader(&self, topic: &str, partition: usize) -> usize {
        patiently(topic, async || {
            let answer = metadata(self, topic).await?;
            let partitions = &answer.topics[0].partitions;
            let found = partitions
                .iter()
                .find(|it| it.partition_index as usize == partition)
                .and_then(|it| usize::try_from(it.leader_id.0).ok());
            found.ok_or_else(|| io::Error::other("no leader"))
        })
        .await
    }

    /// The node that coordinates a group now.
    pub(crate) async fn coordinator(&self, group: &str) -> usize {
        patiently(group, async || {
            let (node, _) = coordinator(self, group).await?;
            usize::try_from(node).map_err(io::Error::other)
        })
        .await
    }
}

async fn coordinator(cluster: &Cluster, group: &str) -> io::Result<(i32, String)> {
    let request = FindCoordinatorRequest::default().with_key(text(group));
    let found = ask_any(cluster, FIND_COORDINATOR, &request).await?;
    accepted(found.error_code)?;
    Ok((found.node_id.0, format!("{}:{}", found.host, found.port)))
}

async fn connect(cluster: &Cluster, group: &str) -> io::Result<Connection> {
    let (_, address) = coordinator(cluster, group).await?;
    Connection::open(&address).await
}

async fn describe(cluster: &Cluster, group: &str) -> io::Result<Group> {
    let request = DescribeGroupsRequest::default().with_groups(vec![GroupId(text(group))]);
    let mut connection = connect(cluster, group).await?;
    let answer = connection.call(DESCRIBE_GROUPS, &request).await?;
    let described = &answer.groups[0];
    accepted(described.error_code)?;
    // So it calls what it does not have, and groups of the consumer protocol.
    if *described.group_state == *"Dead" {
        return describe_consumers(&mut connection, group).await;
    }
    let members = described.members.iter().map(member);
    Ok(Group {
        state: described.group_state.to_string(),
        members: members.collect::<io::Result<_>>()?,
    })
}

/// A group of the consumer protocol (KIP-848).
async fn describe_consumers(connection: &mut Connection, group: &str) -> io::Result<Group> {
    let request = ConsumerGroupDescribeRequest::default();
    let request = request.with_group_ids(vec![GroupId(text(group))]);
    let answer = connection.call(CONSUMER_GROUP_DESCRIBE, &request).await?;
    let described = &answer.groups[0];
    if ErrorCode(described.error_code) == ErrorCode::GROUP_ID_NOT_FOUND {
        return Ok(Group {
            state: "Dead".to_owned(),
            members: Vec::new(),
        });
    }
    accepted(described.error_code)?;
    let members = described.members.iter().map(|member| {
        let topics = member.assignment.topic_partitions.iter();
        let mut partitions: Vec<_> = topics.flat_map(|it| it.partitions.clone()).collect();
        partitions.sort_unstable();
        Member {
            id: member.member_id.to_string(),
            instance_id: member.instance_id.as_ref().map(ToString::to_string),
            client_id: member.client_id.to_string(),
            partitions,
        }
    });
    Ok(Group {
        state: described.group_state.to_string(),
        members: members.collect(),
    })
}

fn member(described: &DescribedGroupMember) -> io::Result<Member> {
    let mut assignment = described.member_assignment.clone();
    let mut partitions = Vec::new();
    // Between generations there is none.
    if !assignment.is_empty() {
        let version = assignment.get_i16();
        let assignment = ConsumerProtocolAssignment::decode(&mut assignment, version);
        let topics = assignment.map_err(io::Error::other)?.assigned_partitions;
        partitions = topics.into_iter().flat_map(|it| it.partitions).collect();
    }
    partitions.sort_unstable();
    Ok(Member {
        id: described.member_id.to_string(),
        instance_id: described
            .group_instance_id
            .as_ref()
            .map(ToString::to_string),
        client_id: described.client_id.to_string(),
        partitions,
    })
}

async fn committed(cluster: &Cluster, group: &str, topic: &str) -> io::Result<BTreeMap<i32, i64>> {
    // No topics: all that the group has committed.
    let request = OffsetFetchRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_topics(None);
    let mut connection = connect(cluster, group).await?;
    let answer = connection.call(OFFSET_FETCH, &request).await?;
    accepted(answer.error_code)?;
    let topics = answer.topics.iter().filter(|it| **it.name == *topic);
    let mut offsets = BTreeMap::new();
    for partition in topics.flat_map(|it| &it.partitions) {
        accepted(partition.error_code)?;
        offsets.insert(partition.partition_index, partition.committed_offset);
    }
    Ok(offsets)
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}
