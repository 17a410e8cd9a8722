//! What is seen of an engine.

use std::time::Duration;

use super::super::testing::*;
use super::super::*;
use crate::sink::Verdict::Delivered;
use ForwardFailureKind::NotWritten;
use Path::{Drain, Main};

const SECOND: Duration = Duration::from_secs(1);

fn status(rig: &Rig) -> Status {
    rig.engine.status(rig.now().at)
}

fn no_retry() -> Config {
    Config {
        max_retries: 0,
        ..Config::default()
    }
}

/// How long partition 0 has been blocked.
fn blocked(rig: &Rig) -> Option<Duration> {
    status(rig).main.partitions[0].blocked_for
}

#[test]
fn what_is_in_flight_and_how_far_it_has_come_is_seen() {
    let mut rig = Rig::main(no_retry(), &[0, 1]);
    let seen = status(&rig);
    assert_eq!((seen.life, seen.line), (Life::Running, Line::Open));
    assert_eq!(seen.main.partitions.len(), 2);
    assert_eq!(seen.main.partitions[0].next_offset, None);
    rig.plain(Main, 0, &[7, 8]);
    let seen = status(&rig).main;
    assert_eq!((seen.sending, seen.forwarding, seen.totals.sent), (1, 0, 1));
    rig.verdict(1, Delivered);
    assert_eq!(status(&rig).main.partitions[0].next_offset, Some(8));
    rig.verdict(2, transient());
    let seen = status(&rig).main;
    assert_eq!((seen.sending, seen.forwarding), (0, 1));
    assert_eq!(status(&rig).drain.partitions, []);
}

#[test]
fn a_partition_is_blocked_from_its_first_failed_forward_until_one_succeeds() {
    let mut rig = Rig::main(no_retry(), &[0]);
    rig.plain(Main, 0, &[0]);
    rig.after_ms(5_000);
    rig.verdict(1, transient());
    assert_eq!(blocked(&rig), None, "a forward under way is no trouble");
    rig.not_forwarded(2, NotWritten);
    assert_eq!(blocked(&rig), Some(Duration::ZERO));
    rig.after_ms(1_000);
    assert_eq!(blocked(&rig), Some(SECOND), "tried again");
    rig.not_forwarded(3, NotWritten);
    rig.after_ms(1_000);
    assert_eq!(blocked(&rig), Some(2 * SECOND));
    rig.forwarded(4, 0);
    assert_eq!(blocked(&rig), None);
}

#[test]
fn a_partition_is_blocked_while_its_bytes_can_t_be_read() {
    let mut rig = Rig::main(Config::default(), &[0]);
    let chunk = Chunk([Err("rubbish".to_owned())].into());
    rig.records(Main, 0, chunk);
    rig.after_ms(1_000);
    assert_eq!(blocked(&rig), Some(SECOND));
    // Where the consumer can't read on, it may yet.
    let mut rig = Rig::main(Config::default(), &[0]);
    let now = rig.now();
    rig.engine.handle_partition_failed(Main, &tp(Main, 0), now);
    rig.after_ms(1_000);
    assert_eq!(blocked(&rig), Some(SECOND));
    rig.plain(Main, 0, &[0]);
    assert_eq!(blocked(&rig), None);
}

#[test]
fn a_record_that_waits_blocks_nothing() {
    let mut rig = Rig::main(Config::default(), &[0]);
    rig.plain(Main, 0, &[0]);
    rig.verdict(1, transient());
    rig.after_ms(500);
    assert_eq!(blocked(&rig), None);
}

#[test]
fn commits_fail_from_the_first_refusal_until_one_is_acknowledged() {
    let mut rig = Rig::main(Config::default(), &[0]);
    rig.plain(Main, 0, &[0]);
    rig.verdict(1, Delivered);
    rig.not_committed(2, CommitFailureKind::Retriable);
    rig.after_ms(1_000);
    rig.not_committed(3, CommitFailureKind::Retriable);
    let seen = status(&rig).main.commits;
    assert_eq!((seen.acknowledged, seen.refused), (0, 2));
    assert_eq!(seen.failing_for, Some(SECOND));
    rig.after_ms(1_000);
    rig.committed(4);
    let seen = status(&rig).main.commits;
    assert_eq!((seen.acknowledged, seen.failing_for), (1, None));
}

#[test]
fn a_transaction_s_records_and_its_commit_are_counted() {
    let mut rig = Rig::with(no_retry(), Forwarding::Transactional);
    rig.assigned(Main, &[0, 1]);
    rig.plain(Main, 0, &[0]);
    rig.verdict(1, Delivered);
    rig.not_committed(2, CommitFailureKind::Retriable);
    rig.plain(Main, 0, &[1]);
    rig.verdict(3, transient());
    let seen = status(&rig).main;
    assert_eq!((seen.forwarding, seen.commits.acknowledged), (1, 0));
    rig.moved(4, &[0]);
    let seen = status(&rig).main;
    assert_eq!((seen.forwarding, seen.totals.dead_lettered), (0, 1));
    assert_eq!(seen.commits.acknowledged, 1);
    assert_eq!(seen.commits.failing_for, None, "it has committed all of it");
}

#[test]
fn a_pass_and_the_line_are_seen() {
    let mut rig = Rig::drain(DrainConfig::default(), &[0]);
    assert!(status(&rig).in_pass);
    rig.records(Drain, 0, [dead_letter(0, "0")]);
    rig.verdict(1, retry_after(3));
    assert_eq!(status(&rig).line, Line::Held);
    rig.shutdown();
    assert_ne!(status(&rig).life, Life::Running);
    assert!(!status(&rig).in_pass);
}
