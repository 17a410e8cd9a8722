//! Partitions that go: revoked, lost, or at shutdown.

use std::time::Duration;

use super::super::testing::*;
use super::super::*;
use crate::sink::Verdict::Delivered;
use Path::{Drain, Main};

const NONE: [&str; 0] = [];

fn five_seconds() -> Config {
    Config {
        revoke_timeout: Duration::from_secs(5),
        ..Config::default()
    }
}

#[test]
fn what_is_in_flight_finishes_and_is_committed_before_the_partition_goes() {
    let mut rig = Rig::main(Config::default(), &[0, 1]);
    rig.plain(Main, 0, &[0, 1]);
    assert_eq!(rig.revoking(Main, &[0]), NONE);
    assert_eq!(
        rig.verdict(1, Delivered),
        ["commit 2 main 0=1"],
        "nothing new starts"
    );
    assert_eq!(rig.committed(2), ["revoked main 0"]);
    assert_eq!(rig.wait_ms(), None);
    assert_eq!(
        rig.plain(Main, 1, &[0]),
        ["send 3 main 1@0"],
        "others go on"
    );
}

#[test]
fn idle_partitions_go_at_once() {
    let mut rig = Rig::main(Config::default(), &[0, 1]);
    assert_eq!(rig.revoking(Main, &[0, 1, 7]), ["revoked main 0 1 7"]);
}

#[test]
fn a_record_that_waits_is_left_to_the_next_owner() {
    let mut rig = Rig::main(Config::default(), &[0]);
    rig.plain(Main, 0, &[0]);
    rig.verdict(1, transient());
    assert_eq!(rig.revoking(Main, &[0]), ["revoked main 0"]);
    assert_eq!(rig.wait_ms(), None);
}

#[test]
fn an_attempt_that_fails_while_leaving_is_not_made_again() {
    let mut rig = Rig::main(Config::default(), &[0]);
    rig.plain(Main, 0, &[0]);
    rig.revoking(Main, &[0]);
    assert_eq!(rig.verdict(1, transient()), ["revoked main 0"]);
}

#[test]
fn a_last_attempt_that_fails_while_leaving_is_still_forwarded() {
    let mut rig = Rig::main(
        Config {
            max_retries: 0,
            ..Config::default()
        },
        &[0],
    );
    rig.plain(Main, 0, &[0]);
    rig.revoking(Main, &[0]);
    assert_eq!(
        rig.verdict(1, transient()),
        ["forward 2 main 0 to dead-letter 0"]
    );
    assert_eq!(rig.forwarded(2, 0), ["commit 3 main 0=1"]);
    assert_eq!(rig.committed(3), ["revoked main 0"]);
}

#[test]
fn what_takes_too_long_is_given_up() {
    let mut rig = Rig::main(five_seconds(), &[0]);
    rig.plain(Main, 0, &[0, 1]);
    rig.verdict(1, Delivered);
    rig.committed(3);
    rig.revoking(Main, &[0]);
    assert_eq!(rig.wait_ms(), Some(5_000));
    assert_eq!(rig.after_ms(5_000), ["GaveUp 0@1", "revoked main 0"]);
    assert_eq!(rig.verdict(2, Delivered), NONE);
    assert_eq!(rig.engine.totals(Main).delivered, 1);
}

#[test]
fn the_last_commit_is_retried_but_not_for_ever() {
    let mut rig = Rig::main(five_seconds(), &[0]);
    rig.plain(Main, 0, &[0]);
    rig.revoking(Main, &[0]);
    rig.verdict(1, Delivered);
    rig.not_committed(2, CommitFailureKind::Retriable);
    assert_eq!(rig.after_ms(100), ["commit 3 main 0=1"]);
    assert_eq!(
        rig.after_ms(4_900),
        NONE,
        "nothing is in flight to be given up"
    );
    assert_eq!(rig.after_ms(5_000), ["Uncommitted 0=1", "revoked main 0"]);
}

#[test]
fn a_last_commit_that_is_fenced_is_the_last() {
    let mut rig = Rig::main(Config::default(), &[0]);
    rig.plain(Main, 0, &[0]);
    rig.revoking(Main, &[0]);
    rig.verdict(1, Delivered);
    assert_eq!(
        rig.not_committed(2, CommitFailureKind::Fenced),
        [
            "CommitFailing main refused",
            "Uncommitted 0=1",
            "revoked main 0"
        ]
    );
}

#[test]
fn a_commit_under_way_is_followed_by_the_last_one() {
    let mut rig = Rig::main(Config::default(), &[0]);
    rig.plain(Main, 0, &[0, 1]);
    assert_eq!(
        rig.verdict(1, Delivered),
        ["send 2 main 0@1", "commit 3 main 0=1"]
    );
    rig.revoking(Main, &[0]);
    assert_eq!(rig.verdict(2, Delivered), NONE);
    assert_eq!(rig.committed(3), ["commit 4 main 0=2"]);
    assert_eq!(rig.committed(4), ["revoked main 0"]);
}

#[test]
fn a_lost_partition_commits_and_forwards_nothing() {
    let mut rig = Rig::main(
        Config {
            max_retries: 0,
            ..Config::default()
        },
        &[0],
    );
    rig.plain(Main, 0, &[0, 1]);
    assert_eq!(rig.lost(Main, 0), NONE);
    assert_eq!(rig.verdict(1, transient()), NONE);
    assert_eq!(rig.plain(Main, 0, &[2]), NONE);
}

#[test]
fn a_partition_is_lost_with_what_is_not_committed_and_that_is_told() {
    let mut rig = Rig::main(Config::default(), &[0]);
    rig.plain(Main, 0, &[0]);
    rig.verdict(1, Delivered);
    assert_eq!(rig.lost(Main, 0), ["Uncommitted 0=1"]);
    assert_eq!(rig.lost(Main, 0), NONE);
}

#[test]
fn a_partition_lost_while_it_is_revoked_is_answered_no_more() {
    let mut rig = Rig::main(
        Config {
            concurrency: 2,
            ..Config::default()
        },
        &[0, 1],
    );
    rig.plain(Main, 0, &[0]);
    rig.plain(Main, 1, &[0]);
    rig.revoking(Main, &[0, 1]);
    assert_eq!(rig.lost(Main, 0), NONE);
    assert_eq!(rig.verdict(2, Delivered), ["commit 3 main 1=1"]);
    assert_eq!(rig.committed(3), ["revoked main 1"]);
}

#[test]
fn a_partition_that_comes_back_begins_anew() {
    let mut rig = Rig::main(
        Config {
            concurrency: 2,
            ..Config::default()
        },
        &[0],
    );
    rig.plain(Main, 0, &[0, 1]);
    rig.lost(Main, 0);
    rig.assigned(Main, &[0]);
    assert_eq!(rig.plain(Main, 0, &[0]), ["send 2 main 0@0"]);
    assert_eq!(
        rig.verdict(1, Delivered),
        NONE,
        "the verdict of the old send"
    );
    assert_eq!(rig.verdict(2, Delivered), ["commit 3 main 0=1"]);
}

#[test]
fn a_shutdown_finishes_both_paths() {
    let mut rig = Rig::drain(DrainConfig::default(), &[0]);
    rig.assigned(Main, &[0]);
    rig.plain(Main, 0, &[0, 1]);
    rig.plain(Drain, 0, &[0, 1]);
    assert_eq!(rig.shutdown(), NONE);
    assert_eq!(rig.wait_ms(), Some(10_000));
    assert_eq!(rig.verdict(1, Delivered), ["commit 3 main 0=1"]);
    assert_eq!(
        rig.verdict(2, transient()),
        ["forward 4 drain 0 to dead-letter 0"]
    );
    assert_eq!(rig.committed(3), NONE);
    assert_eq!(rig.forwarded(4, 2), ["commit 5 drain 0=1"]);
    assert_eq!(
        rig.committed(5),
        ["DrainFinished 1: 0 1 0 interrupted", "stopped"]
    );
    assert_eq!(rig.shutdown(), NONE);
    rig.assigned(Main, &[0]);
    assert_eq!(rig.plain(Main, 0, &[1]), NONE);
    assert_eq!(rig.wait_ms(), None);
}

#[test]
fn a_shutdown_does_not_wait_for_what_waits() {
    let mut rig = Rig::main(
        Config {
            concurrency: 2,
            ..Config::default()
        },
        &[0, 1],
    );
    rig.plain(Main, 0, &[0]);
    rig.plain(Main, 1, &[0]);
    rig.verdict(1, transient());
    rig.verdict(2, sink_down());
    assert_eq!(rig.shutdown(), ["stopped"]);
}

#[test]
fn a_shutdown_is_over_in_bounded_time() {
    let mut rig = Rig::main(Config::default(), &[0]);
    rig.plain(Main, 0, &[0]);
    rig.shutdown();
    assert_eq!(rig.after_ms(10_000), ["GaveUp 0@0", "stopped"]);
}

#[test]
fn a_shutdown_tells_what_it_could_not_commit() {
    let mut rig = Rig::main(Config::default(), &[0, 1]);
    rig.plain(Main, 0, &[0, 1]);
    rig.verdict(1, Delivered);
    rig.committed(3);
    rig.shutdown();
    assert_eq!(rig.verdict(2, Delivered), ["commit 4 main 0=2"]);
    assert_eq!(rig.after_ms(15_000), ["Uncommitted 0=2", "stopped"]);
}

#[test]
fn a_shutdown_shortens_a_revocation_that_runs() {
    let mut rig = Rig::main(
        Config {
            revoke_timeout: Duration::from_secs(60),
            shutdown_timeout: Duration::from_secs(10),
            ..Config::default()
        },
        &[0],
    );
    rig.plain(Main, 0, &[0]);
    rig.revoking(Main, &[0]);
    assert_eq!(rig.wait_ms(), Some(60_000));
    assert_eq!(rig.shutdown(), NONE);
    assert_eq!(rig.wait_ms(), Some(10_000));
    assert_eq!(
        rig.after_ms(10_000),
        ["GaveUp 0@0", "revoked main 0", "stopped"]
    );
}

#[test]
fn a_revocation_does_not_lengthen_a_shutdown() {
    let mut rig = Rig::main(
        Config {
            revoke_timeout: Duration::from_secs(60),
            shutdown_timeout: Duration::from_secs(10),
            ..Config::default()
        },
        &[0],
    );
    rig.plain(Main, 0, &[0]);
    rig.shutdown();
    rig.revoking(Main, &[0]);
    rig.verdict(1, Delivered);
    rig.after_ms(10_000);
    let lines = rig.after_ms(5_000);
    assert_eq!(lines.last().map(String::as_str), Some("stopped"));
}

#[test]
fn a_revocation_during_shutdown_is_answered() {
    let mut rig = Rig::main(Config::default(), &[0]);
    rig.plain(Main, 0, &[0]);
    rig.shutdown();
    assert_eq!(rig.revoking(Main, &[0]), NONE);
    rig.verdict(1, Delivered);
    assert_eq!(rig.committed(2), ["revoked main 0", "stopped"]);
}
