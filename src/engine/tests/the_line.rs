//! The line to the sink, which all records share.

use super::super::testing::*;
use super::super::*;
use crate::sink::Verdict::Delivered;
use crate::sink::{Failure, FailureKind};
use Path::{Drain, Main};

const NONE: [&str; 0] = [];

fn down() -> Failure {
    Failure::new(FailureKind::Unauthorized, "401")
}

#[test]
fn a_wait_that_is_asked_for_holds_both_paths_and_counts_no_attempt() {
    let config = Config {
        max_retries: 0,
        ..Config::default()
    };
    let mut rig = Rig::new(config);
    rig.assigned(Main, &[0, 1]);
    rig.assigned(Drain, &[0]);
    rig.plain(Main, 0, &[0]);
    rig.plain(Main, 1, &[0]);
    rig.effects();
    assert_eq!(rig.verdict(1, retry_after(30)), ["LineHeld 30s"]);
    assert_eq!(rig.plain(Drain, 0, &[0]), NONE);
    assert_eq!(rig.after_ms(29_999), NONE);
    assert_eq!(
        rig.after_ms(1),
        ["send 2 main 0@0", "send 3 drain 0@0 retry 1"],
        "the record that had to wait goes first"
    );
    assert_eq!(
        rig.verdict(2, transient()),
        ["forward 4 main 0 to dead-letter 0", "send 5 main 1@0"]
    );
}

#[test]
fn a_sink_that_is_down_stops_the_line_until_a_probe_succeeds() {
    let mut rig = Rig::main(
        Config {
            concurrency: 2,
            max_retries: 0,
            ..Config::default()
        },
        &[0, 1],
    );
    rig.plain(Main, 0, &[0]);
    rig.plain(Main, 1, &[0]);
    assert_eq!(
        rig.verdict(1, sink_down()),
        ["LineStopped unauthorized: 401", "pause main 0 1"]
    );
    assert_eq!(rig.verdict(2, sink_down()), NONE, "said once");
    for second in (10..=120).step_by(10) {
        assert_eq!(rig.after_ms(10_000), ["probe"], "at {second} s");
        assert_eq!(rig.after_ms(0), NONE, "one at a time");
        match second {
            60 => assert_eq!(rig.probed(Err(down())), ["LineStillStopped 60s"]),
            120 => assert_eq!(
                rig.probed(Ok(())),
                [
                    "LineResumed",
                    "send 3 main 0@0",
                    "send 4 main 1@0",
                    "resume main 0 1"
                ]
            ),
            _ => assert_eq!(rig.probed(Err(down())), NONE),
        }
    }
    assert_eq!(rig.wait_ms(), None);
    assert_eq!(
        rig.verdict(3, Delivered),
        ["commit 5 main 0=1"],
        "nothing was committed before"
    );
}

#[test]
fn a_stopped_line_lets_forwards_and_commits_through() {
    let mut rig = Rig::main(
        Config {
            concurrency: 2,
            ..Config::default()
        },
        &[0, 1],
    );
    rig.plain(Main, 0, &[0]);
    rig.plain(Main, 1, &[0]);
    rig.verdict(1, sink_down());
    assert_eq!(
        rig.verdict(2, rejected()),
        ["forward 3 main 1 to permanent-failure 1"]
    );
    assert_eq!(rig.forwarded(3, 0), ["commit 4 main 1=1"]);
}

#[test]
fn a_sink_that_is_never_reached_is_nobodys_record() {
    let mut rig = Rig::main(Config::default(), &[0]);
    rig.plain(Main, 0, &[0]);
    for round in 0..2 {
        let first = round * 4 + 1;
        for ticket in first..first + 3 {
            assert_eq!(rig.verdict(ticket, unreachable()), NONE);
            assert_eq!(rig.after_ms(1000).len(), 1);
        }
        assert_eq!(
            rig.verdict(first + 3, unreachable()),
            ["LineStopped unreachable: refused", "pause main 0"]
        );
        assert_eq!(rig.after_ms(60_000), ["probe"]);
        let again = format!("send {} main 0@0", first + 4);
        assert_eq!(
            rig.probed(Ok(())),
            ["LineResumed", again.as_str(), "resume main 0"],
            "with all its attempts"
        );
    }
}

#[test]
fn a_sink_that_was_reached_once_makes_it_the_records_failure() {
    let mut rig = Rig::main(Config::default(), &[0]);
    rig.plain(Main, 0, &[0]);
    for (ticket, verdict) in [(1, unreachable()), (2, transient()), (3, unreachable())] {
        rig.verdict(ticket, verdict);
        rig.after_ms(1000);
    }
    assert_eq!(
        rig.verdict(4, unreachable()),
        ["forward 5 main 0 to dead-letter 0"]
    );
}

#[test]
fn a_drain_stops_the_line_too_and_counts_nothing() {
    for verdict in [unreachable(), sink_down()] {
        let mut rig = Rig::drain(DrainConfig::default(), &[0]);
        assert_eq!(
            rig.records(Drain, 0, [dead_letter(0, "2")]),
            ["send 1 drain 0@0 retry 3"]
        );
        let lines = rig.verdict(1, verdict);
        assert!(lines[0].starts_with("LineStopped"), "{lines:?}");
        assert_eq!(lines[1..], ["pause drain 0"]);
        assert_eq!(rig.after_ms(10_000), ["probe"]);
        assert_eq!(
            rig.probed(Ok(())),
            ["LineResumed", "send 2 drain 0@0 retry 3", "resume drain 0"]
        );
    }
}

#[test]
fn a_verdict_for_a_lost_partition_still_speaks_for_the_sink() {
    let mut rig = Rig::main(Config::default(), &[0, 1]);
    rig.plain(Main, 0, &[0]);
    rig.plain(Main, 1, &[0]);
    assert_eq!(rig.lost(Main, 0), NONE, "its send holds the slot");
    assert_eq!(
        rig.verdict(1, sink_down()),
        ["LineStopped unauthorized: 401", "pause main 1"]
    );
}
