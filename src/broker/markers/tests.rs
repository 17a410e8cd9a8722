//! Producers, readers, time and nodes in any order: a reader of committed records sees exactly what
//! was committed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::broker::group::{Committed, Committer, Groups, Identity};
use crate::broker::log::{Incoming, Isolation, Log};
use crate::broker::nodes::Nodes;
use crate::broker::sessions::Sessions;
use crate::broker::topics::TopicSettings;
use crate::broker::transactions::{Transaction, TransactionVersion, Transactions};
use crate::wire::ErrorCode;
use crate::wire::batch::{BatchBuilder, Batches, RecordBody};
use crate::wire::compression::Compression;

const TOPIC: &str = "topic";
const GROUP: &str = "group";
const IDS: [&str; 2] = ["one", "two"];
const PARTITIONS: i32 = 2;
const TIMEOUT: Duration = Duration::from_secs(60);
const MAX: usize = 1 << 20;

#[derive(Clone, Debug)]
enum Event {
    /// The next producer of an id begins.
    Begin {
        id: usize,
    },
    Write {
        id: usize,
        partition: i32,
    },
    /// A producer of before writes.
    WriteLate {
        stamp: usize,
        partition: i32,
    },
    /// A record of no transaction.
    WriteAlone {
        partition: i32,
    },
    Commit {
        id: usize,
    },
    End {
        id: usize,
        commits: bool,
    },
    /// The answer to the last end was lost.
    EndAgain {
        id: usize,
    },
    Pass {
        seconds: u64,
    },
    Node {
        node: i32,
        is_up: bool,
    },
    Pause {
        node: i32,
        is_paused: bool,
    },
}

fn event() -> impl Strategy<Value = Event> {
    let id = || 0..IDS.len();
    let partition = || 0..PARTITIONS;
    let node = || 1..=PARTITIONS;
    prop_oneof![
        3 => id().prop_map(|id| Event::Begin { id }),
        12 => (id(), partition()).prop_map(|(id, partition)| Event::Write { id, partition }),
        3 => (any::<usize>(), partition())
            .prop_map(|(stamp, partition)| Event::WriteLate { stamp, partition }),
        2 => partition().prop_map(|partition| Event::WriteAlone { partition }),
        3 => id().prop_map(|id| Event::Commit { id }),
        8 => (id(), any::<bool>()).prop_map(|(id, commits)| Event::End { id, commits }),
        2 => id().prop_map(|id| Event::EndAgain { id }),
        2 => (0_u64..90).prop_map(|seconds| Event::Pass { seconds }),
        2 => (node(), any::<bool>()).prop_map(|(node, is_up)| Event::Node { node, is_up }),
        2 => (node(), any::<bool>()).prop_map(|(node, is_paused)| Event::Pause { node, is_paused }),
    ]
}

/// A record that was taken.
#[derive(Clone, Copy, Debug)]
struct Written {
    partition: i32,
    offset: i64,
    /// None for one that is part of no transaction.
    transaction: Option<usize>,
}

/// A producer as it sees itself.
#[derive(Debug, Default)]
struct Client {
    stamp: Option<Producer>,
    /// The transaction that it writes to.
    transaction: usize,
    last_end: Option<(Producer, bool)>,
}

struct World {
    state: State,
    config: BrokerConfig,
    paused: BTreeSet<i32>,
    now: Instant,
    version: TransactionVersion,
    clients: [Client; IDS.len()],
    stamps: Vec<Producer>,
    sequences: BTreeMap<(i64, i16, i32), i32>,
    written: Vec<Written>,
    /// Offsets that were committed by a transaction; each is larger than those before.
    offsets: Vec<(i64, usize)>,
    transactions: usize,
    committed: BTreeSet<usize>,
    stable: [i64; PARTITIONS as usize],
}

impl World {
    fn new(version: TransactionVersion) -> Self {
        let config = BrokerConfig {
            transaction_version: Some(version),
            ..BrokerConfig::default()
        };
        let address = SocketAddr::from(([127, 0, 0, 1], 9092));
        let mut topics = Topics::default();
        let replicas = (1..=PARTITIONS).map(|node| vec![node]).collect();
        topics
            .create(TOPIC, replicas, TopicSettings::default())
            .unwrap();
        Self {
            state: State {
                nodes: Nodes::new((1..=PARTITIONS).map(|id| (id, vec![address]))),
                topics,
                sessions: Sessions::default(),
                groups: Groups::new(&config, 0),
                transactions: Transactions::new(&config),
            },
            config,
            paused: BTreeSet::new(),
            now: Instant::now(),
            version,
            clients: Default::default(),
            stamps: Vec::new(),
            sequences: BTreeMap::new(),
            written: Vec::new(),
            offsets: Vec::new(),
            transactions: 0,
            committed: BTreeSet::new(),
            stable: [0; PARTITIONS as usize],
        }
    }

    fn settle(&mut self) {
        let writing = Writing {
            config: &self.config,
            paused: &self.paused,
            now: self.now,
            now_ms: 0,
        };
        write(&mut self.state, writing);
    }

    fn next_transaction(&mut self) -> usize {
        self.transactions += 1;
        self.transactions
    }

    fn apply(&mut self, event: &Event) {
        match *event {
            Event::Begin { id } => self.begin(id),
            Event::Write { id, partition } => {
                let client = &self.clients[id];
                let transaction = client.transaction;
                if let Some(stamp) = client.stamp {
                    let taken = self.write(IDS[id], stamp, partition, transaction);
                    self.heed(id, taken);
                }
            }
            Event::WriteLate { stamp, partition } => self.write_late(stamp, partition),
            Event::WriteAlone { partition } => {
                if self.answers(partition + 1) {
                    self.append(ProducerStamp::NONE, partition, None).unwrap();
                }
            }
            Event::Commit { id } => self.commit(id),
            Event::End { id, commits } => self.end(id, commits),
            Event::EndAgain { id } => {
                // Without an epoch of its own, an end that comes late ends the next transaction.
                let last = self.clients[id].last_end;
                let last = last.filter(|_| self.version == TransactionVersion::V2);
                if let Some((stamp, commits)) = last {
                    let transactions = &mut self.state.transactions;
                    let version = self.version;
                    let told = transactions.end(IDS[id], stamp, commits, version, self.now);
                    let present = self.clients[id].stamp;
                    assert!(told.is_err() || present.is_none() || told.ok() == present);
                }
            }
            Event::Pass { seconds } => {
                self.now += Duration::from_secs(seconds);
                self.state.transactions.handle_timeout(self.now);
            }
            Event::Node { node, is_up } => {
                self.state.nodes.set_up(node, is_up);
                let State { nodes, topics, .. } = &mut self.state;
                topics.elect(|id| nodes.is_up(id));
            }
            Event::Pause {
                node,
                is_paused: true,
            } => {
                self.paused.insert(node);
            }
            Event::Pause { node, .. } => {
                self.paused.remove(&node);
            }
        }
        self.settle();
        self.check();
    }

    fn answers(&self, node: i32) -> bool {
        self.state.nodes.is_up(node) && !self.paused.contains(&node)
    }

    fn begin(&mut self, id: usize) {
        let transactions = &mut self.state.transactions;
        let begun = transactions.init(IDS[id], Some(TIMEOUT), None, self.now);
        let transaction = self.next_transaction();
        let client = &mut self.clients[id];
        *client = Client {
            stamp: begun.ok(),
            transaction,
            last_end: None,
        };
        self.stamps.extend(client.stamp);
    }

    /// Who is told that it is none any more begins anew.
    fn heed(&mut self, id: usize, told: Result<(), ErrorCode>) {
        if !matches!(told, Ok(()) | Err(ErrorCode::CONCURRENT_TRANSACTIONS)) {
            self.clients[id] = Client::default();
        }
    }

    fn write(
        &mut self,
        id: &str,
        producer: Producer,
        partition: i32,
        transaction: usize,
    ) -> Result<(), ErrorCode> {
        if !self.answers(partition + 1) {
            return Err(ErrorCode::CONCURRENT_TRANSACTIONS);
        }
        let key = (producer.id, producer.epoch, partition);
        let sequence = *self.sequences.entry(key).or_default();
        let stamp = ProducerStamp {
            base_sequence: sequence,
            ..stamp(producer)
        };
        if self.log(partition).begins_transaction(stamp)? {
            let place = TopicPartition::new(TOPIC, partition);
            let place = [Place::Partition(place)];
            self.state.transactions.add(id, producer, place, self.now)?;
        }
        self.append(stamp, partition, Some(transaction))?;
        self.sequences.insert(key, sequence + 1);
        Ok(())
    }

    fn write_late(&mut self, stamp: usize, partition: i32) {
        let Some(index) = stamp.checked_rem(self.stamps.len()) else {
            return;
        };
        let late = self.stamps[index];
        let owner = |id: &&&str| {
            let found = self.state.transactions.look(id);
            found.is_some_and(|it| it.producer().id == late.id)
        };
        let Some(id) = IDS.iter().find(owner).copied() else {
            return;
        };
        let is_present = self.state.transactions.look(id).map(Transaction::producer) == Some(late);
        if !is_present {
            let none = self.next_transaction();
            assert!(self.write(id, late, partition, none).is_err());
        }
    }

    fn append(
        &mut self,
        stamp: ProducerStamp,
        partition: i32,
        transaction: Option<usize>,
    ) -> Result<(), ErrorCode> {
        let mut builder = BatchBuilder::new(Compression::None);
        builder.push(0, &RecordBody::new(None, Some(b"v"), &[]));
        let batch = builder.build(stamp, transaction.is_some()).unwrap();
        let rules = Rules::new(&TopicSettings::default(), &self.config);
        let topic = self.state.topics.get_mut(TOPIC).unwrap();
        let log = &mut topic.partition_mut(partition).unwrap().log;
        let appended = log.append(Incoming::read(&batch)?, 0, 0, &rules)?;
        self.written.push(Written {
            partition,
            offset: appended.base_offset,
            transaction,
        });
        Ok(())
    }

    fn commit(&mut self, id: usize) {
        let client = &self.clients[id];
        let transaction = client.transaction;
        let coordinator = self.state.nodes.coordinator(GROUP);
        let Some(stamp) = client
            .stamp
            .filter(|_| coordinator.is_some_and(|it| self.answers(it)))
        else {
            return;
        };
        let place = [Place::Group(GROUP.into())];
        let added = self.state.transactions.add(IDS[id], stamp, place, self.now);
        if added.is_ok() {
            let offset = self.offsets.len() as i64;
            self.offsets.push((offset, transaction));
            let committed = Committed {
                offset,
                leader_epoch: -1,
                metadata: String::new(),
                committed_at_ms: 0,
            };
            let place = TopicPartition::new(TOPIC, 0);
            let groups = &mut self.state.groups;
            groups
                .check_transactional_commit(GROUP, &nobody(), self.now)
                .unwrap();
            groups
                .commit_pending(GROUP, stamp.id, place, committed)
                .unwrap();
        }
        self.heed(id, added);
    }

    fn end(&mut self, id: usize, commits: bool) {
        let Some(stamp) = self.clients[id].stamp else {
            return;
        };
        let transactions = &mut self.state.transactions;
        let ended = transactions.end(IDS[id], stamp, commits, self.version, self.now);
        if let Ok(next) = ended {
            let transaction = self.next_transaction();
            let client = &mut self.clients[id];
            if commits {
                self.committed.insert(client.transaction);
            }
            *client = Client {
                stamp: Some(next),
                transaction,
                last_end: Some((stamp, commits)),
            };
            self.stamps.push(next);
        }
        // Where there was nothing to end, that is said, and all is as it was.
        let is_nothing = ended == Err(ErrorCode::INVALID_TXN_STATE);
        let is_present = self
            .state
            .transactions
            .look(IDS[id])
            .map(Transaction::producer)
            == Some(stamp);
        if !(is_nothing && is_present) {
            self.heed(id, ended.map(drop));
        }
    }

    fn log(&self, partition: i32) -> &Log {
        let topic = self.state.topics.get(TOPIC).unwrap();
        &topic.partition(partition).unwrap().log
    }

    fn is_committed(&self, written: &Written) -> bool {
        written
            .transaction
            .is_none_or(|it| self.committed.contains(&it))
    }

    fn check(&mut self) {
        for partition in 0..PARTITIONS {
            let log = self.log(partition);
            let (stable, end) = (log.last_stable(), log.end());
            let before = self.stable[partition as usize];
            assert!((before..=end).contains(&stable), "{before} {stable} {end}");
            let read = read_committed(log);
            let of_log = self.written.iter().filter(|it| it.partition == partition);
            let readable = of_log.filter(|it| it.offset < stable && self.is_committed(it));
            let readable: Vec<_> = readable.map(|it| it.offset).collect();
            assert_eq!(read, readable);
            self.stable[partition as usize] = stable;
        }
        let found = self.state.groups.get(GROUP);
        let found = found.and_then(|group| group.committed(TOPIC, 0));
        let offset = found.map(|found| found.offset);
        let mut committed = self
            .offsets
            .iter()
            .filter(|(_, it)| self.committed.contains(it));
        assert!(offset.is_none() || committed.any(|(it, _)| Some(*it) == offset));
    }

    /// In the end every node is there, time is over, and all is decided.
    fn end_all(&mut self) {
        self.paused.clear();
        for node in 1..=PARTITIONS {
            self.apply(&Event::Node { node, is_up: true });
        }
        self.apply(&Event::Pass { seconds: 61 });
        assert_eq!(self.state.transactions.markers(), []);
        for partition in 0..PARTITIONS {
            let log = self.log(partition);
            assert_eq!(log.last_stable(), log.end());
        }
        let last = self.offsets.iter().rev();
        let mut last = last.filter(|(_, it)| self.committed.contains(it));
        let found = self.state.groups.get(GROUP);
        let found = found.and_then(|group| group.committed(TOPIC, 0));
        assert_eq!(
            found.map(|it| it.offset),
            last.next().map(|(offset, _)| *offset)
        );
    }
}

/// Who assigns partitions on their own.
fn nobody() -> Committer {
    Committer {
        identity: Identity {
            member_id: "".into(),
            instance_id: None,
        },
        generation: -1,
        is_transactional: true,
        version: 5,
    }
}

/// The offsets of the records that a client reads that leaves out what was aborted.
fn read_committed(log: &Log) -> Vec<i64> {
    let slice = log.read(0, MAX, true, Isolation::Committed).unwrap();
    let mut begun = log.aborted(&slice, 0);
    begun.sort_by_key(|it| it.first_offset);
    let mut begun = begun.into_iter().peekable();
    let mut aborted = BTreeSet::new();
    let mut offsets = Vec::new();
    for batch in Batches::new(log.bytes(&slice)) {
        let header = batch.unwrap().header;
        let producer_id = header.producer.id;
        while let Some(it) = begun.next_if(|it| it.first_offset <= header.base_offset) {
            aborted.insert(it.producer_id);
        }
        if header.attributes.is_control() {
            aborted.remove(&producer_id);
        } else if !(header.attributes.is_transactional() && aborted.contains(&producer_id)) {
            offsets.push(header.base_offset);
        }
    }
    offsets
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn readers_see_what_was_committed(bumps in any::<bool>(), events in vec(event(), 1..80)) {
        let version = if bumps { TransactionVersion::V2 } else { TransactionVersion::V0 };
        let mut world = World::new(version);
        for event in &events {
            world.apply(event);
        }
        world.end_all();
    }
}
