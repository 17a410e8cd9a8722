//! What goes out when, as long as nothing goes wrong.

use proptest::prelude::*;

use super::*;

#[test]
fn asks_for_an_id_then_a_leader_then_sends() {
    let mut bench = Bench::new(config());
    bench.send(0, [7]);
    assert_eq!(bench.effects(), [Effect::InitProducerId]);
    bench.machine.handle_producer_id(Ok((9, 0)), bench.now);
    assert_eq!(bench.effects(), [Effect::RefreshMetadata]);
    bench.machine.handle_leaders(|_| Some(4), bench.now);
    assert_eq!(bench.effects(), []);

    assert_eq!(bench.machine.poll_timeout(), Some(bench.now + LINGER));
    bench.pass(LINGER);
    let request = bench.request();
    assert_eq!(request.node, 4);
    assert_eq!(request.stamp(), (9, 0, 0));
    bench.answer(&request, vec![stored(0, 55)]);
    let acked = Acked {
        partition: 0,
        offset: 55,
        timestamp: 1_000,
    };
    assert_eq!(bench.done(), [(7, Ok(acked))]);
    assert_eq!(bench.machine.poll_timeout(), None);
    assert_eq!(bench.machine.buffered_bytes(), 0);
}

#[test]
fn a_full_batch_does_not_linger() {
    let mut bench = Bench::ready(ProducerConfig {
        batch_bytes: 200,
        ..config()
    });
    bench.send(0, [1, 2]);
    assert_eq!(bench.effects(), []);
    bench.send(0, 3..20);
    let first = bench.request();
    let (_, _, tokens) = &first.summary()[0];
    // Each takes 15 bytes, and the header 61.
    assert!(tokens.iter().copied().eq(1..=9), "{tokens:?}");
}

#[test]
fn a_record_larger_than_a_batch_goes_alone_and_at_once() {
    let mut bench = Bench::ready(ProducerConfig {
        batch_bytes: 10,
        ..config()
    });
    bench.send(0, [1, 2]);
    assert_eq!(bench.request().summary(), [(0, 0, vec![1])]);
}

#[test]
fn what_is_given_in_one_go_travels_together_without_lingering() {
    let mut bench = Bench::ready(ProducerConfig {
        linger: Duration::ZERO,
        ..config()
    });
    bench.machine.handle_leader(&tp(2), Some(8), bench.now);
    bench.send(0, [1, 2]);
    bench.send(1, [3]);
    bench.send(2, [4]);
    let requests: Vec<_> = bench.effects().into_iter().map(Request::of).collect();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].node, 1);
    let both = [(0, 0, vec![1, 2]), (1, 0, vec![3])];
    assert_eq!(requests[0].summary(), both);
    assert_eq!(requests[1].node, 8);
    assert_eq!(requests[1].summary(), [(2, 0, vec![4])]);
}

#[test]
fn a_request_keeps_to_its_limit() {
    let mut bench = Bench::ready(ProducerConfig {
        max_request_bytes: 220,
        ..config()
    });
    for partition in 0..3 {
        bench.send(partition, [partition as u64]);
    }
    bench.machine.handle_flush(bench.now);
    let requests: Vec<_> = bench.effects().into_iter().map(Request::of).collect();
    let sizes: Vec<_> = requests.iter().map(|r| r.batches.len()).collect();
    assert_eq!(sizes, [2, 1]);
}

#[test]
fn a_flush_ends_the_lingering_of_what_is_there_only() {
    let mut bench = Bench::ready(config());
    bench.send(0, [1]);
    bench.send(1, [2]);
    bench.machine.handle_flush(bench.now);
    let both = bench.request();
    assert_eq!(both.summary(), [(0, 0, vec![1]), (1, 0, vec![2])]);
    bench.answer(&both, vec![stored(0, 0), stored(1, 0)]);
    assert_eq!(bench.acked(), [1, 2]);

    bench.send(0, [3]);
    assert_eq!(bench.effects(), []);
}

#[test]
fn offsets_count_up_and_the_log_may_set_the_time() {
    let mut bench = Bench::ready(config());
    let request = bench.launch(1, [1, 2]);
    let answer = PartitionAnswer {
        log_append_time: 77,
        ..stored(1, 40)
    };
    bench.answer(&request, vec![answer]);
    let acked = |offset| {
        Ok(Acked {
            partition: 1,
            offset,
            timestamp: 77,
        })
    };
    assert_eq!(bench.done(), [(1, acked(40)), (2, acked(41))]);
}

#[test]
fn a_full_buffer_refuses_until_a_record_has_ended() {
    let mut bench = Bench::ready(ProducerConfig {
        buffer_bytes: 100,
        ..config()
    });
    let taken = (0..).find(|token| bench.try_send(0, *token).is_err());
    let taken = taken.unwrap();
    assert!((1..6).contains(&taken), "{taken}");
    assert!(bench.machine.buffered_bytes() <= 100);
    assert_eq!(bench.try_send(0, taken), Err(SendRefused::BufferFull));

    bench.pass(LINGER);
    let request = bench.request();
    bench.answer(&request, vec![stored(0, 0)]);
    assert_eq!(bench.acked(), (0..taken).collect::<Vec<_>>());
    assert_eq!(bench.machine.buffered_bytes(), 0);
    bench.try_send(0, taken).unwrap();
}

#[test]
fn a_record_that_can_never_go_is_refused_at_once() {
    for (max_request_bytes, buffer_bytes, limit) in [(65, 1_000, 4), (1_000, 5, 5), (0, 9, 0)] {
        let mut bench = Bench::ready(ProducerConfig {
            max_request_bytes,
            buffer_bytes,
            ..config()
        });
        let refused = bench.try_send(0, 1).unwrap_err();
        let SendRefused::RecordTooLarge { bytes, limit: at } = refused else {
            panic!("{refused:?}");
        };
        assert!(bytes > at);
        assert_eq!(at, limit);
    }
}

#[test]
fn a_closed_producer_ends_what_it_has_and_takes_no_more() {
    let mut bench = Bench::ready(config());
    bench.send(0, [1]);
    bench.machine.handle_close(bench.now);
    assert_eq!(bench.try_send(0, 2), Err(SendRefused::Closed));
    let request = bench.request();
    bench.answer(&request, vec![stored(0, 0)]);
    assert_eq!(bench.acked(), [1]);
}

#[test]
fn endless_waits_are_taken_as_very_long() {
    let mut bench = Bench::ready(ProducerConfig {
        linger: Duration::MAX,
        delivery_timeout: Duration::MAX,
        retry_backoff: Duration::MAX,
        retry_backoff_max: Duration::MAX,
        ..config()
    });
    let request = bench.launch(0, [1]);
    bench.answer_code(&request, ErrorCode::NOT_ENOUGH_REPLICAS);
    assert_eq!(bench.effects(), []);
    assert!(bench.machine.poll_timeout() > Some(bench.now + Duration::from_secs(86_400)));
}

#[test]
fn buffers_are_kept_for_others_as_long_as_any_record_waits() {
    let mut bench = Bench::ready(config());
    let requests = [bench.launch(0, [1]), bench.launch(1, [2])];
    // They are written, and their records let go of.
    let [first, second] = requests.map(|request| request.id);
    let now = bench.now;
    let mut stored = |id, partition| {
        let answers = vec![stored(partition, 0)];
        bench.machine.handle_produce_response(id, Ok(answers), now);
        bench.machine.spares.buffers.len()
    };
    assert_eq!(stored(first, 0), 1);
    assert_eq!(stored(second, 1), 0);
}

proptest! {
    #[test]
    fn records_that_are_handed_in_together_go_where_they_would_one_by_one(
        sent in proptest::collection::vec((0..3, 1_u64..40), 1..12),
        batch_bytes in 100_usize..700,
        buffer_bytes in 500_usize..3_000,
    ) {
        let config = ProducerConfig { batch_bytes, buffer_bytes, ..config() };
        let [mut one_by_one, mut together] = [(); 2].map(|()| Bench::ready(config.clone()));
        for (partition, count) in sent {
            let tokens: Vec<u64> = (0..count).collect();
            let ends: Vec<_> = tokens.iter().map(|token| one_by_one.try_send(partition, *token)).collect();
            prop_assert_eq!(together.try_send_all(partition, &tokens), ends);
            prop_assert_eq!(together.machine.buffered_bytes(), one_by_one.machine.buffered_bytes());
            prop_assert_eq!(&together.taken, &one_by_one.taken);
        }
        prop_assert_eq!(together.effects(), one_by_one.effects());
    }
}
