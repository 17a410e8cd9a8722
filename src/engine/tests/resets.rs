//! Partitions whose position goes back: a topic that was made again, a log that was cut off.

use super::super::testing::*;
use super::super::*;
use crate::sink::Verdict::Delivered;
use Path::{Drain, Main};

const NONE: [&str; 0] = [];

fn two_at_once() -> Config {
    Config {
        concurrency: 2,
        ..Config::default()
    }
}

#[test]
fn where_a_partition_begins_anew_is_committed_at_once() {
    let mut rig = Rig::main(two_at_once(), &[0]);
    rig.plain(Main, 0, &[5, 6]);
    assert_eq!(rig.reset(Main, 0, 2), ["commit 2 main 0=2"]);
    assert_eq!(rig.plain(Main, 0, &[2]), ["send 3 main 0@2"]);
    assert_eq!(rig.verdict(1, Delivered), NONE, "of what is no more");
    assert_eq!(rig.committed(2), NONE);
    assert_eq!(rig.verdict(3, Delivered), ["commit 4 main 0=3"]);
}

#[test]
fn what_fails_after_its_partition_began_anew_is_not_sent_again() {
    let mut rig = Rig::main(two_at_once(), &[0]);
    rig.plain(Main, 0, &[5]);
    rig.reset(Main, 0, 0);
    assert_eq!(rig.verdict(1, transient()), NONE);
    assert_eq!(rig.after_ms(60_000), NONE);
}

#[test]
fn a_commit_under_way_is_followed_by_the_new_beginning() {
    let mut rig = Rig::main(Config::default(), &[0]);
    rig.plain(Main, 0, &[5]);
    assert_eq!(rig.verdict(1, Delivered), ["commit 2 main 0=6"]);
    assert_eq!(rig.reset(Main, 0, 0), NONE, "one commit at a time");
    assert_eq!(rig.committed(2), ["commit 3 main 0=0"]);
    assert_eq!(rig.committed(3), NONE);
}

#[test]
fn a_commit_of_before_that_is_refused_is_not_made_again() {
    let mut rig = Rig::main(Config::default(), &[0]);
    rig.plain(Main, 0, &[5]);
    rig.verdict(1, Delivered);
    assert_eq!(rig.lost(Main, 0), ["Uncommitted 0=6"]);
    rig.not_committed(2, CommitFailureKind::Fenced);
    assert_eq!(rig.after_ms(100), NONE);
    assert_eq!(rig.reset(Main, 0, 0), ["commit 3 main 0=0"]);
}

#[test]
fn a_partition_that_begins_anew_is_not_paused() {
    let mut rig = Rig::main(Config::default(), &[0]);
    rig.plain(Main, 0, &[0, 1]);
    assert_eq!(rig.plain(Main, 0, &[2]), ["pause main 0"]);
    assert_eq!(rig.reset(Main, 0, 0), ["commit 2 main 0=0"]);
    rig.committed(2);
    rig.plain(Main, 0, &[0]);
    assert_eq!(rig.plain(Main, 0, &[1]), ["pause main 0"]);
}

#[test]
fn a_pass_takes_a_dead_letter_topic_made_again_for_another_one() {
    let mut rig = Rig::drain(DrainConfig::default(), &[0]);
    assert_eq!(rig.plain(Drain, 0, &[7]), ["send 1 drain 0@7 retry 1"]);
    assert_eq!(rig.reset(Drain, 0, 0), ["ends of 0", "commit 2 drain 0=0"]);
    assert_eq!(rig.verdict(1, transient()), NONE);
    assert_eq!(rig.committed(2), NONE);
    assert_eq!(rig.end(0, 0), NONE, "its end is not known yet");
    assert_eq!(rig.ends(&[(0, 1)]), NONE);
    assert_eq!(rig.plain(Drain, 0, &[0]), ["send 3 drain 0@0 retry 1"]);
    assert_eq!(rig.verdict(3, Delivered), ["commit 4 drain 0=1"]);
    rig.committed(4);
    assert_eq!(rig.end(0, 1), ["ends of 0"]);
    let finished = ["DrainFinished 2: 1 0 0", "pause drain 0"];
    assert_eq!(rig.ends(&[(0, 1)]), finished);
}

#[test]
fn a_stopped_engine_takes_no_new_beginning() {
    let mut rig = Rig::main(Config::default(), &[0]);
    rig.plain(Main, 0, &[5]);
    rig.shutdown();
    assert_eq!(rig.reset(Main, 0, 0), ["stopped"]);
}
