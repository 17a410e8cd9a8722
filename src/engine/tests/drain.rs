//! What the drain does with a dead letter.

use super::super::testing::*;
use super::super::*;
use crate::sink::Verdict::Delivered;
use crate::wire::batch::RecordBody;
use Path::{Drain, Main};

const NONE: [&str; 0] = [];

/// What a forward was, read back from the dead-letter topic.
fn read_back(body: &RecordBody, offset: i64) -> Record {
    Record {
        body: body.clone(),
        ..record_with_headers(offset, &[])
    }
}

fn count_of(body: &RecordBody) -> Vec<String> {
    let counts = body.headers().filter(|(key, _)| *key == b"retry-count");
    counts
        .map(|(_, value)| String::from_utf8(value.unwrap().to_vec()).unwrap())
        .collect()
}

#[test]
fn a_record_that_always_fails_is_sent_three_times_in_one_drain() {
    let mut rig = Rig::drain(DrainConfig::default(), &[0]);
    let mut record = record_with_headers(0, &[]);
    let mut ticket = 1;
    for n in 1..=3 {
        let offset = n - 1;
        let sent = format!("send {ticket} drain 0@{offset} retry {n}");
        assert_eq!(rig.records(Drain, 0, [record]), [sent]);
        assert_eq!(rig.end(0, offset + 1), NONE);
        let forward = format!("forward {} drain 0 to dead-letter 0", ticket + 1);
        assert_eq!(rig.verdict(ticket, transient()), [forward]);
        let body = rig.bodies.last().unwrap();
        assert_eq!(count_of(body), [n.to_string()]);
        record = read_back(body, n);
        let commit = format!("commit {} drain 0={n}", ticket + 2);
        assert_eq!(rig.forwarded(ticket + 1, n), [commit]);
        assert_eq!(
            rig.committed(ticket + 2),
            NONE,
            "its own dead letter is to come"
        );
        ticket += 3;
    }
    assert_eq!(
        rig.records(Drain, 0, [record]),
        ["forward 10 drain 0 to permanent-failure 0"]
    );
    assert_eq!(rig.forwarded(10, 0), ["commit 11 drain 0=4"]);
    assert_eq!(rig.committed(11), NONE);
    assert_eq!(rig.end(0, 4), ["ends of 0"]);
    let finished = ["DrainFinished 3: 0 3 1", "pause drain 0"];
    assert_eq!(rig.ends(&[(0, 4)]), finished);
}

#[test]
fn a_first_attempt_that_fails_and_a_second_that_succeeds_are_two_sends() {
    let mut rig = Rig::drain(DrainConfig::default(), &[0]);
    rig.plain(Drain, 0, &[0]);
    rig.verdict(1, transient());
    rig.forwarded(2, 1);
    rig.committed(3);
    let again = read_back(&rig.bodies[0], 1);
    assert_eq!(rig.records(Drain, 0, [again]), ["send 4 drain 0@1 retry 2"]);
    assert_eq!(rig.verdict(4, Delivered), ["commit 5 drain 0=2"]);
    rig.committed(5);
    assert_eq!(rig.end(0, 2), ["ends of 0"]);
    assert_eq!(rig.ends(&[(0, 2)])[0], "DrainFinished 2: 1 1 0");
}

#[test]
fn three_records_are_sent_in_order_each_after_the_commit_of_the_one_before() {
    let mut rig = Rig::drain(DrainConfig::default(), &[0]);
    assert_eq!(
        rig.plain(Drain, 0, &[0, 1, 2]),
        ["send 1 drain 0@0 retry 1"]
    );
    assert_eq!(rig.verdict(1, Delivered), ["commit 2 drain 0=1"]);
    assert_eq!(rig.committed(2), ["send 3 drain 0@1 retry 1"]);
    assert_eq!(rig.verdict(3, Delivered), ["commit 4 drain 0=2"]);
    assert_eq!(rig.committed(4), ["send 5 drain 0@2 retry 1"]);
    assert_eq!(rig.verdict(5, Delivered), ["commit 6 drain 0=3"]);
    assert_eq!(rig.end(0, 3), NONE, "not before the last commit");
    assert_eq!(rig.committed(6), ["ends of 0"]);
    assert_eq!(rig.ends(&[(0, 3)])[0], "DrainFinished 3: 3 0 0");
}

#[test]
fn a_commit_that_fails_is_made_again_before_the_next_record() {
    let mut rig = Rig::drain(DrainConfig::default(), &[0]);
    rig.plain(Drain, 0, &[0, 1]);
    rig.verdict(1, Delivered);
    assert_eq!(
        rig.not_committed(2, CommitFailureKind::Retriable),
        ["CommitFailing drain refused"]
    );
    assert_eq!(rig.after_ms(100), ["commit 3 drain 0=1"]);
    assert_eq!(rig.committed(3), ["send 4 drain 0@1 retry 1"]);
}

#[test]
fn one_send_at_a_time_over_all_partitions() {
    let mut rig = Rig::drain(DrainConfig::default(), &[0, 1]);
    assert_eq!(rig.plain(Drain, 0, &[0]), ["send 1 drain 0@0 retry 1"]);
    assert_eq!(rig.plain(Drain, 1, &[0]), NONE);
    assert_eq!(
        rig.verdict(1, Delivered),
        ["send 2 drain 1@0 retry 1", "commit 3 drain 0=1"]
    );
}

#[test]
fn a_drain_takes_no_slot_of_the_main_path() {
    let mut rig = Rig::drain(DrainConfig::default(), &[0]);
    rig.assigned(Main, &[0]);
    rig.plain(Drain, 0, &[0]);
    assert_eq!(rig.plain(Main, 0, &[0]), ["send 2 main 0@0"]);
}

#[test]
fn a_record_that_is_refused_or_used_up_is_permanent() {
    let mut rig = Rig::drain(DrainConfig::default(), &[0]);
    rig.records(
        Drain,
        0,
        [
            dead_letter(0, "1"),
            dead_letter(1, "3"),
            dead_letter(2, "70"),
        ],
    );
    let lines = rig.verdict(1, rejected());
    assert_eq!(lines, ["forward 2 drain 0 to permanent-failure 0"]);
    assert_eq!(count_of(&rig.bodies[0]), ["2"], "its send counts");
    rig.forwarded(2, 0);
    assert_eq!(
        rig.committed(3),
        ["forward 4 drain 0 to permanent-failure 0"]
    );
    rig.forwarded(4, 0);
    assert_eq!(
        rig.committed(5),
        ["forward 6 drain 0 to permanent-failure 0"]
    );
    assert_eq!(count_of(&rig.bodies[1]), ["3"]);
    assert_eq!(count_of(&rig.bodies[2]), ["70"]);
}

#[test]
fn used_up_records_need_no_sink() {
    let mut rig = Rig::drain(DrainConfig::default(), &[0, 1]);
    rig.plain(Drain, 0, &[0]);
    rig.verdict(1, sink_down());
    assert_eq!(
        rig.records(Drain, 1, [dead_letter(0, "3")]),
        ["forward 2 drain 1 to permanent-failure 1"]
    );
}

#[test]
fn a_malformed_count_starts_at_zero_with_a_warning() {
    for bad in ["abc", "", "-1", "99999999999999999999", "\0\0\0\u{2}"] {
        let mut rig = Rig::drain(DrainConfig::default(), &[0]);
        let lines = rig.records(Drain, 0, [dead_letter(9, bad)]);
        assert!(lines[0].starts_with("BadRetryCount @9"), "{lines:?}");
        assert_eq!(lines[1..], ["send 1 drain 0@9 retry 1"]);
        rig.verdict(1, transient());
        assert_eq!(count_of(&rig.bodies[0]), ["1"]);
    }
}
