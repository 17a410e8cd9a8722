//! A group of one member and a topic `t`, by a script: just enough to try the consumer against.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use kafka_protocol::messages::fetch_response::{
    EpochEndOffset, FetchableTopicResponse, PartitionData,
};
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponsePartition, OffsetFetchResponseTopic,
};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::StrBytes;

use crate::consumer::testing::{batch, wire};
use crate::net::testing::{Call, Peer, Reply, all_versions, metadata};
use crate::wire::ErrorCode;
use crate::wire::names::topic_name;
use uuid::Uuid;

type Hook = Box<dyn FnMut(&Call) -> Option<Reply> + Send>;

/// What the brokers have, and what was asked of them.
#[derive(Default)]
pub(super) struct State {
    nodes: BTreeMap<i32, SocketAddr>,
    /// The partitions' leaders.
    pub(super) leaders: Vec<i32>,
    /// Where each partition ends.
    pub(super) ends: Vec<i64>,
    /// Where all partitions begin.
    pub(super) start: i64,
    /// Nil for brokers that know of none.
    pub(super) topic_id: Uuid,
    /// The one that was fetched last.
    fetched_id: Uuid,
    pub(super) committed: BTreeMap<i32, i64>,
    /// What each commit was about, refused ones too: partition and offset.
    pub(super) commits: Vec<(i32, i64)>,
    /// Every request but ApiVersions and Metadata.
    pub(super) calls: Vec<ApiKey>,
    /// What heartbeats are answered with until the member joins again.
    pub(super) heartbeat: i16,
    /// Codes with which the next fetches of a partition are answered.
    pub(super) fetch_codes: BTreeMap<i32, VecDeque<ErrorCode>>,
    /// The highest versions of a broker that is not new.
    pub(super) oldest: Vec<(ApiKey, i16)>,
    /// Goes before everything else.
    pub(super) hook: Option<Hook>,
    /// Where the logs were cut off and written anew; all of it in leader epoch 0.
    pub(super) cut: Option<i64>,
    /// Which node the leaders name to a reader in the rack `near`.
    pub(super) replica: Option<i32>,
    /// The nodes that records were fetched from, in order.
    pub(super) served: Vec<i32>,
    /// What was committed as each offset's leader epoch.
    pub(super) committed_epoch: i32,
    generation: i32,
    /// By node and partition: offset, high watermark told, last epoch.
    sessions: BTreeMap<i32, BTreeMap<i32, (i64, i64, i32)>>,
}

/// Brokers that share a state; the first one coordinates the group.
pub(super) struct Brokers {
    pub(super) peers: Vec<Peer>,
    state: Arc<Mutex<State>>,
}

impl Brokers {
    /// Starts brokers 1 to `count`; partitions are led by the first.
    pub(super) async fn start(count: i32, partitions: usize) -> Self {
        let state = Arc::new(Mutex::new(State {
            leaders: vec![1; partitions],
            ends: vec![0; partitions],
            committed_epoch: -1,
            ..State::default()
        }));
        let mut peers = Vec::new();
        for node in 1..=count {
            let shared = state.clone();
            let script = move |call: &Call, _| shared.lock().unwrap().handle(node, call);
            let peer = Peer::start_raw(script).await;
            state.lock().unwrap().nodes.insert(node, peer.address);
            peers.push(peer);
        }
        Self { peers, state }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(super) fn hook(&self, hook: impl FnMut(&Call) -> Option<Reply> + Send + 'static) {
        self.state().hook = Some(Box::new(hook));
    }

    /// How often an API was called.
    pub(super) fn count(&self, api: ApiKey) -> usize {
        self.state().calls.iter().filter(|it| **it == api).count()
    }
}

impl State {
    fn handle(&mut self, node: i32, call: &Call) -> Reply {
        if call.api == ApiKey::ApiVersions {
            return self.versions(call);
        }
        if call.api != ApiKey::Metadata {
            self.calls.push(call.api);
        }
        if let Some(hook) = &mut self.hook
            && let Some(reply) = hook(call)
        {
            return reply;
        }
        match call.api {
            ApiKey::Metadata => {
                let nodes: Vec<_> = self.nodes.iter().map(|(id, at)| (*id, *at)).collect();
                let mut answer = metadata(&nodes, &[("t", &self.leaders)]);
                answer.topics[0].topic_id = self.topic_id;
                for partition in &mut answer.topics[0].partitions {
                    partition.leader_epoch = 0;
                }
                call.answer(&answer)
            }
            ApiKey::FindCoordinator => {
                call.answer(&FindCoordinatorResponse::default().with_node_id(1.into()))
            }
            ApiKey::JoinGroup => self.join(call),
            ApiKey::SyncGroup => {
                let given = call.read::<SyncGroupRequest>().assignments.remove(0);
                let answer = SyncGroupResponse::default();
                call.answer(&answer.with_assignment(given.assignment))
            }
            ApiKey::Heartbeat => {
                call.answer(&HeartbeatResponse::default().with_error_code(self.heartbeat))
            }
            ApiKey::LeaveGroup => call.answer(&LeaveGroupResponse::default()),
            ApiKey::OffsetFetch => {
                let mut answer = offset_fetch(call, &self.committed, |_| Some(0));
                for partition in &mut answer.topics[0].partitions {
                    partition.committed_leader_epoch = self.committed_epoch;
                }
                call.answer(&answer)
            }
            ApiKey::OffsetCommit => {
                self.note_commit(call);
                call.answer(&self.commit(call))
            }
            ApiKey::ListOffsets => call.answer(&list_offsets(call, self.start)),
            ApiKey::Fetch => self.fetch(node, call),
            _ => Reply::Close,
        }
    }

    fn versions(&self, call: &Call) -> Reply {
        let mut versions = all_versions();
        for version in &mut versions.api_keys {
            let oldest = self
                .oldest
                .iter()
                .find(|(api, _)| *api as i16 == version.api_key);
            version.max_version = oldest.map_or(version.max_version, |(_, max)| *max);
        }
        call.answer(&versions)
    }

    fn join(&mut self, call: &Call) -> Reply {
        let request = call.read::<JoinGroupRequest>();
        let member = StrBytes::from_static_str("m-1");
        let answer = JoinGroupResponse::default().with_member_id(member.clone());
        if request.member_id.is_empty() {
            let code = ErrorCode::MEMBER_ID_REQUIRED.0;
            return call.answer(&answer.with_error_code(code));
        }
        self.generation += 1;
        self.heartbeat = 0;
        let protocol = &request.protocols[0];
        let myself = JoinGroupResponseMember::default()
            .with_member_id(member.clone())
            .with_metadata(protocol.metadata.clone());
        call.answer(
            &answer
                .with_generation_id(self.generation)
                .with_protocol_name(Some(protocol.name.clone()))
                .with_leader(member)
                .with_members(vec![myself]),
        )
    }

    fn note_commit(&mut self, call: &Call) {
        self.commits.extend(committed_in(call));
    }

    fn commit(&mut self, call: &Call) -> OffsetCommitResponse {
        self.committed.extend(committed_in(call));
        commit_answer(call, ErrorCode::NONE)
    }

    /// A session a node: what has records or another high watermark than was told is answered.
    fn fetch(&mut self, node: i32, call: &Call) -> Reply {
        let request = call.read::<FetchRequest>();
        if let Some(topic) = request.topics.first() {
            self.fetched_id = topic.topic_id;
        }
        let session = self.sessions.entry(node).or_default();
        if request.session_epoch <= 0 {
            session.clear();
        }
        for asked in request.topics.iter().flat_map(|topic| &topic.partitions) {
            let told = session.get(&asked.partition).map_or(-1, |known| known.1);
            let position = (asked.fetch_offset, told, asked.last_fetched_epoch);
            session.insert(asked.partition, position);
        }
        let forgotten = request.forgotten_topics_data.iter();
        for p in forgotten.flat_map(|topic| &topic.partitions) {
            session.remove(p);
        }
        if self.fetched_id != self.topic_id {
            return call.answer(&unknown_topic(self.fetched_id, session.keys()));
        }
        let mut answers = Vec::new();
        for (p, (offset, told, epoch)) in session {
            let end = self.ends[*p as usize];
            let is_leader = self.leaders[*p as usize] == node;
            let closer = self.replica.filter(|_| request.rack_id.as_str() == "near");
            if let (true, Some(replica)) = (is_leader, closer) {
                let answer = PartitionData::default().with_partition_index(*p);
                answers.push(answer.with_preferred_read_replica(replica.into()));
                continue;
            }
            let parted = self.cut.filter(|cut| *epoch >= 0 && *offset > *cut);
            if let Some(cut) = parted {
                let diverging = EpochEndOffset::default().with_epoch(0).with_end_offset(cut);
                let answer = PartitionData::default().with_partition_index(*p);
                answers.push(answer.with_diverging_epoch(diverging));
                continue;
            }
            let codes = self.fetch_codes.entry(*p).or_default();
            let code = match codes.pop_front() {
                Some(code) => code,
                None if !is_leader && closer != Some(node) => ErrorCode::NOT_LEADER_OR_FOLLOWER,
                None if *offset > end || *offset < self.start => ErrorCode::OFFSET_OUT_OF_RANGE,
                None => ErrorCode::NONE,
            };
            let batches = (*offset..end).take(5).map(|at| batch(at, 0, &[0]));
            let batches: Vec<_> = batches.filter(|_| code.is_ok()).collect();
            if batches.is_empty() && *told == end && code.is_ok() {
                continue;
            }
            *told = end;
            if !batches.is_empty() {
                self.served.push(node);
            }
            answers.push(
                PartitionData::default()
                    .with_partition_index(*p)
                    .with_error_code(code.0)
                    .with_high_watermark(end)
                    .with_records(Some(wire(&batches))),
            );
        }
        let wait = Duration::from_millis(request.max_wait_ms as u64);
        let wait = if answers.is_empty() {
            wait
        } else {
            Duration::ZERO
        };
        let topic = FetchableTopicResponse::default()
            .with_topic(topic_name("t"))
            .with_topic_id(self.topic_id);
        let answer = FetchResponse::default()
            .with_session_id(node)
            .with_responses(vec![topic.with_partitions(answers)]);
        call.answer_after(wait, &answer)
    }
}

/// Committed offsets; `code` is each partition's, or leaves it out.
pub(super) fn offset_fetch(
    call: &Call,
    committed: &BTreeMap<i32, i64>,
    code: impl Fn(i32) -> Option<i16>,
) -> OffsetFetchResponse {
    let topics = call.read::<OffsetFetchRequest>().topics.unwrap();
    let partitions = topics.iter().flat_map(|topic| &topic.partition_indexes);
    let partitions = partitions.filter_map(|p| {
        let answer = OffsetFetchResponsePartition::default()
            .with_partition_index(*p)
            .with_committed_offset(committed.get(p).copied().unwrap_or(-1));
        Some(answer.with_error_code(code(*p)?))
    });
    let topic = OffsetFetchResponseTopic::default().with_name(topic_name("t"));
    let topic = topic.with_partitions(partitions.collect());
    OffsetFetchResponse::default().with_topics(vec![topic])
}

/// What a commit is about.
pub(super) fn committed_in(call: &Call) -> Vec<(i32, i64)> {
    let topics = call.read::<OffsetCommitRequest>().topics;
    let partitions = topics.iter().flat_map(|topic| &topic.partitions);
    let committed = partitions.map(|it| (it.partition_index, it.committed_offset));
    committed.collect()
}

/// The same code for all that a commit is about.
pub(super) fn commit_answer(call: &Call, code: ErrorCode) -> OffsetCommitResponse {
    let partitions = committed_in(call).into_iter().map(|(p, _)| {
        OffsetCommitResponsePartition::default()
            .with_partition_index(p)
            .with_error_code(code.0)
    });
    let topic = OffsetCommitResponseTopic::default().with_name(topic_name("t"));
    let topic = topic.with_partitions(partitions.collect());
    OffsetCommitResponse::default().with_topics(vec![topic])
}

/// A topic that is no more, by its id.
fn unknown_topic<'a>(id: Uuid, partitions: impl Iterator<Item = &'a i32>) -> FetchResponse {
    let partitions = partitions.map(|p| {
        PartitionData::default()
            .with_partition_index(*p)
            .with_error_code(ErrorCode::UNKNOWN_TOPIC_ID.0)
    });
    let topic = FetchableTopicResponse::default().with_topic_id(id);
    FetchResponse::default().with_responses(vec![topic.with_partitions(partitions.collect())])
}

/// Every log begins at `start`.
fn list_offsets(call: &Call, start: i64) -> ListOffsetsResponse {
    let topics = call.read::<ListOffsetsRequest>().topics;
    let partitions = topics.iter().flat_map(|topic| &topic.partitions);
    let partitions = partitions.map(|asked| {
        ListOffsetsPartitionResponse::default()
            .with_partition_index(asked.partition_index)
            .with_offset(start)
    });
    let topic = ListOffsetsTopicResponse::default().with_name(topic_name("t"));
    let topic = topic.with_partitions(partitions.collect());
    ListOffsetsResponse::default().with_topics(vec![topic])
}
