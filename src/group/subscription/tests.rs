use kafka_protocol::messages::consumer_protocol_assignment as assignment;
use kafka_protocol::messages::consumer_protocol_subscription as subscription;
use kafka_protocol::messages::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use proptest::prelude::*;

use super::*;

/// What the message crate writes, with its version before it.
fn written(version: i16, message: &impl Encodable) -> Vec<u8> {
    let mut out = BytesMut::new();
    out.put_i16(version);
    message.encode(&mut out, version.min(3)).unwrap();
    out.to_vec()
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn sample() -> Subscription {
    Subscription {
        topics: vec!["b".to_owned(), "a".to_owned()],
        owned: vec![
            TopicPartition::new("b", 1),
            TopicPartition::new("a", 2),
            TopicPartition::new("b", 0),
        ],
        generation: 7,
    }
}

#[test]
fn a_subscription_reads_back_as_the_message_crate_reads_it() {
    let bytes = sample().encode(Assignor::CooperativeSticky);
    assert_eq!(bytes[..2], [0, 3]);
    let read = ConsumerProtocolSubscription::decode(&mut bytes.slice(2..), 3).unwrap();
    assert_eq!(read.topics, [text("a"), text("b")]);
    assert_eq!(read.user_data.as_deref(), Some(&[0, 0, 0, 7][..]));
    let owned: Vec<_> = read
        .owned_partitions
        .iter()
        .map(|it| (it.topic.to_string(), it.partitions.clone()))
        .collect();
    assert_eq!(
        owned,
        [("a".to_owned(), vec![2]), ("b".to_owned(), vec![0, 1])]
    );
    assert_eq!((read.generation_id, read.rack_id), (7, None));
}

#[test]
fn range_carries_no_user_data() {
    let bytes = sample().encode(Assignor::Range);
    let read = ConsumerProtocolSubscription::decode(&mut bytes.slice(2..), 3).unwrap();
    assert_eq!(read.user_data, None);
}

#[test]
fn each_version_is_read_for_what_it_has() {
    let mut message = ConsumerProtocolSubscription::default()
        .with_topics(vec![text("t")])
        .with_user_data(Some(Bytes::from_static(&[0, 0, 0, 5])));
    let read = |version, message: &_| Subscription::decode(&written(version, message)).unwrap();
    let plain = Subscription {
        topics: vec!["t".to_owned()],
        generation: 5,
        owned: Vec::new(),
    };
    assert_eq!(read(0, &message), plain);
    let owned = subscription::TopicPartition::default()
        .with_topic(TopicName(text("t")))
        .with_partitions(vec![3]);
    message = message.with_owned_partitions(vec![owned]);
    let owner = Subscription {
        owned: vec![TopicPartition::new("t", 3)],
        ..plain
    };
    assert_eq!(read(1, &message), owner);
    message = message.with_generation_id(6);
    assert_eq!(
        read(2, &message),
        Subscription {
            generation: 6,
            ..owner.clone()
        }
    );
    message = message.with_rack_id(Some(text("rack")));
    assert_eq!(
        read(3, &message),
        Subscription {
            generation: 6,
            ..owner
        }
    );
}

#[test]
fn a_newer_version_is_read_as_the_newest_known() {
    let mut bytes = sample().encode(Assignor::CooperativeSticky).to_vec();
    bytes[1] = 9;
    bytes.extend_from_slice(b"what version 9 appends");
    assert_eq!(Subscription::decode(&bytes).unwrap().generation, 7);
    assert_eq!(
        decode_assignment(b"\0\x09\0\0\0\0\0\0\0\0more"),
        Ok(Vec::new())
    );
}

#[test]
fn user_data_of_another_form_tells_no_generation() {
    let message = ConsumerProtocolSubscription::default()
        .with_user_data(Some(Bytes::from_static(b"not four")));
    let read = Subscription::decode(&written(1, &message)).unwrap();
    assert_eq!(read.generation, NO_GENERATION);
}

#[test]
fn an_assignment_reads_back_as_the_message_crate_reads_it() {
    let bytes = encode_assignment(&sample().owned);
    let read = ConsumerProtocolAssignment::decode(&mut bytes.slice(2..), 0).unwrap();
    let read: Vec<_> = read
        .assigned_partitions
        .iter()
        .map(|it| (it.topic.to_string(), it.partitions.clone()))
        .collect();
    assert_eq!(
        read,
        [("a".to_owned(), vec![2]), ("b".to_owned(), vec![0, 1])]
    );
}

#[test]
fn assignments_of_every_version_are_read() {
    let partition = assignment::TopicPartition::default()
        .with_topic(TopicName(text("t")))
        .with_partitions(vec![1, 0]);
    for version in 0..=3 {
        for user_data in [None, Some(Bytes::new()), Some(Bytes::from_static(b"x"))] {
            let message = ConsumerProtocolAssignment::default()
                .with_assigned_partitions(vec![partition.clone()])
                .with_user_data(user_data);
            let expected = vec![TopicPartition::new("t", 1), TopicPartition::new("t", 0)];
            assert_eq!(decode_assignment(&written(version, &message)), Ok(expected));
        }
    }
    assert_eq!(decode_assignment(&[]), Ok(Vec::new()));
}

#[test]
fn a_count_beyond_the_bytes_is_refused_before_anything_is_reserved() {
    let huge = [0, 3, 0x7f, 0xff, 0xff, 0xff, 0, 1, b't'];
    assert!(Subscription::decode(&huge).is_err());
    assert!(decode_assignment(&huge).is_err());
    let nested = [
        0, 0, 0, 0, 0, 1, 0, 1, b't', 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0,
    ];
    assert!(decode_assignment(&nested).is_err());
}

#[test]
fn what_makes_no_sense_is_refused() {
    let cases: [(&str, &[u8]); 4] = [
        ("version", &[0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]),
        ("count", &[0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
        (
            "partition",
            &[
                0, 0, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0,
            ],
        ),
        (
            "UTF-8",
            &[0, 0, 0, 0, 0, 1, 0, 1, 0xff, 0, 0, 0, 0, 0, 0, 0, 0],
        ),
    ];
    for (what, bytes) in cases {
        let error = decode_assignment(bytes).unwrap_err().to_string();
        assert!(error.contains(what), "{what}: {error}");
    }
}

fn subscriptions() -> impl Strategy<Value = Subscription> {
    let topic = "[a-zA-Z0-9._-]{1,12}";
    let owned =
        prop::collection::btree_set((topic, any::<i32>().prop_map(|it| it & i32::MAX)), 0..12);
    (
        prop::collection::btree_set(topic, 0..6),
        owned,
        any::<i32>(),
    )
        .prop_map(|(topics, owned, generation)| Subscription {
            topics: topics.into_iter().collect(),
            owned: owned
                .into_iter()
                .map(|(t, p)| TopicPartition::new(t, p))
                .collect(),
            generation,
        })
}

proptest! {
    #[test]
    fn round_trip(subscription in subscriptions()) {
        for assignor in Assignor::ALL {
            let bytes = subscription.encode(assignor);
            prop_assert_eq!(Subscription::decode(&bytes), Ok(subscription.clone()));
        }
        let bytes = encode_assignment(&subscription.owned);
        prop_assert_eq!(decode_assignment(&bytes), Ok(subscription.owned));
    }

    #[test]
    fn cut_anywhere_is_refused(subscription in subscriptions(), at in any::<prop::sample::Index>()) {
        let bytes = subscription.encode(Assignor::CooperativeSticky);
        // The rack at the end is not read.
        let cut = at.index(bytes.len() - 2);
        prop_assert!(Subscription::decode(&bytes[..cut]).is_err());
        let bytes = encode_assignment(&subscription.owned);
        let cut = at.index(bytes.len());
        prop_assert!(cut == 0 || decode_assignment(&bytes[..cut]).is_err());
    }

    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = Subscription::decode(&bytes);
        let _ = decode_assignment(&bytes);
    }
}
