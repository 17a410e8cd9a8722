//! When a pass of the drain begins and ends.

use std::time::Duration;

use super::super::testing::*;
use super::super::*;
use crate::sink::Verdict::Delivered;
use ForwardFailureKind::NotWritten;
use Path::Drain;

const NONE: [&str; 0] = [];

fn snapshot() -> DrainConfig {
    DrainConfig {
        mode: DrainMode::Snapshot,
        ..DrainConfig::default()
    }
}

#[test]
fn the_first_pass_waits_for_the_assignment_and_the_next_for_the_interval() {
    let mut rig = Rig::new(Config::default());
    assert_eq!(rig.after_ms(600_000), NONE);
    rig.assigned(Drain, &[0, 1]);
    let effects = rig.effects();
    assert_eq!(
        effects,
        ["DrainStarted", "ends of 0 1"],
        "fetched from the start"
    );
    rig.ends(&[(0, 0), (1, 0)]);
    assert_eq!(rig.end(0, 0), ["pause drain 0"]);
    rig.after_ms(5_000);
    assert_eq!(rig.end(1, 0), ["DrainFinished 0: 0 0 0", "pause drain 1"]);
    assert_eq!(rig.wait_ms(), Some(300_000), "from its end");
    assert_eq!(rig.after_ms(299_999), NONE);
    assert_eq!(
        rig.after_ms(1),
        ["DrainStarted", "ends of 0 1", "resume drain 0 1"]
    );
    assert_eq!(rig.wait_ms(), None);
}

#[test]
fn a_pass_without_partitions_ends_at_once() {
    let mut rig = Rig::new(Config::default());
    rig.assigned(Drain, &[]);
    assert_eq!(rig.effects(), ["DrainStarted", "DrainFinished 0: 0 0 0"]);
    rig.assigned(Drain, &[0]);
    assert_eq!(rig.effects(), ["pause drain 0"], "until the next pass");
    assert_eq!(
        rig.after_ms(300_000),
        ["DrainStarted", "ends of 0", "resume drain 0"]
    );
}

#[test]
fn an_end_seen_in_an_earlier_pass_is_none() {
    let mut rig = Rig::drain(DrainConfig::default(), &[0]);
    rig.end(0, 0);
    rig.after_ms(300_000);
    assert_eq!(rig.ends(&[(0, 0)]), NONE);
    assert_eq!(rig.end(0, 0)[0], "DrainFinished 0: 0 0 0");
}

/// A consumer that goes on after a pause first tells of the end it knew before.
#[test]
fn an_end_from_before_the_pause_is_none() {
    let mut rig = Rig::drain(DrainConfig::default(), &[0]);
    rig.end(0, 0);
    rig.after_ms(300_000);
    assert_eq!(rig.end(0, 0), NONE, "what came meanwhile is not known yet");
    assert_eq!(rig.ends(&[(0, 1)]), NONE, "one dead letter");
    assert_eq!(rig.plain(Drain, 0, &[0]), ["send 1 drain 0@0 retry 1"]);
    rig.verdict(1, Delivered);
    assert_eq!(rig.committed(2), NONE);
    assert_eq!(rig.end(0, 1), ["ends of 0"]);
    let finished = ["DrainFinished 1: 1 0 0", "pause drain 0"];
    assert_eq!(rig.ends(&[(0, 1)]), finished);
}

#[test]
fn what_came_meanwhile_to_a_partition_that_was_done_with_belongs_to_the_pass() {
    let mut rig = Rig::drain(DrainConfig::default(), &[0, 1]);
    rig.plain(Drain, 0, &[0]);
    rig.end(1, 0);
    rig.verdict(1, Delivered);
    rig.committed(2);
    assert_eq!(rig.end(0, 1), ["ends of 0 1", "resume drain 1"]);
    assert_eq!(rig.ends(&[(0, 1), (1, 1)]), ["pause drain 0"]);
    assert_eq!(rig.plain(Drain, 1, &[0]), ["send 3 drain 1@0 retry 1"]);
    rig.verdict(3, Delivered);
    rig.committed(4);
    assert_eq!(rig.end(1, 1), ["ends of 0 1", "resume drain 0"]);
    let lines = rig.ends(&[(0, 1), (1, 1)]);
    assert_eq!(lines[0], "DrainFinished 2: 2 0 0");
}

/// As where the dead-letter topic was deleted and made again in the middle of a pass.
#[test]
fn an_end_before_the_one_that_is_known_is_asked_for_again() {
    let mut rig = Rig::new(Config::default());
    rig.assigned(Drain, &[0]);
    rig.effects();
    rig.ends(&[(0, 40)]);
    assert_eq!(rig.plain(Drain, 0, &[0]), ["send 1 drain 0@0 retry 1"]);
    rig.verdict(1, Delivered);
    rig.committed(2);
    assert_eq!(rig.end(0, 3), ["ends of 0", "commit 3 drain 0=3"]);
    rig.committed(3);
    assert_eq!(rig.ends(&[(0, 3)]), ["ends of 0"], "a last look");
    let finished = ["DrainFinished 1: 1 0 0", "pause drain 0"];
    assert_eq!(rig.ends(&[(0, 3)]), finished);
}

#[test]
fn an_end_seen_before_the_last_records_is_none() {
    let mut rig = Rig::drain(DrainConfig::default(), &[0, 1]);
    rig.plain(Drain, 1, &[0]);
    rig.end(0, 0);
    assert_eq!(rig.end(1, 1), NONE);
    rig.plain(Drain, 1, &[1]);
    rig.verdict(1, Delivered);
    rig.committed(2);
    rig.verdict(3, Delivered);
    assert_eq!(rig.committed(4), NONE);
    assert_eq!(rig.end(1, 2), ["ends of 0 1", "resume drain 0"]);
    let lines = rig.ends(&[(0, 0), (1, 2)]);
    assert_eq!(lines[0], "DrainFinished 2: 2 0 0");
}

#[test]
fn a_snapshot_ends_where_the_topic_ended_at_its_start() {
    let mut rig = Rig::new(Config {
        drain: Some(snapshot()),
        ..Config::default()
    });
    rig.assigned(Drain, &[0, 1]);
    assert_eq!(rig.effects(), ["DrainStarted", "ends of 0 1"]);
    assert_eq!(
        rig.plain(Drain, 0, &[0, 1]),
        NONE,
        "the end is not known yet"
    );
    assert_eq!(rig.ends(&[(0, 1), (1, 0)]), ["send 1 drain 0@0 retry 1"]);
    rig.verdict(1, transient());
    rig.forwarded(2, 2);
    assert_eq!(rig.committed(3), ["pause drain 0"], "tried once");
    assert_eq!(rig.end(1, 0), ["DrainFinished 1: 0 1 0", "pause drain 1"]);
    assert_eq!(
        rig.after_ms(300_000),
        ["DrainStarted", "ends of 0 1", "resume drain 0 1"]
    );
    let next = rig.ends(&[(0, 3)]);
    assert_eq!(
        next,
        ["send 4 drain 0@1 retry 1"],
        "what it held is not lost"
    );
}

#[test]
fn a_partition_that_comes_in_mid_pass_joins_it() {
    let mut rig = Rig::drain(snapshot(), &[0]);
    rig.assigned(Drain, &[1]);
    assert_eq!(rig.effects(), ["ends of 1"]);
    assert_eq!(rig.ends(&[(1, 0)]), NONE);
    rig.end(0, 0);
    assert_eq!(rig.end(1, 0)[0], "DrainFinished 0: 0 0 0");
}

#[test]
fn a_partition_that_can_not_be_read_on_keeps_no_pass_open() {
    let mut rig = Rig::drain(DrainConfig::default(), &[0]);
    assert_eq!(rig.plain(Drain, 0, &[0]), ["send 1 drain 0@0 retry 1"]);
    assert_eq!(rig.failed(0), NONE, "what it has is handled first");
    rig.verdict(1, Delivered);
    assert_eq!(rig.committed(2)[0], "DrainFinished 1: 1 0 0 stuck 1");
}

#[test]
fn a_partition_whose_end_is_not_known_either_keeps_no_pass_open() {
    let mut rig = Rig::new(Config::default());
    rig.assigned(Drain, &[0]);
    assert_eq!(rig.effects(), ["DrainStarted", "ends of 0"]);
    assert_eq!(rig.failed(0)[0], "DrainFinished 0: 0 0 0 stuck 1");
}

#[test]
fn a_partition_that_is_read_on_after_all_belongs_to_the_pass_again() {
    let mut rig = Rig::drain(DrainConfig::default(), &[0, 1]);
    rig.plain(Drain, 0, &[0]);
    rig.failed(0);
    rig.plain(Drain, 0, &[1]);
    rig.end(1, 0);
    rig.verdict(1, Delivered);
    rig.committed(2);
    rig.verdict(3, Delivered);
    assert_eq!(rig.committed(4), NONE);
    assert_eq!(rig.end(0, 2), ["ends of 0 1", "resume drain 1"]);
    let lines = rig.ends(&[(0, 2), (1, 0)]);
    assert_eq!(lines[0], "DrainFinished 2: 2 0 0");
}

#[test]
fn a_partition_that_goes_in_mid_pass_leaves_it() {
    let mut rig = Rig::drain(DrainConfig::default(), &[0, 1]);
    rig.plain(Drain, 1, &[0]);
    rig.end(0, 0);
    assert_eq!(rig.lost(Drain, 1), ["DrainFinished 1: 0 0 0"]);
    assert_eq!(rig.verdict(1, transient()), NONE, "it is another's");
}

#[test]
fn a_record_rests_by_its_count() {
    let drain = DrainConfig {
        delays: vec![
            Duration::ZERO,
            Duration::from_secs(60),
            Duration::from_secs(3600),
        ],
        ..DrainConfig::default()
    };
    let mut rig = Rig::drain(drain, &[0]);
    let failed = (WALL_MS - 59_000).to_string();
    let headers: [(&[u8], Option<&[u8]>); 2] = [
        (b"retry-count", Some(b"1")),
        (
            headers::LAST_FAILURE_TIME.as_bytes(),
            Some(failed.as_bytes()),
        ),
    ];
    assert_eq!(
        rig.records(Drain, 0, [record_with_headers(0, &headers)]),
        ["DrainFinished 0: 0 0 0", "pause drain 0"]
    );
    assert_eq!(
        rig.after_ms(300_000),
        [
            "DrainStarted",
            "ends of 0",
            "send 1 drain 0@0 retry 2",
            "resume drain 0"
        ]
    );
}

#[test]
fn a_forward_that_fails_keeps_the_pass_open() {
    let mut rig = Rig::drain(DrainConfig::default(), &[0]);
    rig.plain(Drain, 0, &[0]);
    rig.verdict(1, transient());
    assert_eq!(
        rig.not_forwarded(2, NotWritten),
        ["PartitionStuck 0 no leader"]
    );
    assert_eq!(rig.end(0, 1), NONE);
    assert_eq!(rig.after_ms(100), ["forward 3 drain 0 to dead-letter 0"]);
}

#[test]
fn bytes_that_are_no_records_do_not_keep_it_open() {
    let mut rig = Rig::drain(DrainConfig::default(), &[0]);
    let chunk = Chunk([Err("bad batch".to_owned())].into());
    let lines = rig.records(Drain, 0, chunk);
    let finished = "DrainFinished 0: 0 0 0 stuck 1";
    assert_eq!(
        lines,
        [finished, "PartitionStuck 0 bad batch", "pause drain 0"]
    );
}

#[test]
fn one_shot_is_one_pass() {
    let drain = DrainConfig {
        one_shot: true,
        ..DrainConfig::default()
    };
    let mut rig = Rig::drain(drain, &[0]);
    rig.plain(Drain, 0, &[0]);
    rig.verdict(1, Delivered);
    rig.committed(2);
    assert_eq!(rig.end(0, 1), ["ends of 0"]);
    let finished = ["DrainFinished 1: 1 0 0", "stopped"];
    assert_eq!(rig.ends(&[(0, 1)]), finished);
    assert_eq!(rig.wait_ms(), None);
}

#[test]
fn one_shot_goes_on_without_a_partition_whose_record_can_not_be_forwarded() {
    let drain = DrainConfig {
        one_shot: true,
        ..DrainConfig::default()
    };
    let mut rig = Rig::drain(drain, &[0, 1]);
    rig.plain(Drain, 0, &[0, 1]);
    assert_eq!(rig.verdict(1, transient()).len(), 1);
    let mut ticket = 2;
    for wait in [100, 200, 400, 800] {
        rig.not_forwarded(ticket, NotWritten);
        ticket += 1;
        let again = format!("forward {ticket} drain 0 to dead-letter 0");
        assert_eq!(rig.after_ms(wait), [again]);
    }
    assert_eq!(rig.not_forwarded(ticket, NotWritten), ["pause drain 0"]);
    assert_eq!(rig.plain(Drain, 1, &[0]), ["send 7 drain 1@0 retry 1"]);
    assert_eq!(rig.end(1, 1), NONE, "the others finish");
    assert_eq!(rig.verdict(7, Delivered), ["commit 8 drain 1=1"]);
    assert_eq!(rig.committed(8), ["ends of 1"]);
    let finished = ["DrainFinished 2: 1 0 0 stuck 1", "stopped"];
    assert_eq!(rig.ends(&[(1, 1)]), finished);
}

#[test]
fn one_shot_does_not_wait_for_a_sink_that_is_down() {
    let drain = DrainConfig {
        one_shot: true,
        ..DrainConfig::default()
    };
    let mut rig = Rig::drain(drain, &[0]);
    rig.plain(Drain, 0, &[0]);
    assert_eq!(
        rig.verdict(1, sink_down()),
        [
            "LineStopped unauthorized: 401",
            "DrainFinished 1: 0 0 0 interrupted",
            "stopped"
        ]
    );
}

#[test]
fn no_interval_is_no_busy_loop() {
    let drain = DrainConfig {
        interval: Duration::ZERO,
        ..DrainConfig::default()
    };
    let mut rig = Rig::new(Config {
        drain: Some(drain),
        ..Config::default()
    });
    rig.assigned(Drain, &[]);
    assert_eq!(rig.effects().len(), 2);
    assert_eq!(rig.wait_ms(), Some(100));
}

fn one_shot() -> DrainConfig {
    DrainConfig {
        one_shot: true,
        answer_timeout: Duration::from_secs(60),
        ..DrainConfig::default()
    }
}

#[test]
fn one_shot_does_not_wait_for_an_assignment_for_ever() {
    let mut rig = Rig::new(Config {
        drain: Some(one_shot()),
        ..Config::default()
    });
    assert_eq!(rig.after_ms(0), NONE);
    assert_eq!(rig.wait_ms(), Some(60_000));
    assert_eq!(rig.after_ms(59_999), NONE);
    assert_eq!(rig.after_ms(1), ["KafkaSilent Assignment 60s", "stopped"]);
}

#[test]
fn one_shot_does_not_wait_for_end_offsets_for_ever() {
    let mut rig = Rig::new(Config {
        drain: Some(one_shot()),
        ..Config::default()
    });
    rig.assigned(Drain, &[0, 1]);
    rig.effects();
    rig.after_ms(30_000);
    // Of one partition they come, and the other's are waited for as long again.
    assert_eq!(rig.ends(&[(0, 0)]), NONE);
    assert_eq!(rig.wait_ms(), Some(60_000));
    assert_eq!(
        rig.after_ms(60_000),
        [
            "KafkaSilent EndOffsets 60s",
            "DrainFinished 0: 0 0 0 interrupted",
            "stopped"
        ]
    );
}

#[test]
fn one_shot_does_not_wait_for_a_commit_for_ever() {
    let mut rig = Rig::drain(one_shot(), &[0]);
    rig.plain(Drain, 0, &[0]);
    rig.verdict(1, Delivered);
    for failed in 0..2 {
        rig.not_committed(2 + failed, CommitFailureKind::Retriable);
        rig.after_ms(29_000);
    }
    assert_eq!(rig.wait_ms(), Some(2_000), "a failure is no answer");
    assert_eq!(rig.after_ms(2_000), ["KafkaSilent Commit 60s"]);
    assert_eq!(
        rig.after_ms(15_000),
        [
            "Uncommitted 0=1",
            "DrainFinished 1: 1 0 0 interrupted",
            "stopped"
        ]
    );
}

#[test]
fn one_shot_does_not_wait_for_records_for_ever() {
    let mut rig = Rig::drain(one_shot(), &[0]);
    rig.after_ms(50_000);
    rig.plain(Drain, 0, &[0]);
    rig.verdict(1, Delivered);
    rig.committed(2);
    let ended = [
        "KafkaSilent Records 60s",
        "DrainFinished 1: 1 0 0 interrupted",
        "stopped",
    ];
    assert_eq!(rig.after_ms(60_000), ended);
}

#[test]
fn one_shot_does_not_wait_for_a_forward_for_ever() {
    let mut rig = Rig::drain(one_shot(), &[0]);
    rig.records(Drain, 0, [dead_letter(0, "3")]);
    assert_eq!(rig.after_ms(60_000), ["KafkaSilent Forward 60s"]);
    let ended = [
        "GaveUp 0@0",
        "DrainFinished 0: 0 0 0 interrupted",
        "stopped",
    ];
    assert_eq!(rig.after_ms(10_000), ended);
}

#[test]
fn one_shot_waits_for_a_sink_as_long_as_that_takes() {
    let mut rig = Rig::drain(one_shot(), &[0]);
    rig.plain(Drain, 0, &[0]);
    assert_eq!(rig.after_ms(59_000), NONE, "being sent");
    rig.verdict(1, retry_after(3_600));
    assert_eq!(rig.wait_ms(), Some(3_600_000), "no look at the clock");
    assert_eq!(rig.after_ms(3_600_000), ["send 2 drain 0@0 retry 1"]);
}

#[test]
fn one_shot_goes_on_with_what_a_rebalance_leaves_it() {
    let mut rig = Rig::drain(one_shot(), &[0, 1]);
    assert_eq!(rig.revoking(Drain, &[0, 1]), ["revoked drain 0 1"]);
    assert_eq!(rig.after_ms(3_000), NONE, "the group is rebalancing");
    rig.assigned(Drain, &[1]);
    assert_eq!(rig.effects(), ["ends of 1"]);
    rig.ends(&[(1, 0)]);
    assert_eq!(rig.end(1, 0), ["DrainFinished 0: 0 0 0", "stopped"]);
}

#[test]
fn one_shot_that_lost_its_session_has_not_drained() {
    let mut rig = Rig::drain(one_shot(), &[0]);
    rig.after_ms(45_000);
    assert_eq!(rig.lost(Drain, 0), NONE);
    assert_eq!(
        rig.after_ms(15_000),
        [
            "KafkaSilent Assignment 60s",
            "DrainFinished 0: 0 0 0 interrupted",
            "stopped"
        ]
    );
}

#[test]
fn a_service_waits_for_kafka_as_long_as_that_takes() {
    let mut rig = Rig::drain(DrainConfig::default(), &[0]);
    assert_eq!(rig.wait_ms(), None);
    assert_eq!(rig.after_ms(3_600_000), NONE);
}
