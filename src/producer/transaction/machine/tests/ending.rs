//! The end of a transaction: in doubt, late, refused, taken over by another producer.

use super::*;

/// A transaction whose commit is being asked for.
fn committing(protocol: Protocol) -> (Bench, Attempt, Question) {
    let mut bench = Bench::open(Protocol::EpochEach);
    bench.send_through(0, 1);
    // From here on the records are all written: only the questions differ.
    bench.machine.protocol = protocol;
    bench.machine.handle_commit(bench.now);
    let question = end(FIRST, true, protocol);
    let asked = bench.asked(&question);
    (bench, asked, question)
}

#[test]
fn an_end_without_an_answer_is_asked_for_again_until_the_coordinator_tells() {
    let (mut bench, asked, question) = committing(Protocol::Announced);
    bench.answer(asked, silence());
    let asked = bench.asked_again(&question);
    bench.answer(asked, code(ErrorCode::NOT_COORDINATOR));
    let asked = bench.asked_again(&question);
    bench.answer(asked, Ok(Answer::Done));
    assert_eq!(bench.ended(), Ok(()));
    assert_eq!(bench.machine.state(), State::Ready);
}

#[test]
fn who_waits_too_long_is_told_of_the_doubt_and_the_end_comes_all_the_same() {
    let (mut bench, asked, question) = committing(Protocol::EpochEach);
    bench.answer(asked, silence());
    bench.pass(DELIVERY);
    let effects = bench.effects();
    let [Effect::Ended(Err(told)), Effect::FindCoordinator(found, _)] = &effects[..] else {
        panic!("{effects:?}");
    };
    assert!(told.in_doubt && told.code.is_none(), "{told:?}");
    assert_eq!(bench.machine.state(), State::Committing);
    // The next transaction waits for that.
    bench.machine.handle_begin(bench.now);
    assert_eq!(bench.effects(), []);
    bench.machine.handle_coordinator(*found, Ok(()), bench.now);
    let asked = bench.asked(&question);
    bench.answer(asked, Ok(Answer::Producer(SECOND, Protocol::EpochEach)));
    assert_eq!(
        bench.effects(),
        [Effect::Ended(Ok(())), Effect::Begun(Ok(()))]
    );
}

#[test]
fn a_commit_that_was_never_asked_for_is_given_up_without_a_doubt() {
    let (mut bench, asked, _) = committing(Protocol::EpochEach);
    bench.answer(asked, Err(AskFailure::NotSent("refused".into())));
    bench.pass(DELIVERY);
    let told = bench.ended().unwrap_err();
    assert!(
        !told.in_doubt && told.message.contains("refused"),
        "{told:?}"
    );
    assert_eq!(bench.machine.state(), State::Aborting);
}

#[test]
fn another_producer_may_have_taken_over_after_the_commit() {
    for (before, in_doubt) in [(None, false), (Some(silence()), true)] {
        let (mut bench, mut asked, question) = committing(Protocol::Announced);
        if let Some(before) = before {
            bench.answer(asked, before);
            asked = bench.asked_again(&question);
        }
        // As coordinators before Kafka 2.7 say it.
        bench.answer(asked, code(ErrorCode::INVALID_PRODUCER_EPOCH));
        let told = bench.ended().unwrap_err();
        assert_eq!(told.code, Some(ErrorCode::PRODUCER_FENCED));
        assert_eq!(told.in_doubt, in_doubt);
        assert_eq!(bench.machine.state(), State::FatalError);
        bench.machine.handle_begin(bench.now);
        let [Effect::Begun(Err(told))] = &bench.effects()[..] else {
            panic!("it begins");
        };
        assert_eq!(told.code, Some(ErrorCode::PRODUCER_FENCED));
        assert!(!told.in_doubt, "nothing was begun");
    }
}

#[test]
fn a_commit_that_is_refused_is_aborted_and_the_next_epoch_is_asked_for() {
    for refusal in [
        ErrorCode::TRANSACTION_ABORTABLE,
        ErrorCode::INVALID_TXN_STATE,
    ] {
        let (mut bench, asked, question) = committing(Protocol::Announced);
        // Had it been committed, the coordinator would say so.
        bench.answer(asked, silence());
        let asked = bench.asked_again(&question);
        bench.answer(asked, code(refusal));
        let mut effects = bench.effects();
        let Some(Effect::Ask(asked, question)) = effects.pop() else {
            panic!("{effects:?}");
        };
        let [Effect::Ended(Err(told))] = &effects[..] else {
            panic!("{effects:?}");
        };
        assert_eq!((told.code, told.in_doubt), (Some(refusal), false));
        assert_eq!(question, end(FIRST, false, Protocol::Announced));
        bench.answer(asked, Ok(Answer::Done));
        assert_eq!(bench.machine.state(), State::Initializing);
        let Some(Effect::Ask(_, question)) = bench.effects().pop() else {
            panic!("the epoch is kept");
        };
        assert_eq!(question, Question::InitProducerId(Some(FIRST)));
    }
}

#[test]
fn an_abort_waits_for_the_records_under_way() {
    let mut bench = Bench::open(Protocol::EpochEach);
    bench.send(0, 1);
    let (request, _) = bench.produced();
    bench.send(0, 2);
    bench.machine.handle_abort(bench.now);
    let done = bench.done();
    let [(2, Err(failure))] = &done[..] else {
        panic!("{done:?}");
    };
    assert!(failure.given_up);
    bench.written(request, 0, ErrorCode::NOT_LEADER_OR_FOLLOWER);
    let mut effects = bench.effects();
    let Some(Effect::Ask(asked, question)) = effects.pop() else {
        panic!("{effects:?}");
    };
    assert_eq!(question, end(FIRST, false, Protocol::EpochEach));
    // Not sent again, and perhaps in the log.
    let [Effect::Records(effect)] = &effects[..] else {
        panic!("{effects:?}");
    };
    let [(1, Err(failure))] = &bench.ends(effect)[..] else {
        panic!("{effect:?}");
    };
    assert!(failure.in_doubt);
    bench.answer(asked, Ok(Answer::Producer(SECOND, Protocol::EpochEach)));
    assert_eq!(bench.ended(), Ok(()));
    bench.begin_next();
}

#[test]
fn an_announced_transaction_with_a_record_in_doubt_costs_the_epoch() {
    for (written, state) in [
        (ErrorCode::NONE, State::Ready),
        (ErrorCode::REQUEST_TIMED_OUT, State::Initializing),
    ] {
        let mut bench = Bench::open(Protocol::Announced);
        bench.send(0, 1);
        let asked = bench.asked(&Question::AddPartitions(FIRST, vec![tp(0)]));
        bench.answer(asked, Ok(Answer::Done));
        let (request, _) = bench.produced();
        bench.machine.handle_abort(bench.now);
        bench.written(request, 0, written);
        let Some(Effect::Ask(asked, _)) = bench.effects().pop() else {
            panic!("not aborted");
        };
        bench.answer(asked, Ok(Answer::Done));
        assert_eq!(bench.machine.state(), state, "{written}");
    }
}

#[test]
fn where_there_is_nothing_to_abort_the_next_epoch_shuts_out_what_is_left() {
    let mut bench = Bench::open(Protocol::Announced);
    bench.send(0, 1);
    let asked = bench.asked(&Question::AddPartitions(FIRST, vec![tp(0)]));
    bench.machine.handle_abort(bench.now);
    bench.effects();
    bench.answer(asked, silence());
    let asked = bench.asked_again(&end(FIRST, false, Protocol::Announced));
    bench.answer(asked, code(ErrorCode::INVALID_TXN_STATE));
    assert_eq!(bench.machine.state(), State::Initializing);
    let mut effects = bench.effects();
    let Some(Effect::Ask(asked, question)) = effects.pop() else {
        panic!("{effects:?}");
    };
    assert_eq!(effects, [Effect::Ended(Ok(()))]);
    assert_eq!(question, Question::InitProducerId(Some(FIRST)));
    bench.answer(asked, Ok(Answer::Producer(SECOND, Protocol::Announced)));
    bench.begin_next();
}
