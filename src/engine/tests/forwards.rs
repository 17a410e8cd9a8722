//! Forwards and commits: where they go, and what follows when they fail.

use super::super::testing::*;
use super::super::*;
use crate::sink::Verdict::Delivered;
use ForwardFailureKind::{InDoubt, NotWritten};
use Path::Main;

const NONE: [&str; 0] = [];

#[test]
fn a_topic_with_fewer_partitions_takes_them_modulo() {
    let config = Config {
        max_retries: 0,
        concurrency: 2,
        ..Config::default()
    };
    let mut rig = Rig::main(config, &[4, 5]);
    rig.plain(Main, 4, &[0]);
    rig.plain(Main, 5, &[0]);
    assert_eq!(
        rig.verdict(1, transient()),
        [
            "TooFewPartitions dead-letter 3",
            "forward 3 main 4 to dead-letter 1"
        ]
    );
    assert_eq!(
        rig.verdict(2, transient()),
        ["forward 4 main 5 to dead-letter 2"],
        "said once"
    );
}

#[test]
fn a_count_that_is_none_is_not_passed_on() {
    let config = Config {
        max_retries: 0,
        ..Config::default()
    };
    for (found, forwarded) in [
        ("abc", "0"),
        ("", "0"),
        ("-1", "0"),
        ("2", "2"),
        ("+2", "+2"),
    ] {
        let mut rig = Rig::main(config.clone(), &[0]);
        rig.records(Main, 0, [dead_letter(0, found)]);
        rig.verdict(1, transient());
        let headers = rig.bodies[0].headers();
        let counts: Vec<_> = headers
            .filter(|(key, _)| *key == b"retry-count")
            .map(|(_, value)| value)
            .collect();
        assert_eq!(counts, [Some(forwarded.as_bytes())], "{found:?}");
    }
}

#[test]
fn the_partition_counts_of_now_are_used() {
    let mut rig = Rig::main(
        Config {
            max_retries: 0,
            ..Config::default()
        },
        &[4],
    );
    rig.engine.handle_partition_counts(5, 5);
    rig.plain(Main, 4, &[0]);
    assert_eq!(
        rig.verdict(1, transient()),
        ["forward 2 main 4 to dead-letter 4"]
    );
}

#[test]
fn a_forward_that_fails_is_made_again_and_stops_its_partition_alone() {
    let mut rig = Rig::main(Config::default(), &[0, 1]);
    rig.plain(Main, 0, &[0]);
    rig.plain(Main, 1, &[0]);
    let lines = rig.verdict(1, rejected());
    assert_eq!(
        lines,
        ["forward 2 main 0 to permanent-failure 0", "send 3 main 1@0"]
    );
    assert_eq!(
        rig.not_forwarded(2, NotWritten),
        ["PartitionStuck 0 no leader"]
    );
    assert_eq!(rig.verdict(3, Delivered), ["commit 4 main 1=1"]);
    rig.committed(4);
    let mut ticket = 5;
    for wait in [
        100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000, 10_000,
    ] {
        assert_eq!(rig.wait_ms(), Some(wait));
        let again = format!("forward {ticket} main 0 to permanent-failure 0");
        assert_eq!(rig.after_ms(wait as u64), [again]);
        assert_eq!(
            rig.not_forwarded(ticket, NotWritten),
            NONE,
            "said once a minute"
        );
        ticket += 1;
    }
    rig.after_ms(10_000);
    let told = rig.not_forwarded(ticket, InDoubt);
    let doubt = "PartitionStuck 0 no leader (it may have been written all the same)";
    assert_eq!(told, [doubt]);
    rig.after_ms(10_000);
    assert_eq!(
        rig.forwarded(ticket + 1, 0),
        [format!("commit {} main 0=1", ticket + 2)]
    );
    assert!(rig.bodies.windows(2).all(|two| two[0] == two[1]));
}

#[test]
fn commits_are_of_the_newest_offsets_one_at_a_time() {
    let mut rig = Rig::main(
        Config {
            concurrency: 2,
            ..Config::default()
        },
        &[0, 1],
    );
    rig.plain(Main, 0, &[0, 1, 2]);
    rig.plain(Main, 1, &[8]);
    assert_eq!(
        rig.verdict(1, Delivered),
        ["send 3 main 0@1", "commit 4 main 0=1"]
    );
    assert_eq!(rig.verdict(3, Delivered), ["send 5 main 0@2"]);
    assert_eq!(rig.verdict(5, Delivered), NONE);
    assert_eq!(rig.verdict(2, Delivered), NONE);
    assert_eq!(rig.committed(4), ["commit 6 main 0=3 1=9"]);
    assert_eq!(rig.committed(6), NONE);
}

#[test]
fn a_failed_commit_is_made_again_with_what_is_newest_then() {
    for kind in [CommitFailureKind::Retriable, CommitFailureKind::Fenced] {
        let mut rig = Rig::main(Config::default(), &[0]);
        rig.plain(Main, 0, &[0, 1]);
        rig.verdict(1, Delivered);
        assert_eq!(rig.not_committed(3, kind), ["CommitFailing main refused"]);
        assert_eq!(rig.wait_ms(), Some(100));
        assert_eq!(rig.verdict(2, Delivered), NONE);
        assert_eq!(rig.after_ms(100), ["commit 4 main 0=2"]);
        assert_eq!(rig.not_committed(4, kind), NONE, "said once a minute");
        assert_eq!(rig.wait_ms(), Some(200));
    }
}
