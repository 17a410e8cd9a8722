//! Transactions in which nothing goes wrong, in both protocols.

use super::*;

#[test]
fn partitions_and_groups_are_announced_before_they_are_written_to() {
    let mut bench = Bench::open(Protocol::Announced);
    bench.send(0, 1);
    bench.send(2, 2);
    let asked = bench.asked(&Question::AddPartitions(FIRST, vec![tp(0), tp(2)]));
    bench.answer(asked, Ok(Answer::Done));
    let (request, stamps) = bench.produced();
    assert_eq!(stamps.len(), 2, "to both at once");
    bench.written(request, 0, ErrorCode::NONE);
    // The answer lacks the other partition: it is sent again.
    let Effect::Records(effect) = &bench.effects()[0] else {
        panic!("the record has not ended");
    };
    assert_eq!(bench.ends(effect), [(1, stored(0))]);

    let now = bench.now;
    bench.machine.handle_offsets(offsets("g"), 7, now);
    let asked = bench.asked(&Question::AddOffsets(FIRST, "g".into()));
    bench.answer(asked, Ok(Answer::Done));
    bench.find(&Coordinator::Group("g".into()));
    let question = Question::CommitOffsets(FIRST, offsets("g"), Protocol::Announced);
    let asked = bench.asked(&question);
    bench.answer(asked, Ok(Answer::Done));
    let done = Effect::OffsetsDone {
        token: 7,
        result: Ok(()),
    };
    assert_eq!(bench.effects(), [done]);
    // The group is known by now.
    bench.machine.handle_offsets(offsets("g"), 8, now);
    bench.asked(&question);
}

#[test]
fn an_epoch_lasts_for_many_announced_transactions_and_the_numbers_go_on() {
    let mut bench = Bench::open(Protocol::Announced);
    for (sequence, token) in [(0, 1), (1, 2)] {
        bench.send(0, token);
        let asked = bench.asked(&Question::AddPartitions(FIRST, vec![tp(0)]));
        bench.answer(asked, Ok(Answer::Done));
        let (request, stamps) = bench.produced();
        assert_eq!((stamps[0].epoch, stamps[0].base_sequence), (0, sequence));
        bench.machine.handle_commit(bench.now);
        assert_eq!(bench.effects(), [], "nothing ends before all is written");
        bench.written(request, 0, ErrorCode::NONE);
        let mut effects = bench.effects();
        let Some(Effect::Ask(asked, question)) = effects.pop() else {
            panic!("{effects:?}");
        };
        assert_eq!(question, end(FIRST, true, Protocol::Announced));
        bench.answer(asked, Ok(Answer::Done));
        assert_eq!(bench.ended(), Ok(()));
        bench.begin_next();
    }
}

#[test]
fn each_transaction_has_an_epoch_of_its_own_and_announces_nothing() {
    let mut bench = Bench::open(Protocol::EpochEach);
    bench.send_through(0, 1);
    bench.machine.handle_commit(bench.now);
    let asked = bench.asked(&end(FIRST, true, Protocol::EpochEach));
    bench.answer(asked, Ok(Answer::Producer(SECOND, Protocol::EpochEach)));
    assert_eq!(bench.ended(), Ok(()));
    bench.begin_next();
    bench.send(0, 2);
    let (_, stamps) = bench.produced();
    assert_eq!((stamps[0].epoch, stamps[0].base_sequence), (1, 0));
}

#[test]
fn a_transaction_of_nothing_ends_without_the_coordinator() {
    for protocol in [Protocol::Announced, Protocol::EpochEach] {
        let mut bench = Bench::open(protocol);
        bench.machine.handle_commit(bench.now);
        assert_eq!(bench.effects(), [Effect::Ended(Ok(()))]);
        bench.begin_next();
        bench.machine.handle_abort(bench.now);
        assert_eq!(bench.effects(), [Effect::Ended(Ok(()))]);
        assert_eq!(bench.machine.state(), State::Ready);
    }
}

#[test]
fn nothing_lingers_at_a_commit() {
    let mut bench = Bench::open(Protocol::EpochEach);
    bench.machine.records = {
        let config = ProducerConfig {
            linger: Duration::from_secs(5),
            ..config()
        };
        let mut records = ProducerMachine::transactional(config, 1, bench.now);
        records.handle_begin(Sequence::new(9, 0), false, bench.now);
        records.handle_leader(&tp(0), Some(1), bench.now);
        records
    };
    bench.send(0, 1);
    assert_eq!(bench.effects(), []);
    bench.machine.handle_commit(bench.now);
    bench.produced();
}

#[test]
fn while_the_one_before_is_being_completed_the_wait_is_short() {
    let mut bench = Bench::open(Protocol::Announced);
    bench.send(0, 1);
    let question = Question::AddPartitions(FIRST, vec![tp(0)]);
    for _ in 0..20 {
        let asked = bench.asked(&question);
        bench.answer(asked, code(ErrorCode::CONCURRENT_TRANSACTIONS));
        assert_eq!(bench.effects(), []);
        bench.pass(asking::SOON);
    }
    let mut bench = Bench::open(Protocol::EpochEach);
    bench.send(0, 1);
    for _ in 0..20 {
        let (request, _) = bench.produced();
        bench.written(request, 0, ErrorCode::CONCURRENT_TRANSACTIONS);
        assert_eq!(bench.effects(), []);
        bench.pass(asking::SOON);
    }
}
