//! What goes wrong before the end.

use super::*;

/// Asks for a transaction, and lets the question for an id come to this.
fn begin_with(answer: Result<Answer, AskFailure>) -> (Bench, Vec<Effect>) {
    let mut bench = Bench::new();
    bench.machine.handle_begin(bench.now);
    bench.find(&Coordinator::Transaction);
    let asked = bench.asked(&Question::InitProducerId(None));
    bench.answer(asked, answer);
    let effects = bench.effects();
    (bench, effects)
}

#[test]
fn a_cluster_without_transactions_or_the_right_to_them_says_so_at_once() {
    let unsupported = AskFailure::Unsupported("no version of EndTxn".into());
    for (failure, told) in [
        (unsupported, ErrorCode::UNSUPPORTED_VERSION),
        (
            AskFailure::Code(ErrorCode::UNSUPPORTED_VERSION),
            ErrorCode::UNSUPPORTED_VERSION,
        ),
        (
            AskFailure::Code(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED),
            ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        ),
        (
            AskFailure::Code(ErrorCode::INVALID_TRANSACTION_TIMEOUT),
            ErrorCode::INVALID_TRANSACTION_TIMEOUT,
        ),
    ] {
        let (bench, effects) = begin_with(Err(failure));
        let [Effect::Begun(Err(failure))] = &effects[..] else {
            panic!("{effects:?}");
        };
        assert_eq!(failure.code, Some(told));
        assert_eq!(bench.machine.state(), State::FatalError);
    }
}

#[test]
fn a_begin_ends_in_time_and_the_next_goes_on_where_it_was() {
    let (mut bench, effects) = begin_with(code(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS));
    assert_eq!(effects, []);
    bench.pass(DELIVERY);
    let mut effects = bench.effects();
    let Effect::Begun(Err(failure)) = effects.remove(0) else {
        panic!("{effects:?}");
    };
    assert_eq!(failure.code, None);
    let why = ErrorCode::COORDINATOR_LOAD_IN_PROGRESS.name();
    assert!(failure.message.contains(why), "{failure:?}");
    let [Effect::Ask(asked, Question::InitProducerId(None))] = effects[..] else {
        panic!("{effects:?}");
    };
    bench.machine.handle_begin(bench.now);
    bench.answer(asked, Ok(Answer::Producer(FIRST, Protocol::EpochEach)));
    assert_eq!(bench.effects(), [Effect::Begun(Ok(()))]);
}

#[test]
fn a_record_that_fails_leaves_nothing_but_to_abort() {
    let mut bench = Bench::open(Protocol::EpochEach);
    bench.send(0, 1);
    let (request, _) = bench.produced();
    bench.written(request, 0, ErrorCode::MESSAGE_TOO_LARGE);
    bench.effects();
    assert_eq!(bench.machine.state(), State::AbortableError);
    let refused = bench.try_send(1, 2);
    assert!(matches!(refused, Err(SendRefused::Failed(_))));
    bench.machine.handle_offsets(offsets("g"), 7, bench.now);
    let effects = bench.effects();
    assert!(
        matches!(&effects[..], [Effect::OffsetsDone { result: Err(_), .. }]),
        "{effects:?}"
    );

    bench.machine.handle_commit(bench.now);
    let mut effects = bench.effects();
    let Some(Effect::Ask(asked, question)) = effects.pop() else {
        panic!("{effects:?}");
    };
    let [Effect::Ended(Err(failure))] = &effects[..] else {
        panic!("{effects:?}");
    };
    assert_eq!(failure.code, Some(ErrorCode::MESSAGE_TOO_LARGE));
    assert_eq!(question, end(FIRST, false, Protocol::EpochEach));
    bench.answer(asked, Ok(Answer::Producer(SECOND, Protocol::EpochEach)));
    assert_eq!(bench.effects(), [Effect::Ended(Ok(()))]);
    bench.begin_next();
    bench.send_through(0, 3);
}

#[test]
fn offsets_are_refused_where_the_member_has_lost_its_place() {
    for refusal in [
        ErrorCode::ILLEGAL_GENERATION,
        ErrorCode::UNKNOWN_MEMBER_ID,
        ErrorCode::FENCED_MEMBER_EPOCH,
        ErrorCode::STALE_MEMBER_EPOCH,
        ErrorCode::FENCED_INSTANCE_ID,
        ErrorCode::GROUP_AUTHORIZATION_FAILED,
        ErrorCode::INVALID_PRODUCER_EPOCH,
    ] {
        let mut bench = Bench::open(Protocol::EpochEach);
        let now = bench.now;
        bench.machine.handle_offsets(offsets("g"), 7, now);
        bench.find(&Coordinator::Group("g".into()));
        let question = Question::CommitOffsets(FIRST, offsets("g"), Protocol::EpochEach);
        let asked = bench.asked(&question);
        bench.answer(asked, code(refusal));
        let effects = bench.effects();
        let [Effect::OffsetsDone { result, .. }] = &effects[..] else {
            panic!("{effects:?}");
        };
        assert_eq!(result.as_ref().unwrap_err().code, Some(refusal));
        bench.machine.handle_abort(now);
        bench.asked(&end(FIRST, false, Protocol::EpochEach));
    }
}

#[test]
fn offsets_without_an_answer_are_sent_again_and_in_the_end_given_up() {
    let mut bench = Bench::open(Protocol::EpochEach);
    let now = bench.now;
    bench.machine.handle_offsets(offsets("g"), 7, now);
    bench.find(&Coordinator::Group("g".into()));
    let question = Question::CommitOffsets(FIRST, offsets("g"), Protocol::EpochEach);
    let asked = bench.asked(&question);
    bench.answer(asked, silence());
    bench.effects();
    bench.pass(BACKOFF_MAX);
    bench.find(&Coordinator::Group("g".into()));
    bench.asked(&question);
    bench.pass(DELIVERY);
    let effects = bench.effects();
    let [Effect::OffsetsDone { result, .. }] = &effects[..] else {
        panic!("{effects:?}");
    };
    assert_eq!(result.as_ref().unwrap_err().code, None);
    assert_eq!(bench.machine.state(), State::AbortableError);
}

#[test]
fn a_fenced_producer_ends_for_good() {
    let mut bench = Bench::open(Protocol::EpochEach);
    bench.send(0, 1);
    let (request, _) = bench.produced();
    bench.written(request, 0, ErrorCode::PRODUCER_FENCED);
    bench.effects();
    assert_eq!(bench.machine.state(), State::FatalError);
    bench.machine.handle_commit(bench.now);
    let told = bench.ended().unwrap_err();
    assert_eq!(told.code, Some(ErrorCode::PRODUCER_FENCED));
}

/// Two answers may say so: that of a leader, and that of whoever was asked at the same time.
#[test]
fn a_producer_ends_once() {
    let mut bench = Bench::open(Protocol::EpochEach);
    bench.send(0, 1);
    let (request, _) = bench.produced();
    bench.machine.handle_offsets(offsets("g"), 7, bench.now);
    let Effect::FindCoordinator(found, _) = bench.effect() else {
        panic!("nobody is sought");
    };
    bench.written(request, 0, ErrorCode::PRODUCER_FENCED);
    bench.effects();
    assert_eq!(bench.machine.state(), State::FatalError);
    let forbidden = ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    let answer = Err(AskFailure::Code(forbidden));
    bench.machine.handle_coordinator(found, answer, bench.now);
    assert_eq!(bench.effects(), []);
    bench.machine.handle_commit(bench.now);
    let told = bench.ended().unwrap_err();
    assert_eq!(told.code, Some(ErrorCode::PRODUCER_FENCED));
}

#[test]
fn a_producer_that_was_forgotten_asks_for_an_id_without_an_end() {
    let mut bench = Bench::open(Protocol::Announced);
    bench.send(0, 1);
    let asked = bench.asked(&Question::AddPartitions(FIRST, vec![tp(0)]));
    bench.answer(asked, code(ErrorCode::INVALID_PRODUCER_ID_MAPPING));
    bench.effects();
    assert_eq!(bench.machine.state(), State::AbortableError);
    bench.machine.handle_abort(bench.now);
    let mut effects = bench.effects();
    let Some(Effect::Ask(asked, question)) = effects.pop() else {
        panic!("{effects:?}");
    };
    assert_eq!(effects, [Effect::Ended(Ok(()))]);
    assert_eq!(question, Question::InitProducerId(Some(FIRST)));
    let other = ProducerEpoch { id: 30, epoch: 0 };
    bench.answer(asked, Ok(Answer::Producer(other, Protocol::Announced)));
    bench.begin_next();
}
