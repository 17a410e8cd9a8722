use super::*;

fn topics(partitions: usize, replicas: usize) -> Topics {
    let mut topics = Topics::default();
    let replicas = spread(&[1, 2, 3], 0, partitions, replicas);
    topics
        .create("t", replicas, TopicSettings::default())
        .unwrap();
    topics
}

fn leaders(topics: &Topics) -> Vec<(Option<i32>, i32)> {
    let partitions = topics.get("t").unwrap().partitions.iter();
    partitions.map(|it| (it.leader, it.leader_epoch)).collect()
}

#[test]
fn leaders_move_with_a_new_epoch_and_only_where_they_must() {
    let mut topics = topics(3, 2);
    assert_eq!(leaders(&topics), [(Some(1), 0), (Some(2), 0), (Some(3), 0)]);
    topics.elect(|id| id != 1);
    assert_eq!(leaders(&topics), [(Some(2), 1), (Some(2), 0), (Some(3), 0)]);
    topics.elect(|id| id == 1);
    assert_eq!(leaders(&topics), [(Some(1), 2), (None, 1), (Some(1), 1)]);
    topics.elect(|_| true);
    assert_eq!(leaders(&topics), [(Some(1), 2), (Some(2), 2), (Some(1), 1)]);
}

#[test]
fn a_client_with_the_wrong_leader_or_epoch_is_told() {
    let mut topics = topics(2, 1);
    topics
        .get_mut("t")
        .unwrap()
        .partition_mut(0)
        .unwrap()
        .lead(Some(1));
    let mut asked = |node, topic, partition, epoch| {
        let found = topics.led_by(node, topic, partition, epoch);
        found.err().unwrap_or(ErrorCode::NONE)
    };
    assert_eq!(asked(1, "t", 0, 1), ErrorCode::NONE);
    assert_eq!(asked(1, "t", 0, -1), ErrorCode::NONE);
    assert_eq!(asked(1, "t", 0, 0), ErrorCode::FENCED_LEADER_EPOCH);
    assert_eq!(asked(1, "t", 0, 2), ErrorCode::UNKNOWN_LEADER_EPOCH);
    assert_eq!(asked(2, "t", 0, 1), ErrorCode::NOT_LEADER_OR_FOLLOWER);
    assert_eq!(asked(1, "u", 0, 1), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    for partition in [-1, 2] {
        assert_eq!(
            asked(1, "t", partition, 1),
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
        );
    }
}

#[test]
fn a_topic_made_again_is_another_one() {
    let mut topics = topics(1, 1);
    let first = topics.delete("t").unwrap().id;
    assert!(topics.name(first).is_none());
    let second = topics.create("t", vec![vec![1]], TopicSettings::default());
    assert_ne!(second.unwrap().id, first);
    let again = topics.create("t", vec![vec![1]], TopicSettings::default());
    assert_eq!(again.err(), Some(ErrorCode::TOPIC_ALREADY_EXISTS));
}

#[test]
fn names_are_those_that_kafka_allows() {
    let long = "n".repeat(249);
    for name in ["a", "payment-notification.DLQ", "_A.9", &long] {
        assert!(is_valid(name), "{name}");
    }
    let longer = "n".repeat(250);
    for name in ["", ".", "..", "a b", "a/b", "결제", &longer] {
        assert!(!is_valid(name), "{name}");
    }
}

#[test]
fn replicas_are_spread_over_the_nodes_and_never_more_than_there_are() {
    assert_eq!(
        spread(&[1, 2, 3], 1, 3, 2),
        [vec![2, 3], vec![3, 1], vec![1, 2]]
    );
    assert_eq!(spread(&[1, 2], 0, 1, 3), [vec![1, 2]]);
    assert_eq!(spread(&[1], 0, usize::MAX, 1).len(), MAX_PARTITIONS + 1);
}

#[test]
fn all_topics_together_have_a_limit_too() {
    let mut topics = Topics::default();
    let wide = || spread(&[1], 0, MAX_PARTITIONS, 1);
    for name in 0..MAX_PARTITIONS_IN_ALL / MAX_PARTITIONS {
        let made = topics.create(&name.to_string(), wide(), TopicSettings::default());
        made.unwrap();
    }
    let full = Err(ErrorCode::POLICY_VIOLATION);
    assert_eq!(topics.check_new("one-more", 1), full);
    topics.delete("0").unwrap();
    assert_eq!(topics.check_new("one-more", MAX_PARTITIONS), Ok(()));
    let narrow = spread(&[1], 0, 1, 1);
    let made = topics.create("one-more", narrow, TopicSettings::default());
    made.unwrap();
    let most = MAX_PARTITIONS - 1;
    assert_eq!(topics.check_growth("one-more", most), Ok(()));
    let wide = ErrorCode::INVALID_PARTITIONS;
    assert_eq!(topics.check_growth("one-more", most + 1), Err(wide));
    topics.grow("one-more", spread(&[1], 1, most, 1)).unwrap();
    assert_eq!(topics.check_new("another", 1), full);
}

#[test]
fn no_partition_is_without_a_node() {
    let mut topics = topics(1, 1);
    let nowhere = || spread(&[], 0, 1, 1);
    let refused = Some(ErrorCode::INVALID_REPLICATION_FACTOR);
    let made = topics.create("u", nowhere(), TopicSettings::default());
    assert_eq!(made.err(), refused);
    assert_eq!(topics.grow("t", nowhere()).err(), refused);
    assert_eq!(topics.get("t").unwrap().partitions.len(), 1);
}
