//! When the dead letters are tried again.

use std::time::Duration;

use super::stage::{Call, DEAD_LETTER, PERMANENT, SOURCE, Stage, busy, number, retry};
use crate::sink::Verdict;

const SECOND: Duration = Duration::from_secs(1);
const INTERVAL: Duration = Duration::from_secs(300);

fn retries(calls: &[Call]) -> Vec<(u32, u32)> {
    calls
        .iter()
        .filter_map(|call| Some((number(call), retry(call)?)))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_drain_comes_at_the_start_and_then_five_minutes_after_the_last_one_ended() {
    let stage = Stage::new().await;
    // Each send of the drain takes a minute.
    stage.answer(|_| (60 * SECOND, Some(Verdict::Delivered)));
    stage.publish(DEAD_LETTER, &[(1, 0), (2, 0), (3, 1)]).await;
    let running = stage.run().await;
    let first = stage.wait_for_calls(3).await;
    assert!(first[0].at < 10 * SECOND, "{first:?}");
    let ended = first[2].at + 60 * SECOND;
    stage.publish(DEAD_LETTER, &[(4, 2)]).await;
    // A dead letter that comes while a pass is under way belongs to it, one after it doesn't.
    let fourth = stage.wait_for_calls(4).await[3].at;
    let fourth_ended = fourth + 60 * SECOND;
    assert!(fourth >= ended && fourth < ended + SECOND, "{fourth:?}");
    tokio::time::sleep(100 * SECOND).await;
    stage.publish(DEAD_LETTER, &[(5, 2)]).await;
    let fifth = stage.wait_for_calls(5).await[4].at;
    let waited = fifth - fourth_ended;
    assert!(
        waited >= INTERVAL && waited < INTERVAL + 5 * SECOND,
        "{waited:?}"
    );
    tokio::time::sleep(61 * SECOND).await;
    let outcome = running.stop().await.unwrap();
    assert_eq!(outcome.drain.delivered, 5);
}

#[tokio::test(start_paused = true)]
async fn what_always_fails_is_sent_three_times_in_one_pass_and_parked() {
    let stage = Stage::new().await;
    stage.answer(|_| (Duration::ZERO, Some(busy())));
    stage.publish(DEAD_LETTER, &[(1, 1)]).await;
    let running = stage.run().await;
    stage.broker.wait_for_records(PERMANENT, 1).await;
    assert_eq!(stage.broker.records(PERMANENT, 1).len(), 1);
    running.stop().await.unwrap();
    assert_eq!(retries(&stage.calls()), [(1, 1), (1, 2), (1, 3)]);
    assert!(stage.calls()[2].at - stage.calls()[0].at < 5 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn in_a_snapshot_each_dead_letter_is_tried_once_a_pass() {
    let stage = Stage::new().await.set("DRAIN_MODE", "snapshot");
    stage.answer(|_| (Duration::ZERO, Some(busy())));
    stage.publish(DEAD_LETTER, &[(1, 0), (2, 0)]).await;
    let running = stage.run().await;
    let calls = stage.wait_for_calls(6).await;
    stage.broker.wait_for_records(PERMANENT, 2).await;
    running.stop().await.unwrap();
    let expected = [(1, 1), (2, 1), (1, 2), (2, 2), (1, 3), (2, 3)];
    assert_eq!(retries(&calls), expected);
    for pass in [2, 4] {
        let waited = calls[pass].at - calls[pass - 1].at;
        assert!(
            waited >= INTERVAL && waited < INTERVAL + 5 * SECOND,
            "{waited:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_drain_keeps_its_membership_between_passes() {
    let stage = Stage::new().await;
    stage.publish(SOURCE, &[(1, 0)]).await;
    let running = stage.run().await;
    stage.wait_for_calls(1).await;
    let group = "telegram-notification-dlq-retry";
    let generation = || {
        stage
            .broker
            .group(group)
            .map(|group| (group.generation, group.members.len()))
    };
    stage
        .broker
        .wait_for_group(group, |group| group.members.len() == 1)
        .await;
    tokio::time::sleep(SECOND).await;
    let before = generation();
    tokio::time::sleep(1200 * SECOND).await;
    assert_eq!(generation(), before);
    running.stop().await.unwrap();
}
