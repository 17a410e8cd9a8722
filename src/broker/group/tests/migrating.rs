//! Groups that go from one protocol to the other with their members.

use super::*;
use crate::broker::config::MigrationPolicy;
use crate::broker::topics::TopicSettings;
use crate::group::subscription::{decode_assignment, encode_assignment};
use crate::wire::TopicPartition;

impl Rig {
    /// With a topic of two partitions, and assignments that may follow each other at once.
    fn migrating(policy: MigrationPolicy) -> Self {
        let config = BrokerConfig {
            group_initial_rebalance_delay: Duration::ZERO,
            group_consumer_assignment_interval: Duration::ZERO,
            group_consumer_migration_policy: policy,
            ..BrokerConfig::default()
        };
        let mut rig = Self::new();
        rig.groups = Groups::new(&config, 7);
        let settings = TopicSettings::default();
        let replicas = vec![vec![1]; 2];
        rig.topics.create("payments", replicas, settings).unwrap();
        rig
    }

    /// A classic member that has both partitions.
    fn classic_member(&mut self) -> Joined {
        let ticket = self.join(request());
        self.pass(Duration::from_millis(1));
        let joined = self.joins[&ticket].clone().unwrap();
        let all = encode_assignment(&[place(0), place(1)]);
        let synced = self.synced(&SyncRequest {
            assignments: vec![(joined.member_id.clone(), all)],
            ..sync_of(&joined)
        });
        assert_eq!(synced.unwrap().protocol.as_deref(), Some("range"));
        joined
    }

    fn beat(&mut self, beat: &Beat) -> Result<Beaten, ErrorCode> {
        let beaten = self
            .groups
            .consumer_heartbeat(GROUP, beat, &self.topics, self.now);
        self.settle();
        beaten
    }

    fn report(&mut self, id: &str, epoch: i32, owned: &[i32]) -> Beaten {
        let topic = self.topics.get("payments").unwrap().id;
        let mut partitions = Partitions::from([(topic, owned.iter().copied().collect())]);
        partitions.retain(|_, indexes| !indexes.is_empty());
        let beat = Beat {
            owned: Some(partitions),
            ..quiet(id, epoch)
        };
        self.beat(&beat).unwrap()
    }

    /// Joins again with what it has kept.
    fn rejoined(&mut self, member: &Joined, owned: &[i32]) -> Joined {
        let mut subscription = Subscription::nothing();
        subscription.topics.push("payments".to_owned());
        subscription.owned = owned.iter().map(|index| place(*index)).collect();
        let protocol = Protocol {
            name: "range".into(),
            metadata: subscription.encode(Assignor::Range),
        };
        self.joined(JoinRequest {
            protocols: vec![protocol],
            ..rejoin(member)
        })
    }

    /// What a member is given by its SyncGroup.
    fn given(&mut self, member: &Joined) -> Vec<i32> {
        let synced = self.synced(&sync_of(member)).unwrap();
        let given = decode_assignment(&synced.assignment).unwrap();
        given.iter().map(|place| place.partition).collect()
    }

    fn is_classic(&self) -> bool {
        self.group().classic().is_some()
    }

    fn classic_members(&self) -> usize {
        let consumer = self.group().consumer().unwrap();
        consumer
            .members()
            .iter()
            .filter(|it| it.is_classic())
            .count()
    }
}

fn place(index: i32) -> TopicPartition {
    TopicPartition::new("payments", index)
}

fn quiet(id: &str, epoch: i32) -> Beat {
    Beat {
        identity: member(id),
        epoch,
        client_id: "client".into(),
        rack_id: None,
        rebalance_timeout: None,
        topics: None,
        assignor: None,
        owned: None,
    }
}

fn joining(id: &str) -> Beat {
    Beat {
        rebalance_timeout: Some(REBALANCE),
        topics: Some([Arc::from("payments")].into()),
        owned: Some(Partitions::new()),
        ..quiet(id, JOINING)
    }
}

const IN_PROGRESS: Result<(), ErrorCode> = Err(ErrorCode::REBALANCE_IN_PROGRESS);

/// A classic member with one partition and a consumer with the other, both in epoch 2.
fn mixed() -> (Rig, Joined) {
    let mut rig = Rig::migrating(MigrationPolicy::Bidirectional);
    let old = rig.classic_member();
    let joined = rig.beat(&joining("new")).unwrap();
    assert_eq!(
        (joined.epoch, joined.assignment),
        (2, Some(Partitions::new()))
    );
    assert!(!rig.is_classic());
    // The classic member is told, gives one up, is told again, and has the other.
    assert_eq!(rig.heartbeat(&old), IN_PROGRESS);
    let told = rig.rejoined(&old, &[0, 1]);
    assert_eq!(
        (told.generation, told.leader, told.members.len()),
        (1, "".into(), 0)
    );
    assert_eq!(rig.given(&old), [0]);
    assert_eq!(rig.heartbeat(&old), IN_PROGRESS);
    let old = rig.rejoined(&old, &[0]);
    assert_eq!((old.generation, rig.given(&old)), (2, vec![0]));
    assert_eq!(rig.heartbeat(&old), Ok(()));
    let got = rig.report("new", 2, &[]);
    assert_eq!(got.assignment.unwrap().len(), 1);
    assert_eq!(rig.state(), GroupState::Stable);
    (rig, old)
}

#[test]
fn a_partition_goes_over_from_protocol_to_protocol() {
    let (mut rig, old) = mixed();
    rig.leave(&[member(&old.member_id)]);
    let rest = rig.report("new", 2, &[1]);
    assert_eq!(rest.epoch, 3);
    assert_eq!(rest.assignment.unwrap().len(), 1);
    assert!(!rig.is_classic());
}

#[test]
fn a_group_goes_back_with_its_last_consumer() {
    let (mut rig, old) = mixed();
    rig.beat(&quiet("new", LEAVING)).unwrap();
    assert!(rig.is_classic());
    assert_eq!(rig.state(), GroupState::PreparingRebalance);
    assert_eq!(rig.heartbeat(&old), IN_PROGRESS);
    let again = rig.rejoined(&old, &[0]);
    assert_eq!((again.generation, again.leader), (3, old.member_id.clone()));
    let who = member(&old.member_id);
    let all = rig.groups.leave(GROUP, &[who], rig.now);
    assert_eq!(all, Ok(vec![Ok(())]));
}

#[test]
fn a_group_goes_back_where_its_last_consumer_is_silent() {
    let (mut rig, old) = mixed();
    for _ in 0..8 {
        rig.pass(SESSION / 2);
        assert_eq!(rig.heartbeat(&old), Ok(()));
    }
    assert!(!rig.is_classic());
    rig.pass(SESSION / 2);
    assert!(rig.is_classic());
    assert_eq!(rig.heartbeat(&old), IN_PROGRESS);
}

#[test]
fn an_instance_goes_back_and_takes_the_group_with_it() {
    let mut rig = Rig::migrating(MigrationPolicy::Bidirectional);
    let of_instance = |id: &str, beat: Beat| Beat {
        identity: static_member(id, "1"),
        ..beat
    };
    rig.beat(&of_instance("new", joining("new"))).unwrap();
    let joined = rig.joined(JoinRequest {
        identity: static_member("", "1"),
        ..request()
    });
    assert!(rig.is_classic());
    assert_eq!((joined.generation, rig.state()), (2, GroupState::Stable));
    let sync = SyncRequest {
        identity: static_member(&joined.member_id, "1"),
        ..sync_of(&joined)
    };
    let given = rig.synced(&sync).unwrap().assignment;
    assert_eq!(decode_assignment(&given), Ok(vec![place(0), place(1)]));
    // And forth again: the other protocol does not wait for it to be released.
    let back = rig.beat(&of_instance("newer", joining("newer"))).unwrap();
    assert_eq!((back.epoch, back.assignment.unwrap().len()), (2, 1));
    assert_eq!(rig.classic_members(), 0);
}

#[test]
fn whoever_waits_is_sent_back_when_the_group_goes_over() {
    let mut rig = Rig::migrating(MigrationPolicy::Bidirectional);
    let old = rig.classic_member();
    let waiting = rig.join(request());
    rig.beat(&joining("new")).unwrap();
    let refused = rig.joins[&waiting].clone().unwrap_err();
    assert_eq!(refused.code, ErrorCode::REBALANCE_IN_PROGRESS);
    assert_eq!(rig.heartbeat(&old), IN_PROGRESS);
    assert_eq!(rig.classic_members(), 2);
}

#[test]
fn classic_members_are_looked_at_as_ever() {
    let (mut rig, old) = mixed();
    let stranger = member("stranger");
    let unknown = Err(ErrorCode::UNKNOWN_MEMBER_ID);
    let illegal = Err(ErrorCode::ILLEGAL_GENERATION);
    let own = member(&old.member_id);
    for (who, generation, expected) in [
        (&stranger, 2, unknown),
        (&member("new"), 2, unknown),
        (&static_member(&old.member_id, "1"), 2, unknown),
        (&own, 1, illegal),
        (&own, 3, illegal),
    ] {
        let beat = rig.groups.heartbeat(GROUP, who, generation, rig.now);
        assert_eq!(beat, expected, "{who:?} {generation}");
    }
    let other = SyncRequest {
        protocol: Some("sticky".into()),
        ..sync_of(&old)
    };
    let inconsistent = ErrorCode::INCONSISTENT_GROUP_PROTOCOL;
    assert_eq!(rig.synced(&other), Err(inconsistent));
    let other = JoinRequest {
        protocols: vec![protocol("sticky", "payments")],
        ..request()
    };
    assert_eq!(rig.join_refused(other), inconsistent);
    let connect = JoinRequest {
        protocol_type: "connect".into(),
        ..request()
    };
    assert_eq!(rig.join_refused(connect), inconsistent);
    let malformed = JoinRequest {
        protocols: vec![Protocol {
            name: "range".into(),
            metadata: Bytes::new(),
        }],
        ..request()
    };
    assert_eq!(rig.join_refused(malformed), inconsistent);
    let learns = JoinRequest {
        learns_id_first: true,
        ..request()
    };
    assert_eq!(rig.join_refused(learns), ErrorCode::MEMBER_ID_REQUIRED);
    assert_eq!(rig.leave(&[stranger]), [unknown]);
    assert_eq!(rig.group().generation(), 2);
    // A LeaveGroup takes out whom it names, by whichever protocol they are members.
    assert_eq!(rig.leave(&[member("new")]), [Ok(())]);
    assert!(rig.is_classic());
}

#[test]
fn classic_members_commit_by_their_generation() {
    let (mut rig, old) = mixed();
    let own = member(&old.member_id);
    assert_eq!(rig.may_commit(&own, 2), Ok(()));
    assert_eq!(rig.may_commit(&own, 3), Err(ErrorCode::ILLEGAL_GENERATION));
    let by = committer(&own, 1);
    let rights = rig.groups.check_commit(GROUP, &by, rig.now).unwrap();
    let topic = rig.topics.get("payments").unwrap().id;
    assert_eq!(rights.check(topic, 0), Ok(()));
    assert_eq!(rights.check(topic, 1), Err(ErrorCode::ILLEGAL_GENERATION));
    let asked = rig.groups.check_fetch(GROUP, Some(&old.member_id), 1);
    assert_eq!(asked, Err(ErrorCode::ILLEGAL_GENERATION));
}

#[test]
fn a_classic_member_has_to_join_and_to_sync_in_time() {
    for syncs in [false, true] {
        let (mut rig, old) = mixed();
        // With a third, all have to move.
        rig.beat(&joining("newer")).unwrap();
        assert_eq!(rig.heartbeat(&old), IN_PROGRESS);
        if syncs {
            let joined = rig.rejoined(&old, &[0]);
            assert_eq!(joined.generation, 3);
            assert_eq!(
                rig.synced(&sync_of(&old)),
                Err(ErrorCode::ILLEGAL_GENERATION)
            );
        }
        let generation = if syncs { 3 } else { 2 };
        let (mut new, mut newer) = (2, 3);
        for _ in 0..12 {
            rig.pass(REBALANCE / 12);
            let who = member(&old.member_id);
            let _ = rig.groups.heartbeat(GROUP, &who, generation, rig.now);
            new = rig.report("new", new, &[1]).epoch;
            newer = rig.report("newer", newer, &[]).epoch;
        }
        let gone = rig.heartbeat(&old);
        assert_eq!(gone, Err(ErrorCode::UNKNOWN_MEMBER_ID));
    }
}

#[test]
fn a_policy_may_forbid_either_way() {
    for (policy, goes_over, goes_back, mixes) in [
        (MigrationPolicy::Bidirectional, true, true, true),
        (MigrationPolicy::Upgrade, true, false, true),
        (MigrationPolicy::Downgrade, false, true, true),
        (MigrationPolicy::Disabled, false, false, false),
    ] {
        let mut rig = Rig::migrating(policy);
        rig.classic_member();
        let joined = rig.beat(&joining("new")).map(|it| it.epoch);
        let expected = goes_over.then_some(2).ok_or(ErrorCode::GROUP_ID_NOT_FOUND);
        assert_eq!(joined, expected, "{policy:?}");

        let mut rig = Rig::migrating(policy);
        rig.beat(&joining("new")).unwrap();
        let ticket = rig.join(request());
        assert_eq!(rig.joins[&ticket].is_ok(), mixes, "{policy:?}");
        rig.beat(&quiet("new", LEAVING)).unwrap();
        assert_eq!(rig.is_classic(), goes_back, "{policy:?}");
    }
}

#[test]
fn members_that_are_no_consumers_stay_among_themselves() {
    let mut rig = Rig::migrating(MigrationPolicy::Bidirectional);
    rig.joined(JoinRequest {
        protocol_type: "connect".into(),
        ..request()
    });
    let refused = Err(ErrorCode::GROUP_ID_NOT_FOUND);
    assert_eq!(rig.beat(&joining("new")), refused);
    assert!(rig.is_classic());
}
