//! The way from the source topic to the sink.

use std::time::Duration;

use super::super::testing::*;
use super::super::*;
use crate::sink::Verdict::Delivered;
use Path::Main;

const NONE: [&str; 0] = [];

#[test]
fn a_delivered_record_is_committed() {
    let mut rig = Rig::main(Config::default(), &[0]);
    assert_eq!(rig.plain(Main, 0, &[5]), ["send 1 main 0@5"]);
    assert_eq!(rig.verdict(1, Delivered), ["commit 2 main 0=6"]);
    assert_eq!(rig.committed(2), NONE);
    assert_eq!(rig.wait_ms(), None);
    assert_eq!(rig.engine.totals(Main).delivered, 1);
}

#[test]
fn four_deliveries_a_second_apart_then_the_dead_letter_topic() {
    let mut rig = Rig::main(Config::default(), &[2]);
    assert_eq!(rig.plain(Main, 2, &[7]), ["send 1 main 2@7"]);
    for ticket in 1..=3 {
        assert_eq!(rig.verdict(ticket, transient()), NONE);
        assert_eq!(rig.wait_ms(), Some(1000));
        assert_eq!(rig.after_ms(999), NONE);
        let again = format!("send {} main 2@7", ticket + 1);
        assert_eq!(rig.after_ms(1), [again]);
    }
    assert_eq!(
        rig.verdict(4, transient()),
        ["forward 5 main 2 to dead-letter 2"]
    );
    assert_eq!(
        rig.wait_ms(),
        None,
        "nothing before the forward is acknowledged"
    );
    assert_eq!(rig.forwarded(5, 40), ["commit 6 main 2=8"]);
    let totals = rig.engine.totals(Main);
    assert_eq!(
        (totals.sent, totals.dead_lettered, totals.handled()),
        (4, 1, 1)
    );
}

#[test]
fn an_uncertain_attempt_counts_like_a_transient_one() {
    let mut rig = Rig::main(
        Config {
            max_retries: 0,
            ..Config::default()
        },
        &[0],
    );
    rig.plain(Main, 0, &[0]);
    let timeout = crate::sink::Failure::new(crate::sink::FailureKind::Timeout, "no answer");
    assert_eq!(
        rig.verdict(1, crate::sink::Verdict::Uncertain(timeout)),
        ["forward 2 main 0 to dead-letter 0"]
    );
}

#[test]
fn a_backoff_holds_up_its_own_partition_alone() {
    let mut rig = Rig::main(Config::default(), &[0, 1]);
    assert_eq!(rig.plain(Main, 0, &[0, 1]), ["send 1 main 0@0"]);
    assert_eq!(rig.plain(Main, 1, &[0, 1]), NONE, "one send at a time");
    assert_eq!(rig.verdict(1, transient()), ["send 2 main 1@0"]);
    assert_eq!(
        rig.verdict(2, Delivered),
        ["send 3 main 1@1", "commit 4 main 1=1"]
    );
    assert_eq!(rig.after_ms(1000), NONE);
    assert_eq!(rig.verdict(3, Delivered), ["send 5 main 0@0"]);
}

#[test]
fn partitions_take_turns() {
    let mut rig = Rig::main(Config::default(), &[0, 1, 2]);
    for partition in 0..3 {
        rig.plain(Main, partition, &[0, 1]);
    }
    let order: Vec<_> = (0..5)
        .map(|_| {
            let ticket = rig.engine.sends.keys().next().unwrap().0;
            rig.verdict(ticket, Delivered)
        })
        .map(|lines| lines[0].split(' ').next_back().unwrap().to_owned())
        .collect();
    assert_eq!(order, ["1@0", "2@0", "0@1", "1@1", "2@1"]);
}

#[test]
fn concurrency_is_over_all_partitions_and_one_within_each() {
    let mut rig = Rig::main(
        Config {
            concurrency: 2,
            ..Config::default()
        },
        &[0, 1, 2],
    );
    assert_eq!(rig.plain(Main, 0, &[0, 1]), ["send 1 main 0@0"]);
    assert_eq!(rig.plain(Main, 1, &[0]), ["send 2 main 1@0"]);
    assert_eq!(rig.plain(Main, 2, &[0]), NONE);
    assert_eq!(
        rig.verdict(1, Delivered),
        ["send 3 main 2@0", "commit 4 main 0=1"]
    );
}

#[test]
fn what_no_retry_can_mend_is_permanent_at_once() {
    let mut rig = Rig::main(Config::default(), &[1]);
    rig.plain(Main, 1, &[3]);
    assert_eq!(
        rig.verdict(1, rejected()),
        ["forward 2 main 1 to permanent-failure 1"]
    );
    assert_eq!(rig.forwarded(2, 0), ["commit 3 main 1=4"]);
    assert_eq!(rig.engine.totals(Main).permanent, 1);
}

#[test]
fn or_a_dead_letter_for_those_who_want_it() {
    let config = Config {
        final_destination: Destination::DeadLetter,
        ..Config::default()
    };
    let mut rig = Rig::main(config, &[1]);
    rig.plain(Main, 1, &[3]);
    assert_eq!(
        rig.verdict(1, rejected()),
        ["forward 2 main 1 to dead-letter 1"]
    );
}

#[test]
fn a_partition_that_holds_two_chunks_is_not_fetched() {
    let mut rig = Rig::main(Config::default(), &[0]);
    rig.plain(Main, 0, &[0, 1]);
    assert_eq!(rig.plain(Main, 0, &[2, 3]), ["pause main 0"]);
    rig.verdict(1, Delivered);
    let lines = rig.verdict(2, Delivered);
    assert_eq!(lines, ["send 4 main 0@2", "resume main 0"]);
}

#[test]
fn bytes_that_are_no_records_stop_their_partition_alone() {
    let mut rig = Rig::main(
        Config {
            concurrency: 2,
            ..Config::default()
        },
        &[0, 1],
    );
    let chunk = [Ok(record_with_headers(0, &[])), Err("bad batch".to_owned())];
    assert_eq!(
        rig.records(Main, 0, Chunk(chunk.into())),
        ["send 1 main 0@0"]
    );
    assert_eq!(
        rig.verdict(1, Delivered),
        [
            "PartitionStuck 0 bad batch",
            "commit 2 main 0=1",
            "pause main 0"
        ]
    );
    assert_eq!(rig.plain(Main, 0, &[9]), NONE, "nothing is skipped");
    assert_eq!(rig.plain(Main, 1, &[0]), ["send 3 main 1@0"]);
    assert_eq!(rig.wait_ms(), Some(60_000));
    assert_eq!(rig.after_ms(60_000), ["PartitionStuck 0 bad batch"]);
}

#[test]
fn answers_nobody_asked_for_change_nothing() {
    let mut rig = Rig::main(Config::default(), &[0]);
    rig.plain(Main, 0, &[0]);
    assert_eq!(rig.verdict(9, Delivered), NONE);
    assert_eq!(rig.forwarded(1, 0), NONE);
    assert_eq!(rig.committed(1), NONE);
    assert_eq!(rig.probed(Ok(())), NONE);
    assert_eq!(rig.plain(Main, 7, &[0]), NONE);
    assert_eq!(rig.verdict(1, Delivered), ["commit 2 main 0=1"]);
    assert_eq!(rig.verdict(1, Delivered), NONE);
}

#[test]
fn no_backoff_at_all_is_no_wait() {
    let config = Config {
        backoff: Duration::ZERO,
        ..Config::default()
    };
    let mut rig = Rig::main(config, &[0]);
    rig.plain(Main, 0, &[0]);
    assert_eq!(rig.verdict(1, transient()), ["send 2 main 0@0"]);
}
