use proptest::prelude::*;

use super::super::testing::{assert_complete, assignment, counts, groups, member};
use super::*;

#[test]
fn java_multiple_consumers_mixed_topics() {
    let members = [
        member("consumer1", &["topic1"]),
        member("consumer2", &["topic1", "topic2"]),
        member("consumer3", &["topic1"]),
    ];
    let expected = assignment(&[
        ("consumer1", "topic1-0"),
        ("consumer2", "topic1-1 topic2-0 topic2-1"),
        ("consumer3", "topic1-2"),
    ]);
    assert_eq!(
        assign(&members, &counts(&[("topic1", 3), ("topic2", 2)])),
        expected
    );
}

#[test]
fn java_two_consumers_two_topics_six_partitions() {
    let both = ["topic1", "topic2"];
    let members = [member("consumer1", &both), member("consumer2", &both)];
    let expected = assignment(&[
        ("consumer1", "topic1-0 topic1-1 topic2-0 topic2-1"),
        ("consumer2", "topic1-2 topic2-2"),
    ]);
    assert_eq!(
        assign(&members, &counts(&[("topic1", 3), ("topic2", 3)])),
        expected
    );
}

#[test]
fn java_more_consumers_than_partitions() {
    let members = [member("consumer2", &["t"]), member("consumer1", &["t"])];
    let expected = assignment(&[("consumer1", "t-0"), ("consumer2", "")]);
    assert_eq!(assign(&members, &counts(&[("t", 1)])), expected);
}

#[test]
fn java_static_members_come_first_in_order_of_their_instance_ids() {
    let named = |id, instance: &str| MemberSubscription {
        instance_id: Some(instance.to_owned()),
        ..member(id, &["t"])
    };
    let members = [
        member("a", &["t"]),
        named("b", "instance2"),
        named("c", "instance1"),
    ];
    let expected = assignment(&[("a", "t-4"), ("b", "t-2 t-3"), ("c", "t-0 t-1")]);
    assert_eq!(assign(&members, &counts(&[("t", 5)])), expected);
}

#[test]
fn a_topic_that_does_not_exist_has_no_partitions() {
    let members = [member("a", &["none", "t"])];
    assert_eq!(
        assign(&members, &counts(&[("t", 1)])),
        assignment(&[("a", "t-0")])
    );
}

#[test]
fn a_topic_named_twice_counts_once() {
    let members = [member("a", &["t", "t"]), member("b", &["t"])];
    let expected = assignment(&[("a", "t-0"), ("b", "t-1")]);
    assert_eq!(assign(&members, &counts(&[("t", 2)])), expected);
}

proptest! {
    #[test]
    fn each_partition_once_in_even_runs((members, counts) in groups(6, false)) {
        let assignment = assign(&members, &counts);
        assert_complete(&members, &counts, &assignment);
        for topic in counts.keys() {
            let wants = members.iter().filter(|it| it.topics.contains(topic));
            let runs = wants.map(|it| {
                let share = assignment[&it.member_id].iter().filter(|tp| *tp.topic == **topic);
                share.map(|tp| tp.partition).collect::<Vec<_>>()
            });
            let runs: Vec<_> = runs.collect();
            let lengths = runs.iter().map(Vec::len);
            let (least, most) = (lengths.clone().min(), lengths.max());
            prop_assert!(most.unwrap_or(0) - least.unwrap_or(0) <= 1);
            for run in runs {
                prop_assert!(run.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{run:?}");
            }
        }
    }

    #[test]
    fn the_order_of_members_does_not_matter(
        ((members, counts), shuffled) in groups(6, false)
            .prop_flat_map(|group| (Just(group.clone()), Just(group.0).prop_shuffle())),
    ) {
        prop_assert_eq!(assign(&members, &counts), assign(&shuffled, &counts));
    }
}
