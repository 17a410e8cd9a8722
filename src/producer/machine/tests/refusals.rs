//! What a broker may refuse, and how the producer goes on.

use super::*;

#[test]
fn a_lost_sequence_without_doubt_is_sent_in_a_new_epoch() {
    let mut bench = Bench::ready(config());
    let before = bench.launch(0, [1]);
    bench.answer(&before, vec![stored(0, 0)]);
    assert_eq!(bench.acked(), [1]);

    let refused = bench.launch(0, [2]);
    assert_eq!(refused.stamp(), (9, 0, 1));
    bench.answer_code(&refused, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    let again = bench.retried();
    assert_eq!(again.stamp(), (9, 1, 0));
    assert_eq!(again.batches[0].records, refused.batches[0].records);
}

#[test]
fn a_refused_id_is_replaced_and_the_others_keep_theirs() {
    let mut bench = Bench::ready(config());
    let other = bench.launch(1, [1]);
    let refused = bench.launch(0, [2]);
    bench.answer_code(&refused, ErrorCode::INVALID_PRODUCER_EPOCH);
    assert_eq!(bench.effects(), [Effect::InitProducerId]);
    bench.machine.handle_producer_id(Ok((10, 0)), bench.now);
    assert_eq!(bench.retried().stamp(), (10, 0, 0));

    bench.answer(&other, vec![stored(1, 0)]);
    assert_eq!(bench.acked(), [1]);
    assert_eq!(bench.launch(1, [3]).stamp(), (9, 0, 1));
    let now = bench.now;
    bench.machine.handle_leader(&tp(5), Some(1), now);
    assert_eq!(bench.launch(5, [5]).stamp(), (10, 0, 0));
}

#[test]
fn an_id_that_is_refused_twice_is_replaced_once() {
    let mut bench = Bench::ready(config());
    let [one, other] = [0, 1].map(|partition| bench.launch(partition, [partition as u64]));
    bench.answer_code(&one, ErrorCode::INVALID_PRODUCER_ID_MAPPING);
    assert_eq!(bench.effects(), [Effect::InitProducerId]);
    bench.machine.handle_producer_id(Ok((10, 0)), bench.now);
    bench.answer_code(&other, ErrorCode::INVALID_PRODUCER_ID_MAPPING);
    let both = bench.retried();
    assert_eq!(both.summary(), [(0, 0, vec![0]), (1, 0, vec![1])]);
    assert!(both.batches.iter().all(|batch| batch.stamp.id == 10));
}

#[test]
fn a_new_id_is_asked_for_when_the_epochs_are_used_up() {
    let mut bench = Bench::with_epoch(config(), i16::MAX);
    let lost = bench.launch(0, [1]);
    bench.pass(DELIVERY);
    assert_eq!(bench.failed(), [(1, true)]);
    assert_eq!(lost.stamp(), (9, i16::MAX, 0));
    bench.send(0, [2]);
    assert_eq!(bench.effects(), [Effect::InitProducerId]);
    bench.machine.handle_producer_id(Ok((10, 0)), bench.now);
    bench.machine.handle_flush(bench.now);
    assert_eq!(bench.request().stamp(), (10, 0, 0));
}

#[test]
fn a_large_batch_is_halved_down_to_the_record_to_blame() {
    let mut bench = Bench::ready(config());
    let all = bench.launch(0, [1, 2, 3]);
    bench.send(0, [4]);
    bench.pass(LINGER);
    bench.answer_code(&all, ErrorCode::MESSAGE_TOO_LARGE);

    let first = bench.request();
    assert_eq!(first.summary(), [(0, 0, vec![1])]);
    bench.answer_code(&first, ErrorCode::MESSAGE_TOO_LARGE);
    let (done, mut others) = bench.done_and_others();
    let alone = matches!(&done[..], [(1, Err(why))] if !why.in_doubt);
    assert!(alone, "{done:?}");
    let rest = Request::of(others.remove(0));
    assert_eq!(rest.summary(), [(0, 0, vec![2, 3])]);

    bench.answer(&rest, vec![stored(0, 7)]);
    let (done, mut others) = bench.done_and_others();
    let acked: Vec<_> = done
        .into_iter()
        .map(|(token, result)| (token, result.unwrap().offset))
        .collect();
    assert_eq!(acked, [(2, 7), (3, 8)]);
    let last = Request::of(others.remove(0));
    assert_eq!(last.summary(), [(0, 2, vec![4])]);
    bench.answer(&last, vec![stored(0, 2)]);
    assert_eq!(bench.acked(), [4]);
    assert_eq!(bench.machine.buffered_bytes(), 0);
}

#[test]
fn bad_records_fail_and_the_others_are_sent_again() {
    let mut bench = Bench::ready(config());
    let request = bench.launch(0, [1, 2, 3]);
    let answer = PartitionAnswer {
        record_errors: vec![(-1, None), (1, Some("no key".into())), (3, None)],
        ..coded(0, ErrorCode::INVALID_RECORD)
    };
    bench.answer(&request, vec![answer]);
    let (done, mut others) = bench.done_and_others();
    let [(2, Err(failure))] = &done[..] else {
        panic!("{done:?}");
    };
    assert!(failure.message.ends_with("no key"), "{failure}");
    let again = Request::of(others.remove(0));
    assert_eq!(again.summary(), [(0, 0, vec![1, 3])]);
    bench.answer(&again, vec![stored(0, 7)]);
    let acked = |(token, result): (u64, Result<Acked, _>)| (token, result.unwrap().offset);
    let acked: Vec<_> = bench.done().into_iter().map(acked).collect();
    assert_eq!(acked, [(1, 7), (3, 8)]);
}

#[test]
fn bad_records_that_nobody_names_fail_together() {
    let mut bench = Bench::ready(config());
    let request = bench.launch(0, [1, 2]);
    let answer = PartitionAnswer {
        record_errors: vec![(i32::MAX, None)],
        ..coded(0, ErrorCode::INVALID_RECORD)
    };
    bench.answer(&request, vec![answer]);
    assert_eq!(bench.failed(), [(1, false), (2, false)]);
}

#[test]
fn a_refusal_concerns_its_partition_alone() {
    let mut bench = Bench::ready(config());
    bench.send(0, [1]);
    bench.send(1, [2]);
    bench.machine.handle_flush(bench.now);
    let request = bench.request();
    let refused = PartitionAnswer {
        message: Some("ask the operator".into()),
        ..coded(0, ErrorCode::TOPIC_AUTHORIZATION_FAILED)
    };
    bench.answer(&request, vec![refused, stored(1, 0)]);
    let done = bench.done();
    assert_eq!(done.len(), 2);
    let failure = done[0].1.clone().unwrap_err();
    assert_eq!(failure.code, Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED));
    assert!(failure.message.starts_with("t-0: "), "{failure}");
    assert!(failure.message.ends_with(": ask the operator"), "{failure}");
    assert!(done[1].1.is_ok());
    // The refused batch used no sequence number.
    assert_eq!(bench.launch(0, [3]).stamp(), (9, 0, 0));
}

#[test]
fn a_fatal_code_ends_the_producer() {
    let mut bench = Bench::ready(config());
    let other = bench.launch(1, [1]);
    let fenced = bench.launch(0, [2]);
    bench.send(0, [3]);
    bench.answer_code(&fenced, ErrorCode::PRODUCER_FENCED);
    let mut failed = bench.failed();
    failed.sort_unstable();
    assert_eq!(failed, [(1, true), (2, false), (3, false)]);

    let failure = bench.machine.failure().cloned().unwrap();
    assert_eq!(failure.code, Some(ErrorCode::PRODUCER_FENCED));
    assert_eq!(bench.try_send(0, 4), Err(SendRefused::Failed(failure)));
    bench.answer(&other, vec![stored(1, 0)]);
    bench.machine.handle_leaders(|_| None, bench.now);
    bench.pass(DELIVERY);
    assert_eq!(bench.effects(), []);
    assert_eq!(bench.machine.poll_timeout(), None);
    assert_eq!(bench.machine.buffered_bytes(), 0);
}
