//! The group's requests as the message crate wants them, each sent once and its answer read.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, OffsetCommitRequest, OffsetFetchRequest,
    OffsetFetchResponse, SyncGroupRequest,
};
use kafka_protocol::protocol::{Request, StrBytes};
use tokio::time::Instant;

use crate::cluster::{Channel, Node};
use crate::group::CommitOffset;
use crate::group::membership::{self, CommitStamp, GroupMember, RequestError};
use crate::wire::names::{group_id, text, topic_name};
use crate::wire::{ErrorCode, TopicPartition};
use crate::{Error, ErrorKind};

/// The protocol type of consumers; Connect's and others' have their own.
const CONSUMER: &str = "consumer";

/// The first version of OffsetFetch that can be told to wait for open transactions (KIP-447).
const FIRST_STABLE_OFFSET_FETCH: i16 = 7;

/// Offsets that were looked up.
#[derive(Debug)]
pub(crate) struct Found {
    /// What is known of each partition: its offset, or that it has none.
    pub(crate) offsets: BTreeMap<TopicPartition, Option<i64>>,
    /// The leader epochs that were committed beside them, -1 for none.
    pub(crate) epochs: BTreeMap<TopicPartition, i32>,
    /// Why it is not known of others.
    pub(crate) failure: Option<Error>,
}

/// One group, as requests about it are sent to its coordinator.
#[derive(Clone, Debug)]
pub(super) struct Requests {
    pub(super) group: String,
    pub(super) channel: Channel,
    pub(super) coordinator: Option<i32>,
    pub(super) timeout: Duration,
}

impl Requests {
    pub(super) async fn join(
        self,
        join: membership::JoinRequest,
    ) -> Result<membership::JoinAnswer, RequestError> {
        let protocols = join.protocols.into_iter().map(|(name, metadata)| {
            JoinGroupRequestProtocol::default()
                .with_name(StrBytes::from_static_str(name))
                .with_metadata(metadata)
        });
        let request = JoinGroupRequest::default()
            .with_group_id(group_id(&self.group))
            .with_session_timeout_ms(millis(join.session_timeout))
            .with_rebalance_timeout_ms(millis(join.rebalance_timeout))
            .with_member_id(text(&join.member_id))
            .with_group_instance_id(optional(join.instance_id.as_deref()))
            .with_protocol_type(StrBytes::from_static_str(CONSUMER))
            .with_protocols(protocols.collect())
            .with_reason(join.reason.map(StrBytes::from_static_str));
        let answer = self.call(&request, join.timeout).await?;
        match ErrorCode(answer.error_code) {
            ErrorCode::NONE => {}
            ErrorCode::MEMBER_ID_REQUIRED => {
                return Err(RequestError::MemberIdRequired(answer.member_id.to_string()));
            }
            code => return Err(RequestError::Code(code)),
        }
        let members = answer.members.into_iter().map(|member| GroupMember {
            member_id: member.member_id.to_string(),
            instance_id: member.group_instance_id.map(|id| id.to_string()),
            metadata: member.metadata,
        });
        Ok(membership::JoinAnswer {
            generation: answer.generation_id,
            protocol_name: answer.protocol_name.unwrap_or_default().to_string(),
            leader: answer.leader.to_string(),
            member_id: answer.member_id.to_string(),
            members: members.collect(),
            skip_assignment: answer.skip_assignment,
        })
    }

    pub(super) async fn sync(
        self,
        sync: membership::SyncRequest,
    ) -> Result<membership::SyncAnswer, RequestError> {
        let assignments = sync.assignments.into_iter().map(|(member, assignment)| {
            SyncGroupRequestAssignment::default()
                .with_member_id(text(&member))
                .with_assignment(assignment)
        });
        let request = SyncGroupRequest::default()
            .with_group_id(group_id(&self.group))
            .with_generation_id(sync.generation)
            .with_member_id(text(&sync.member_id))
            .with_group_instance_id(optional(sync.instance_id.as_deref()))
            .with_protocol_type(Some(StrBytes::from_static_str(CONSUMER)))
            .with_protocol_name(Some(StrBytes::from_static_str(sync.protocol_name)))
            .with_assignments(assignments.collect());
        let answer = self.call(&request, sync.timeout).await?;
        checked(answer.error_code)?;
        Ok(membership::SyncAnswer {
            assignment: answer.assignment,
        })
    }

    pub(super) async fn heartbeat(
        self,
        heartbeat: membership::HeartbeatRequest,
    ) -> Result<(), RequestError> {
        let request = HeartbeatRequest::default()
            .with_group_id(group_id(&self.group))
            .with_generation_id(heartbeat.generation)
            .with_member_id(text(&heartbeat.member_id))
            .with_group_instance_id(optional(heartbeat.instance_id.as_deref()));
        checked(self.call(&request, heartbeat.timeout).await?.error_code)
    }

    pub(super) async fn leave(self, leave: membership::LeaveRequest) -> Result<(), RequestError> {
        let member = MemberIdentity::default()
            .with_member_id(text(&leave.member_id))
            .with_reason(Some(StrBytes::from_static_str(leave.reason)));
        let request = LeaveGroupRequest::default()
            .with_group_id(group_id(&self.group))
            .with_members(vec![member]);
        let answer = self.call(&request, leave.timeout).await?;
        checked(answer.error_code)?;
        let mut members = answer.members.iter();
        members.try_for_each(|member| checked(member.error_code))
    }

    /// Commits; the first refusal of a partition counts for all, and one that the answer leaves
    /// out as refused.
    pub(super) async fn commit(
        self,
        stamp: &CommitStamp,
        offsets: &[CommitOffset],
        deadline: Instant,
    ) -> Result<(), RequestError> {
        let mut topics: BTreeMap<&str, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
        for offset in offsets {
            let partition = OffsetCommitRequestPartition::default()
                .with_partition_index(offset.partition.partition)
                .with_committed_offset(offset.next_offset)
                .with_committed_leader_epoch(offset.leader_epoch.unwrap_or(-1))
                .with_committed_metadata(Some(text(&offset.metadata)));
            topics
                .entry(&offset.partition.topic)
                .or_default()
                .push(partition);
        }
        let topics = topics.into_iter().map(|(topic, partitions)| {
            let topic = OffsetCommitRequestTopic::default().with_name(topic_name(topic));
            topic.with_partitions(partitions)
        });
        let request = OffsetCommitRequest::default()
            .with_group_id(group_id(&self.group))
            .with_generation_id_or_member_epoch(stamp.generation)
            .with_member_id(text(&stamp.member_id))
            .with_group_instance_id(optional(stamp.instance_id.as_deref()))
            .with_topics(topics.collect());
        let left = deadline.saturating_duration_since(Instant::now());
        let answer = self.call(&request, left).await?;
        let mut answered = 0;
        for partition in answer.topics.iter().flat_map(|topic| &topic.partitions) {
            checked(partition.error_code)?;
            answered += 1;
        }
        if answered < offsets.len() {
            return Err(RequestError::Code(ErrorCode::UNKNOWN_SERVER_ERROR));
        }
        Ok(())
    }

    /// The committed offsets of these partitions.
    pub(super) async fn committed(self, partitions: Vec<TopicPartition>) -> Found {
        let doing = format!("the committed offsets of group {}", self.group);
        match self.ask_committed(&partitions, &doing).await {
            Ok(answer) => read_committed(answer, &doing),
            Err(error) => Found {
                offsets: BTreeMap::new(),
                epochs: BTreeMap::new(),
                failure: Some(error),
            },
        }
    }

    async fn ask_committed(
        &self,
        partitions: &[TopicPartition],
        doing: &str,
    ) -> Result<OffsetFetchResponse, Error> {
        let Some(coordinator) = self.coordinator else {
            return Err(Error::broker(ErrorCode::COORDINATOR_NOT_AVAILABLE, doing));
        };
        let mut topics: HashMap<&str, Vec<i32>> = HashMap::new();
        for tp in partitions {
            topics.entry(&tp.topic).or_default().push(tp.partition);
        }
        let topics = topics.into_iter().map(|(topic, indexes)| {
            let topic = OffsetFetchRequestTopic::default().with_name(topic_name(topic));
            topic.with_partition_indexes(indexes)
        });
        let deadline = Instant::now() + self.timeout;
        let connection = self
            .channel
            .connection(Node::Id(coordinator), deadline)
            .await?;
        let stable = connection.version::<OffsetFetchRequest>()? >= FIRST_STABLE_OFFSET_FETCH;
        let request = OffsetFetchRequest::default()
            .with_group_id(group_id(&self.group))
            .with_topics(Some(topics.collect()))
            .with_require_stable(stable);
        let answer = connection.call(&request, deadline).await?;
        ErrorCode(answer.error_code)
            .ok()
            .map_err(|code| Error::broker(code, doing))?;
        Ok(answer)
    }

    async fn call<R: Request>(
        &self,
        request: &R,
        timeout: Duration,
    ) -> Result<R::Response, RequestError> {
        let Some(coordinator) = self.coordinator else {
            return Err(RequestError::Disconnected);
        };
        let deadline = Instant::now() + timeout;
        self.channel
            .call(Node::Id(coordinator), request, deadline)
            .await
            .map_err(|error| {
                tracing::debug!(group = %self.group, %error, "a request to the coordinator failed");
                match error.kind() {
                    ErrorKind::Timeout => RequestError::Timeout,
                    ErrorKind::Unsupported => RequestError::Code(ErrorCode::UNSUPPORTED_VERSION),
                    _ => RequestError::Disconnected,
                }
            })
    }
}

/// What an answer says of each partition: one that has its own trouble, an open transaction for
/// one, keeps none of the others from their offsets.
fn read_committed(answer: OffsetFetchResponse, doing: &str) -> Found {
    let mut found = Found {
        offsets: BTreeMap::new(),
        epochs: BTreeMap::new(),
        failure: None,
    };
    for topic in answer.topics {
        for partition in topic.partitions {
            let tp = TopicPartition::new(topic.name.as_str(), partition.partition_index);
            match ErrorCode(partition.error_code).ok() {
                Ok(()) => {
                    let offset = Some(partition.committed_offset).filter(|offset| *offset >= 0);
                    found
                        .epochs
                        .insert(tp.clone(), partition.committed_leader_epoch);
                    found.offsets.insert(tp, offset);
                }
                Err(code) => {
                    found.failure = Some(Error::broker(code, format!("{doing}: {tp}")));
                }
            }
        }
    }
    found
}

fn checked(code: i16) -> Result<(), RequestError> {
    ErrorCode(code).ok().map_err(RequestError::Code)
}

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

fn optional(name: Option<&str>) -> Option<StrBytes> {
    name.map(text)
}
