//! What errors, silence and time do to a batch.

use super::*;

#[test]
fn silence_is_answered_by_the_same_batch() {
    for silence in [
        RequestFailure::Disconnected,
        RequestFailure::TimedOut,
        RequestFailure::BadAnswer,
        RequestFailure::NotSent,
    ] {
        let mut bench = Bench::ready(config());
        let first = bench.launch(0, [1, 2]);
        bench.silence(&first, silence);
        assert_eq!(bench.effects(), [Effect::RefreshMetadata]);
        bench.send(0, [3]);
        let again = bench.retried();
        assert_eq!(again.batches, first.batches, "{silence:?}");

        bench.answer_code(&again, ErrorCode::DUPLICATE_SEQUENCE_NUMBER);
        let (done, mut others) = bench.done_and_others();
        let unknown = Acked {
            partition: 0,
            offset: -1,
            timestamp: 1_000,
        };
        assert_eq!(done, [(1, Ok(unknown)), (2, Ok(unknown))]);
        let next = Request::of(others.remove(0));
        assert_eq!(next.summary(), [(0, 2, vec![3])]);
    }
}

#[test]
fn a_moved_leader_is_found_by_metadata() {
    let mut bench = Bench::ready(config());
    let first = bench.launch(0, [1]);
    bench.answer_code(&first, ErrorCode::NOT_LEADER_OR_FOLLOWER);
    assert_eq!(bench.effects(), [Effect::RefreshMetadata]);
    bench.machine.handle_leaders(|_| Some(2), bench.now);
    assert_eq!(bench.effects(), []);

    let retry_at = bench.machine.poll_timeout().unwrap();
    assert!(retry_at <= bench.now + Duration::from_millis(120));
    bench.now = retry_at;
    bench.pass(Duration::ZERO);
    let again = bench.request();
    assert_eq!(again.node, 2);
    assert_eq!(again.batches, first.batches);
}

#[test]
fn a_missing_leader_is_asked_for_with_backoff_until_the_timeout() {
    let mut bench = Bench::new(config());
    bench.machine.handle_producer_id(Ok((9, 0)), bench.now);
    bench.send(0, [1]);
    let start = bench.now;
    let mut asked = 0;
    let failure = loop {
        match bench.effects().as_slice() {
            [Effect::RefreshMetadata] => asked += 1,
            [Effect::Done { result, .. }] => break result.clone().unwrap_err(),
            other => panic!("{other:?}"),
        }
        bench.machine.handle_leaders(|_| None, bench.now);
        bench.now = bench.machine.poll_timeout().unwrap();
        bench.pass(Duration::ZERO);
    };
    assert_eq!(bench.now, start + DELIVERY);
    assert!((10..20).contains(&asked), "asked {asked} times");
    assert!(!failure.in_doubt);
    assert!(failure.message.contains("no leader"), "{failure}");
}

#[test]
fn metadata_is_asked_for_at_once_again_after_it_has_helped() {
    let mut bench = Bench::ready(config());
    bench.machine.handle_leaders(|_| None, bench.now);
    bench.send(0, [1]);
    for _ in 0..5 {
        assert_eq!(bench.effects(), [Effect::RefreshMetadata]);
        bench.pass(BACKOFF_MAX);
    }
    assert_eq!(bench.effects(), [Effect::RefreshMetadata]);
    let request = bench.retried();
    bench.silence(&request, RequestFailure::NotSent);
    assert_eq!(bench.effects(), [Effect::RefreshMetadata]);
    let again_at = bench.machine.poll_timeout().unwrap();
    assert!(again_at <= bench.now + Duration::from_millis(120));
}

#[test]
fn a_batch_that_was_never_sent_times_out_without_doubt() {
    let mut bench = Bench::ready(config());
    let first = bench.launch(0, [1]);
    bench.silence(&first, RequestFailure::NotSent);
    bench.machine.handle_leaders(|_| Some(1), bench.now);
    bench.pass(DELIVERY);
    assert_eq!(bench.failed(), [(1, false)]);
    assert_eq!(bench.launch(0, [2]).stamp(), (9, 0, 0));
}

#[test]
fn a_batch_in_doubt_times_out_and_the_next_begins_an_epoch() {
    let mut bench = Bench::ready(config());
    let stored_before = bench.launch(0, [1, 2]);
    bench.answer(&stored_before, vec![stored(0, 0)]);
    assert_eq!(bench.acked(), [1, 2]);

    let lost = bench.launch(0, [3]);
    assert_eq!(lost.stamp(), (9, 0, 2));
    bench.pass(DELIVERY);
    assert_eq!(bench.failed(), [(3, true)]);
    let next = bench.launch(0, [4]);
    assert_eq!(next.stamp(), (9, 1, 0));
    assert_eq!(bench.launch(1, [5]).stamp(), (9, 0, 0));

    // The answer that comes too late is about a record that has ended.
    bench.answer(&lost, vec![stored(0, 2)]);
    assert_eq!(bench.effects(), []);
    bench.answer(&next, vec![stored(0, 3)]);
    assert_eq!(bench.acked(), [4]);
}

#[test]
fn a_refusal_after_doubt_leaves_the_doubt() {
    for code in [
        ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
        ErrorCode::UNKNOWN_PRODUCER_ID,
        ErrorCode::INVALID_PRODUCER_EPOCH,
        ErrorCode::TOPIC_AUTHORIZATION_FAILED,
        ErrorCode::MESSAGE_TOO_LARGE,
        ErrorCode::INVALID_RECORD,
    ] {
        let mut bench = Bench::ready(config());
        let first = bench.launch(0, [1, 2]);
        bench.silence(&first, RequestFailure::TimedOut);
        let again = bench.retried();
        bench.answer_code(&again, code);
        assert_eq!(bench.failed(), [(1, true), (2, true)], "{code}");
        // Numbered as before, it would be taken for the batch in doubt and be lost.
        assert_eq!(bench.launch(0, [3, 4]).stamp(), (9, 1, 0), "{code}");
    }
}

#[test]
fn a_code_that_may_follow_the_append_leaves_doubt() {
    let mut bench = Bench::ready(config());
    let first = bench.launch(0, [1]);
    bench.answer_code(&first, ErrorCode::UNKNOWN_SERVER_ERROR);
    assert_eq!(bench.failed(), [(1, true)]);

    let second = bench.launch(0, [2]);
    bench.answer_code(&second, ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND);
    bench.pass(DELIVERY);
    let done = bench.done();
    let failure = done[0].1.clone().unwrap_err();
    assert!(failure.in_doubt);
    let code = failure.code;
    assert_eq!(code, Some(ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND));
}

#[test]
fn what_an_answer_leaves_out_is_in_doubt_and_what_it_adds_is_ignored() {
    let mut bench = Bench::ready(config());
    let request = bench.launch(0, [1]);
    bench.answer(&request, vec![stored(1, 0), stored(77, 0)]);
    assert_eq!(bench.effects(), [Effect::RefreshMetadata]);
    bench.answer(&request, vec![stored(0, 0)]);
    assert_eq!(bench.effects(), [], "answered twice");
    bench.pass(DELIVERY);
    assert_eq!(bench.failed(), [(1, true)]);
}

#[test]
fn a_producer_id_is_asked_for_again_unless_it_is_forbidden() {
    let failure = |code| ProduceFailure {
        code,
        message: "no id today".into(),
        in_doubt: false,
        given_up: false,
    };
    let mut bench = Bench::new(config());
    bench.send(0, [1]);
    assert_eq!(bench.effects(), [Effect::InitProducerId]);
    for code in [None, Some(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS)] {
        let answer = Err(failure(code));
        bench.machine.handle_producer_id(answer, bench.now);
        assert_eq!(bench.effects(), []);
        let retry_at = bench.machine.poll_timeout().unwrap();
        assert!(retry_at > bench.now && retry_at <= bench.now + BACKOFF_MAX);
        bench.now = retry_at;
        bench.pass(Duration::ZERO);
        assert_eq!(bench.effects(), [Effect::InitProducerId]);
    }

    bench.pass(DELIVERY);
    let timed_out = bench.done()[0].1.clone().unwrap_err();
    assert!(timed_out.message.ends_with("no id today"), "{timed_out}");

    bench.send(0, [2]);
    let answer = Err(failure(Some(ErrorCode::CLUSTER_AUTHORIZATION_FAILED)));
    bench.machine.handle_producer_id(answer, bench.now);
    assert_eq!(bench.failed(), [(2, false)]);
    assert!(bench.machine.failure().is_some());
}
