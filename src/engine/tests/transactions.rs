//! Forwards that are one transaction with the commit of their offsets.

use super::super::testing::*;
use super::super::*;
use crate::sink::Verdict::Delivered;
use ForwardFailureKind::{Fenced, NotWritten};
use Path::{Drain, Main};

const NONE: [&str; 0] = [];

/// A main path on which every record is forwarded after one delivery that fails.
fn rig(partitions: &[i32]) -> Rig {
    let config = Config {
        max_retries: 0,
        concurrency: 3,
        drain: None,
        ..Config::default()
    };
    let mut rig = Rig::with(config, Forwarding::Transactional);
    rig.assigned(Main, partitions);
    assert_eq!(rig.effects(), NONE);
    rig
}

#[test]
fn a_forward_commits_its_record_and_all_before_it() {
    let mut rig = rig(&[0]);
    rig.plain(Main, 0, &[0, 1, 2]);
    assert_eq!(
        rig.verdict(1, Delivered),
        ["send 2 main 0@1", "commit 3 main 0=1"]
    );
    assert_eq!(
        rig.verdict(2, transient()),
        NONE,
        "an older commit must not come to pass after the newer one"
    );
    assert_eq!(
        rig.committed(3),
        ["forward 4 main 0 to dead-letter 0, commit 0=2"]
    );
    assert_eq!(rig.moved(4, &[7]), ["send 5 main 0@2"], "all is committed");
    assert_eq!(rig.engine.totals(Main).dead_lettered, 1);
}

#[test]
fn what_is_ready_while_two_are_under_way_goes_together_in_the_next() {
    let mut rig = rig(&[0, 1, 2, 3]);
    for partition in 0..4 {
        rig.plain(Main, partition, &[0]);
    }
    assert_eq!(
        rig.verdict(1, transient()),
        [
            "forward 4 main 0 to dead-letter 0, commit 0=1",
            "send 5 main 3@0"
        ]
    );
    assert_eq!(
        rig.verdict(2, transient()),
        ["forward 6 main 1 to dead-letter 1, commit 1=1"]
    );
    assert_eq!(rig.verdict(3, transient()), NONE);
    assert_eq!(
        rig.verdict(5, rejected()),
        ["TooFewPartitions permanent-failure 3"]
    );
    assert_eq!(
        rig.moved(6, &[0]),
        ["forward 7 main 2 to dead-letter 2 3 to permanent-failure 0, commit 2=1 3=1"]
    );
    assert_eq!(rig.moved(4, &[0]), NONE);
    assert_eq!(rig.moved(7, &[0, 0]), NONE);
    let totals = rig.engine.totals(Main);
    assert_eq!((totals.dead_lettered, totals.permanent), (3, 1));
}

#[test]
fn what_could_not_be_written_goes_alone_and_keeps_no_other() {
    let mut rig = rig(&[0, 1, 2]);
    for partition in 0..3 {
        rig.plain(Main, partition, &[0]);
    }
    rig.verdict(1, transient());
    rig.verdict(2, transient());
    assert_eq!(
        rig.not_forwarded(4, NotWritten),
        ["PartitionStuck 0 no leader"]
    );
    rig.not_forwarded(5, NotWritten);
    assert_eq!(
        rig.after_ms(100),
        ["forward again 6 main 0 to dead-letter 0, commit 0=1"],
        "one of the two"
    );
    assert_eq!(
        rig.verdict(3, transient()),
        ["forward 7 main 2 to dead-letter 2, commit 2=1"]
    );
    assert_eq!(
        rig.moved(6, &[0]),
        ["forward again 8 main 1 to dead-letter 1, commit 1=1"]
    );
    assert_eq!(rig.moved(8, &[0]), NONE);
    assert_eq!(rig.moved(7, &[0]), NONE);
}

#[test]
fn a_partition_that_is_read_again_waits_for_its_transaction_of_before() {
    let mut rig = rig(&[0]);
    rig.plain(Main, 0, &[5]);
    rig.verdict(1, transient());
    assert_eq!(
        rig.reset(Main, 0, 3),
        NONE,
        "its commit would be the older one"
    );
    rig.plain(Main, 0, &[3]);
    assert_eq!(rig.verdict(3, transient()), NONE);
    assert_eq!(
        rig.moved(2, &[0]),
        ["forward 4 main 0 to dead-letter 0, commit 0=4"]
    );
}

#[test]
fn what_was_delivered_is_committed_while_a_forward_waits_to_be_made_again() {
    let mut rig = rig(&[0]);
    rig.plain(Main, 0, &[0, 1]);
    rig.verdict(1, Delivered);
    rig.verdict(2, transient());
    rig.not_committed(3, CommitFailureKind::Retriable);
    assert_eq!(
        rig.not_forwarded(4, NotWritten),
        ["PartitionStuck 0 no leader"]
    );
    assert_eq!(
        rig.after_ms(100),
        ["forward again 5 main 0 to dead-letter 0, commit 0=2"]
    );
    rig.not_forwarded(5, NotWritten);
    assert_eq!(rig.wait_ms(), Some(200));
}

#[test]
fn a_group_that_moves_on_is_no_trouble_at_first() {
    let mut rig = rig(&[0]);
    rig.plain(Main, 0, &[0]);
    rig.verdict(1, transient());
    assert_eq!(rig.not_forwarded(2, Fenced), NONE);
    rig.after_ms(100);
    assert_eq!(rig.not_forwarded(3, Fenced), NONE);
    rig.after_ms(200);
    assert_eq!(rig.not_forwarded(4, Fenced), NONE);
    rig.after_ms(400);
    assert_eq!(rig.not_forwarded(5, Fenced), ["PartitionStuck 0 no leader"]);
}

#[test]
fn a_partition_that_is_revoked_waits_for_its_transaction() {
    let mut rig = rig(&[0, 1]);
    rig.plain(Main, 0, &[0]);
    rig.plain(Main, 1, &[0]);
    rig.verdict(1, transient());
    assert_eq!(rig.revoking(Main, &[0, 1]), NONE);
    assert_eq!(
        rig.verdict(2, transient()),
        ["forward 4 main 1 to dead-letter 1, commit 1=1"]
    );
    assert_eq!(rig.moved(3, &[0]), NONE);
    assert_eq!(rig.moved(4, &[0]), ["revoked main 0 1"]);
}

#[test]
fn a_partition_that_is_lost_is_none_of_its_transaction() {
    let mut rig = rig(&[0, 1]);
    rig.plain(Main, 0, &[0]);
    rig.verdict(1, transient());
    assert_eq!(rig.lost(Main, 0), NONE);
    assert_eq!(rig.moved(2, &[0]), NONE);
    assert_eq!(rig.engine.totals(Main).dead_lettered, 0);
}

#[test]
fn a_drained_record_goes_back_with_its_commit_and_is_met_again() {
    let mut rig = Rig::with(Config::default(), Forwarding::Transactional);
    rig.assigned(Drain, &[0]);
    rig.effects();
    rig.ends(&[(0, 1)]);
    assert_eq!(
        rig.records(Drain, 0, [dead_letter(0, "1")]),
        ["send 1 drain 0@0 retry 2"]
    );
    assert_eq!(
        rig.verdict(1, transient()),
        ["forward 2 drain 0 to dead-letter 0, commit 0=1"]
    );
    assert_eq!(
        rig.moved(2, &[1]),
        NONE,
        "the pass goes on to what it put back"
    );
    assert_eq!(
        rig.records(Drain, 0, [dead_letter(1, "2")]),
        ["send 3 drain 0@1 retry 3"]
    );
    rig.verdict(3, Delivered);
    rig.committed(4);
    assert_eq!(
        rig.end(0, 3),
        ["commit 5 drain 0=3"],
        "past the marker of the transaction"
    );
}

#[test]
fn without_transactions_a_forward_is_acknowledged_before_its_commit() {
    let mut rig = rig(&[0]);
    rig.plain(Main, 0, &[0]);
    rig.verdict(1, transient());
    let now = rig.now();
    rig.engine.handle_no_transactions("no right".into(), now);
    rig.engine.handle_no_transactions("no right".into(), now);
    assert_eq!(rig.effects(), ["NoTransactions no right"], "told once");
    rig.not_forwarded(2, NotWritten);
    assert_eq!(rig.after_ms(100), ["forward 3 main 0 to dead-letter 0"]);
    assert_eq!(rig.forwarded(3, 0), ["commit 4 main 0=1"]);
}
