//! Both assignors, against what they promise.

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use super::*;

static NOTHING: Partitions = Partitions::new();

fn topic(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn subscriber<'a>(id: &'a str, topics: &[u128], target: &'a Partitions) -> Subscriber<'a> {
    Subscriber {
        id,
        instance_id: None,
        topics: topics.iter().map(|it| topic(*it)).collect(),
        target,
    }
}

fn counts(counts: &[(u128, i32)]) -> BTreeMap<Uuid, i32> {
    counts
        .iter()
        .map(|(id, count)| (topic(*id), *count))
        .collect()
}

fn partitions(topics: &[(u128, &[i32])]) -> Partitions {
    let of_topic = |(id, indexes): &(u128, &[i32])| (topic(*id), indexes.iter().copied().collect());
    topics.iter().map(of_topic).collect()
}

fn count(share: &Partitions) -> usize {
    share.values().map(BTreeSet::len).sum()
}

#[test]
fn they_have_kafkas_names() {
    for (name, assignor) in [
        ("uniform", Some(ServerAssignor::Uniform)),
        ("range", Some(ServerAssignor::Range)),
        ("roundrobin", None),
    ] {
        assert_eq!(ServerAssignor::named(name), assignor);
    }
}

#[test]
fn range_gives_the_same_numbers_of_all_topics() {
    let members = [
        subscriber("b", &[1, 2], &NOTHING),
        subscriber("a", &[1, 2], &NOTHING),
    ];
    let shares = ServerAssignor::Range.assign(&members, &counts(&[(1, 3), (2, 3)]));
    let second = partitions(&[(1, &[2]), (2, &[2])]);
    let first = partitions(&[(1, &[0, 1]), (2, &[0, 1])]);
    assert_eq!(shares, [second, first]);
}

#[test]
fn range_has_static_members_first() {
    let mut members = [
        subscriber("a", &[1], &NOTHING),
        subscriber("c", &[1], &NOTHING),
        subscriber("b", &[1], &NOTHING),
    ];
    members[1].instance_id = Some("1");
    members[2].instance_id = Some("2");
    let shares = ServerAssignor::Range.assign(&members, &counts(&[(1, 2)]));
    let expected = [
        Partitions::new(),
        partitions(&[(1, &[0])]),
        partitions(&[(1, &[1])]),
    ];
    assert_eq!(shares, expected);
}

#[test]
fn uniform_moves_what_is_too_much_and_nothing_else() {
    let old = partitions(&[(1, &[0, 1, 2, 3])]);
    let members = [subscriber("a", &[1], &old), subscriber("b", &[1], &NOTHING)];
    let shares = ServerAssignor::Uniform.assign(&members, &counts(&[(1, 5)]));
    let expected = [partitions(&[(1, &[0, 1, 2])]), partitions(&[(1, &[3, 4])])];
    assert_eq!(shares, expected);
}

#[test]
fn uniform_takes_away_what_is_not_wanted_or_not_there() {
    let old = partitions(&[(1, &[0]), (2, &[0]), (3, &[0])]);
    let members = [subscriber("a", &[1], &old)];
    let shares = ServerAssignor::Uniform.assign(&members, &counts(&[(1, 1), (2, 1)]));
    assert_eq!(shares, [partitions(&[(1, &[0])])]);
    assert_eq!(ServerAssignor::Uniform.assign(&[], &counts(&[(1, 1)])), []);
}

#[test]
fn uniform_evens_out_what_only_some_want() {
    let old = partitions(&[(1, &[0, 1, 2, 3])]);
    let members = [
        subscriber("a", &[1, 2], &old),
        subscriber("b", &[1], &NOTHING),
        subscriber("c", &[2], &NOTHING),
    ];
    let shares = ServerAssignor::Uniform.assign(&members, &counts(&[(1, 4), (2, 2)]));
    assert_eq!(shares.iter().map(count).collect::<Vec<_>>(), [2, 2, 2]);
}

/// Members with the topics they want, and how many partitions each topic has.
fn groups() -> impl Strategy<Value = (Vec<BTreeSet<u128>>, BTreeMap<Uuid, i32>)> {
    let members = vec(btree_set(0_u128..4, 0..4), 1..6);
    let topics = vec(1..8_i32, 4);
    (members, topics).prop_map(|(members, sizes)| {
        let counts = (0_u128..).zip(sizes).map(|(id, size)| (topic(id), size));
        (members, counts.collect())
    })
}

proptest! {
    #[test]
    fn each_partition_that_is_wanted_is_given_once(
        (wanted, counts) in groups(),
        (next, _) in groups(),
    ) {
        for assignor in ServerAssignor::ALL {
            let mut targets = vec![Partitions::new(); wanted.len().max(next.len())];
            // The second time they have something already.
            for wanted in [&wanted, &next] {
                let ids: Vec<String> = (0..wanted.len()).map(|it| it.to_string()).collect();
                let members = wanted.iter().zip(&ids).zip(&targets).map(|((wanted, id), target)| {
                    let topics: Vec<u128> = wanted.iter().copied().collect();
                    subscriber(id, &topics, target)
                });
                let members: Vec<_> = members.collect();
                let shares = assignor.assign(&members, &counts);
                check(&members, &counts, &shares)?;
                if assignor == ServerAssignor::Uniform {
                    check_balance(&members, &shares)?;
                }
                targets = shares;
                targets.resize(6, Partitions::new());
            }
        }
    }
}

fn check(
    members: &[Subscriber<'_>],
    counts: &BTreeMap<Uuid, i32>,
    shares: &[Partitions],
) -> Result<(), TestCaseError> {
    prop_assert_eq!(shares.len(), members.len());
    let mut given = BTreeSet::new();
    for (member, share) in members.iter().zip(shares) {
        for (topic, indexes) in share {
            prop_assert!(member.topics.contains(topic));
            for index in indexes {
                prop_assert!(given.insert((*topic, *index)), "given twice");
            }
        }
    }
    let is_wanted = |topic: &Uuid| members.iter().any(|it| it.topics.contains(topic));
    let wanted = counts.iter().filter(|(topic, _)| is_wanted(topic));
    let all: BTreeSet<_> = wanted
        .flat_map(|(topic, count)| (0..*count).map(move |index| (*topic, index)))
        .collect();
    prop_assert_eq!(given, all);
    Ok(())
}

/// Nobody has two more than someone who wants one of theirs.
fn check_balance(members: &[Subscriber<'_>], shares: &[Partitions]) -> Result<(), TestCaseError> {
    for rich in shares {
        for (member, poor) in members.iter().zip(shares) {
            let can_take = rich.keys().any(|topic| member.topics.contains(topic));
            prop_assert!(!can_take || count(rich) <= count(poor) + 1);
        }
    }
    Ok(())
}
