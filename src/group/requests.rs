//! The group's requests as the message crate wants them, each sent once and its answer read.

mod offsets;

use std::time::Duration;

use kafka_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    ConsumerGroupHeartbeatRequest, HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest,
    SyncGroupRequest,
};
use kafka_protocol::protocol::{Request, StrBytes};
use tokio::time::Instant;
use uuid::Uuid;

use crate::cluster::{Channel, Node};
use crate::group::membership::{self, GroupMember, RequestError};
use crate::wire::ErrorCode;
use crate::wire::names::{group_id, text, topic_name};
use crate::{Error, ErrorKind};

pub(crate) use offsets::Found;

/// The protocol type of consumers; Connect's and others' have their own.
const CONSUMER: &str = "consumer";

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

    pub(super) async fn consumer_heartbeat(
        self,
        beat: membership::ConsumerHeartbeat,
    ) -> Result<membership::ConsumerHeartbeatAnswer, RequestError> {
        let mut request = ConsumerGroupHeartbeatRequest::default()
            .with_group_id(group_id(&self.group))
            .with_member_id(text(&beat.member_id))
            .with_member_epoch(beat.epoch)
            .with_instance_id(optional(beat.instance_id.as_deref()))
            .with_topic_partitions(beat.owned.map(owned));
        if let Some(wants) = beat.subscribing {
            let topics = wants.topics.iter().map(|topic| topic_name(topic));
            request = request
                .with_subscribed_topic_names(Some(topics.collect()))
                .with_rebalance_timeout_ms(millis(wants.rebalance_timeout))
                .with_server_assignor(optional(wants.assignor.as_deref()))
                .with_rack_id(optional(wants.rack.as_deref()));
        }
        let answer = self.call(&request, beat.timeout).await?;
        match (ErrorCode(answer.error_code), answer.error_message) {
            (ErrorCode::NONE, _) => {}
            (code, Some(why)) => return Err(RequestError::Told(code, why.to_string())),
            (code, None) => return Err(RequestError::Code(code)),
        }
        let interval = u64::try_from(answer.heartbeat_interval_ms).unwrap_or_default();
        Ok(membership::ConsumerHeartbeatAnswer {
            member_id: answer.member_id.map(|id| id.to_string()),
            epoch: answer.member_epoch,
            interval: Duration::from_millis(interval),
            assignment: answer.assignment.map(|assignment| {
                let topics = assignment.topic_partitions.into_iter();
                topics
                    .map(|topic| (topic.topic_id.into_bytes(), topic.partitions))
                    .collect()
            }),
        })
    }

    pub(super) async fn leave(self, leave: membership::LeaveRequest) -> Result<(), RequestError> {
        let member = MemberIdentity::default()
            .with_member_id(text(&leave.member_id))
            .with_group_instance_id(leave.instance_id.as_deref().map(text))
            .with_reason(Some(StrBytes::from_static_str(leave.reason)));
        let request = LeaveGroupRequest::default()
            .with_group_id(group_id(&self.group))
            .with_members(vec![member]);
        let answer = self.call(&request, leave.timeout).await?;
        checked(answer.error_code)?;
        let mut members = answer.members.iter();
        members.try_for_each(|member| checked(member.error_code))
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
            .map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &Error) -> RequestError {
        tracing::debug!(group = %self.group, %error, "a request to the coordinator failed");
        match error.kind() {
            ErrorKind::Timeout => RequestError::Timeout,
            ErrorKind::Unsupported => RequestError::Code(ErrorCode::UNSUPPORTED_VERSION),
            _ => RequestError::Disconnected,
        }
    }
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

fn owned(topics: membership::TopicPartitions) -> Vec<TopicPartitions> {
    let topics = topics.into_iter().map(|(topic, partitions)| {
        TopicPartitions::default()
            .with_topic_id(Uuid::from_bytes(topic))
            .with_partitions(partitions)
    });
    topics.collect()
}
