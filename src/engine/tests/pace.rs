//! Messages that keep a rate.

use std::time::Duration;

use super::super::testing::*;
use super::super::*;
use crate::sink::Verdict::Delivered;
use Path::{Drain, Main};

const NONE: [&str; 0] = [];

/// One message in ten seconds, and three at once as far as `concurrency` goes.
fn slow() -> Config {
    let rate = Rate {
        messages: 1,
        per: Duration::from_secs(10),
    };
    Config {
        rate: Some(rate),
        concurrency: 3,
        ..Config::default()
    }
}

/// Partition 0 has sent; 1 and 2 wait for their turn.
fn waiting() -> Rig {
    let mut rig = Rig::main(slow(), &[0, 1, 2]);
    assert_eq!(rig.plain(Main, 0, &[0, 1]), ["send 1 main 0@0"]);
    assert_eq!(rig.plain(Main, 1, &[0]), NONE);
    assert_eq!(rig.plain(Main, 2, &[0]), NONE);
    rig
}

#[test]
fn messages_leave_one_at_a_time() {
    let mut rig = waiting();
    assert_eq!(rig.wait_ms(), Some(10_000));
    assert_eq!(rig.after_ms(9_999), NONE);
    assert_eq!(rig.after_ms(1), ["send 2 main 1@0"]);
    assert_eq!(rig.after_ms(10_000), ["send 3 main 2@0"]);
    assert_eq!(rig.after_ms(60_000), NONE, "one of a partition at a time");
    assert_eq!(
        rig.verdict(1, Delivered),
        ["send 4 main 0@1", "commit 5 main 0=1"],
        "a turn that nobody took is there"
    );
}

#[test]
fn what_waits_for_its_turn_goes_with_its_partition_at_once() {
    let mut rig = waiting();
    assert_eq!(rig.revoking(Main, &[1]), ["revoked main 1"]);
    assert_eq!(rig.after_ms(10_000), ["send 2 main 2@0"]);
}

#[test]
fn what_waits_for_its_turn_is_not_sent_after_its_partition_is_lost() {
    let mut rig = waiting();
    rig.lost(Main, 1);
    rig.lost(Main, 2);
    assert_eq!(rig.after_ms(60_000), NONE);
}

#[test]
fn a_shutdown_waits_for_what_has_begun_alone() {
    let mut rig = waiting();
    assert_eq!(rig.shutdown(), NONE);
    assert_eq!(rig.verdict(1, Delivered), ["commit 2 main 0=1"]);
    assert_eq!(rig.committed(2), ["stopped"]);
}

#[test]
fn a_line_that_stops_sends_none_of_those_that_wait() {
    let mut rig = waiting();
    assert_eq!(
        rig.verdict(1, sink_down()),
        ["LineStopped unauthorized: 401", "pause main 0 1 2"]
    );
    assert_eq!(rig.after_ms(10_000), ["probe"]);
    assert_eq!(
        rig.probed(Ok(())),
        ["LineResumed", "send 2 main 0@0", "resume main 0 1 2"]
    );
}

#[test]
fn a_backlog_of_one_path_leaves_the_other_its_turns() {
    let mut rig = Rig::new(slow());
    rig.assigned(Main, &[0, 1, 2]);
    rig.assigned(Drain, &[0]);
    rig.ends(&[(0, 2)]);
    rig.effects();
    for partition in 0..3 {
        rig.plain(Main, partition, &[0]);
    }
    assert_eq!(rig.plain(Drain, 0, &[0, 1]), NONE);
    assert_eq!(rig.after_ms(10_000), ["send 2 drain 0@0 retry 1"]);
    assert_eq!(rig.after_ms(10_000), ["send 3 main 1@0"]);
    assert_eq!(rig.verdict(2, Delivered), ["commit 4 drain 0=1"]);
    assert_eq!(rig.committed(4), NONE);
    assert_eq!(rig.after_ms(10_000), ["send 5 drain 0@1 retry 1"]);
}
