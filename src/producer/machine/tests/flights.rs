//! Several batches of one partition in flight.

use super::*;

/// With a batch stored and another in flight, from where on more may go out: two are behind them,
/// of two records each.
fn three_in_flight() -> (Bench, [Request; 3]) {
    let mut bench = Bench::ready(config());
    let first = bench.launch(0, [1, 2]);
    for tokens in [[3, 4], [5, 6], [7, 8]] {
        bench.send(0, tokens);
        bench.machine.handle_flush(bench.now);
    }
    assert_eq!(
        bench.effects(),
        [],
        "the broker may not know the numbers yet"
    );
    bench.answer(&first, vec![stored(0, 0)]);
    let (done, others) = bench.done_and_others();
    assert_eq!(done.len(), 2);
    let requests: Vec<_> = others.into_iter().map(Request::of).collect();
    let numbers = requests.iter().map(Request::stamp);
    assert!(numbers.eq([(9, 0, 2), (9, 0, 4), (9, 0, 6)]));
    (bench, requests.try_into().unwrap())
}

fn offsets(bench: &mut Bench) -> Vec<(u64, i64)> {
    let offset = |(token, result): (u64, Result<Acked, _>)| (token, result.unwrap().offset);
    bench.done().into_iter().map(offset).collect()
}

#[test]
fn numbers_go_on_and_each_is_acknowledged_by_itself() {
    let (mut bench, [first, second, third]) = three_in_flight();
    bench.answer(&first, vec![stored(0, 2)]);
    assert_eq!(offsets(&mut bench), [(3, 2), (4, 3)]);
    bench.answer(&second, vec![stored(0, 4)]);
    bench.answer(&third, vec![stored(0, 6)]);
    assert_eq!(offsets(&mut bench), [(5, 4), (6, 5), (7, 6), (8, 7)]);
    assert_eq!(bench.launch(0, [9]).stamp(), (9, 0, 8));
}

#[test]
fn no_more_are_in_flight_than_brokers_keep_in_mind() {
    let mut bench = Bench::ready(ProducerConfig {
        max_in_flight: 77,
        ..config()
    });
    let first = bench.launch(0, [0]);
    for token in 1..10 {
        bench.send(0, [token]);
        bench.machine.handle_flush(bench.now);
    }
    bench.answer(&first, vec![stored(0, 0)]);
    let (_, mut flying) = bench.done_and_others();
    assert_eq!(flying.len(), 5);
    // Nor to one broker, whatever the partition.
    bench.send(1, [20]);
    bench.machine.handle_flush(bench.now);
    assert_eq!(bench.effects(), []);
    let request = Request::of(flying.remove(0));
    bench.answer(&request, vec![stored(0, 1)]);
    let (_, next) = bench.done_and_others();
    let [next] = &next[..] else {
        panic!("{next:?}");
    };
    let both = [(0, 6, vec![6]), (1, 0, vec![20])];
    assert_eq!(Request::of(next.clone()).summary(), both);
}

#[test]
fn what_failed_goes_out_again_from_the_first_on_one_at_a_time() {
    let (mut bench, [first, second, third]) = three_in_flight();
    bench.answer_code(&first, ErrorCode::NOT_ENOUGH_REPLICAS);
    bench.answer_code(&second, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    bench.pass(BACKOFF_MAX);
    assert_eq!(bench.effects(), [], "one is in flight still");
    bench.answer_code(&third, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    for (sent, offset) in [(&first, 2), (&second, 4), (&third, 6)] {
        bench.pass(BACKOFF_MAX);
        let (_, mut again) = bench.done_and_others();
        assert_eq!(again.len(), 1, "{again:?}");
        let again = Request::of(again.remove(0));
        assert_eq!(again.batches, sent.batches);
        bench.answer(&again, vec![stored(0, offset)]);
    }
    assert_eq!(offsets(&mut bench), [(7, 6), (8, 7)]);
    assert_eq!(bench.launch(0, [9]).stamp(), (9, 0, 8));
}

#[test]
fn a_broken_connection_costs_no_epoch() {
    let (mut bench, sent) = three_in_flight();
    for request in &sent {
        bench.silence(request, RequestFailure::Disconnected);
    }
    // The first two had arrived.
    for (request, offset) in sent.iter().zip([2, 4, 6]) {
        bench.machine.handle_leaders(|_| Some(2), bench.now);
        bench.pass(BACKOFF_MAX);
        let (_, mut again) = bench.done_and_others();
        again.retain(|effect| *effect != Effect::RefreshMetadata);
        let again = Request::of(again.remove(0));
        assert_eq!((again.node, &again.batches), (2, &request.batches));
        bench.answer(&again, vec![stored(0, offset)]);
    }
    bench.effects();
    bench.machine.handle_leaders(|_| Some(1), bench.now);
    assert_eq!(bench.launch(0, [9]).stamp(), (9, 0, 8));
}

#[test]
fn numbers_of_a_batch_that_is_refused_go_to_those_behind_it() {
    let (mut bench, [first, second, third]) = three_in_flight();
    bench.answer_code(&first, ErrorCode::INVALID_RECORD);
    assert_eq!(bench.failed(), [(3, false), (4, false)]);
    for request in [&second, &third] {
        bench.answer_code(request, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    }
    let again = bench.retried();
    assert_eq!(again.stamp(), (9, 0, 2));
    assert_eq!(again.summary(), [(0, 2, vec![5, 6])]);
    bench.answer(&again, vec![stored(0, 2)]);
    let (_, next) = bench.done_and_others();
    assert_eq!(Request::of(next[0].clone()).stamp(), (9, 0, 4));
}

#[test]
fn halves_keep_the_numbers_of_the_whole() {
    let (mut bench, [first, second, third]) = three_in_flight();
    bench.answer_code(&first, ErrorCode::MESSAGE_TOO_LARGE);
    for request in [&second, &third] {
        bench.answer_code(request, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    }
    for (base, tokens) in [(2, vec![3]), (3, vec![4]), (4, vec![5, 6]), (6, vec![7, 8])] {
        bench.pass(BACKOFF_MAX);
        let (_, mut again) = bench.done_and_others();
        let again = Request::of(again.remove(0));
        assert_eq!(again.summary(), [(0, base, tokens)]);
        bench.answer(&again, vec![stored(0, i64::from(base))]);
    }
}

#[test]
fn a_batch_in_doubt_costs_the_epoch_and_those_behind_it_are_heard_first() {
    let mut bench = Bench::ready(config());
    let first = bench.launch(0, [1]);
    for token in 2..4 {
        bench.send(0, [token]);
        bench.machine.handle_flush(bench.now);
        bench.now += LINGER;
    }
    bench.answer(&first, vec![stored(0, 0)]);
    let (_, mut flying) = bench.done_and_others();
    let behind = Request::of(flying.remove(1));
    bench.now -= LINGER;
    bench.pass(DELIVERY - LINGER);
    assert_eq!(bench.failed(), [(2, true)]);
    bench.send(0, [4]);
    bench.machine.handle_flush(bench.now);
    assert_eq!(bench.effects(), []);
    bench.answer(&behind, vec![stored(0, 2)]);
    let (done, mut next) = bench.done_and_others();
    assert_eq!(done.len(), 1);
    let next = Request::of(next.remove(0));
    assert_eq!(next.summary(), [(0, 0, vec![4])]);
    assert_eq!(next.stamp(), (9, 1, 0));
}

#[test]
fn a_lost_sequence_is_found_out_once_all_have_been_answered() {
    let (mut bench, [first, second, third]) = three_in_flight();
    bench.answer_code(&first, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    bench.silence(&second, RequestFailure::TimedOut);
    bench.answer_code(&third, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    // Under its old number it could come before the first, and under a new one twice.
    assert_eq!(
        bench
            .done_and_others()
            .0
            .iter()
            .map(|(token, _)| *token)
            .collect::<Vec<_>>(),
        [5, 6]
    );
    let again = bench.retried();
    assert_eq!(again.stamp(), (9, 1, 0));
    assert_eq!(again.summary(), [(0, 0, vec![3, 4])]);
    bench.answer(&again, vec![stored(0, 2)]);
    let (_, next) = bench.done_and_others();
    assert_eq!(Request::of(next[0].clone()).stamp(), (9, 1, 2));
}

#[test]
fn what_overtook_a_batch_in_doubt_is_stored_and_the_numbers_hold() {
    let (mut bench, [first, second, third]) = three_in_flight();
    bench.answer_code(&first, ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND);
    bench.answer(&second, vec![stored(0, 4)]);
    bench.answer(&third, vec![stored(0, 6)]);
    assert_eq!(offsets(&mut bench), [(5, 4), (6, 5), (7, 6), (8, 7)]);
    let again = bench.retried();
    assert_eq!(again.batches, first.batches);
    bench.answer(&again, vec![stored(0, 2)]);
    assert_eq!(offsets(&mut bench), [(3, 2), (4, 3)]);
    assert_eq!(bench.launch(0, [9]).stamp(), (9, 0, 8));
}

/// Taken over, they would be those of batches in the log, and what bears them a duplicate.
#[test]
fn numbers_of_a_batch_that_was_overtaken_are_not_taken_over() {
    let (mut bench, [first, second, third]) = three_in_flight();
    bench.answer(&second, vec![stored(0, 4)]);
    bench.answer(&third, vec![stored(0, 6)]);
    assert_eq!(offsets(&mut bench), [(5, 4), (6, 5), (7, 6), (8, 7)]);
    bench.answer_code(&first, ErrorCode::INVALID_RECORD);
    assert_eq!(bench.failed(), [(3, false), (4, false)]);
    assert_eq!(bench.launch(0, [9]).stamp(), (9, 1, 0));
}
