//! When a record is tried again, and when no more.

use std::time::Duration;

use super::stage::{Call, DEAD_LETTER, SOURCE, Stage, busy, failure, number, retry};
use crate::sink::{FailureKind, Verdict};

const SECOND: Duration = Duration::from_secs(1);

fn times(calls: &[Call], of: u32) -> Vec<Duration> {
    let of = calls.iter().filter(|call| number(call) == of);
    of.map(|call| call.at).collect()
}

fn gaps(times: &[Duration]) -> Vec<Duration> {
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[tokio::test(start_paused = true)]
async fn a_busy_sink_is_tried_four_times_a_second_apart() {
    let stage = Stage::new().await.set("DRAIN_ENABLED", "false");
    stage.answer(|_| (Duration::ZERO, Some(busy())));
    stage.publish(SOURCE, &[(1, 2)]).await;
    let running = stage.run().await;
    stage.broker.wait_for_records(DEAD_LETTER, 1).await;
    assert_eq!(gaps(&times(&stage.calls(), 1)), [SECOND; 3]);
    assert_eq!(stage.broker.records(DEAD_LETTER, 2).len(), 1);
    let outcome = running.stop().await.unwrap();
    assert_eq!(outcome.main.dead_lettered, 1);
    assert_eq!(stage.calls().len(), 4);
    assert_eq!(stage.committed(2), Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_takes_thirty_seconds_to_fail_holds_up_its_partition_only() {
    let stage = Stage::new()
        .await
        .set("DRAIN_ENABLED", "false")
        .set("CONSUMER_CONCURRENCY", "2");
    stage.answer(|call| match number(call) {
        1 => (
            30 * SECOND,
            Some(Verdict::Uncertain(failure(FailureKind::Timeout))),
        ),
        _ => (Duration::ZERO, Some(Verdict::Delivered)),
    });
    let payments = [(1, 0), (2, 0), (3, 1), (4, 1)];
    stage.publish(SOURCE, &payments).await;
    let began = stage.elapsed();
    let running = stage.run().await;
    stage.broker.wait_for_records(DEAD_LETTER, 1).await;
    let calls = stage.wait_for_calls(7).await;
    running.stop().await.unwrap();
    assert_eq!(gaps(&times(&calls, 1)), [31 * SECOND; 3]);
    let after = 4 * 30 * SECOND + 3 * SECOND;
    assert!(times(&calls, 2)[0] >= began + after);
    for other in [3, 4] {
        assert!(times(&calls, other)[0] < began + 5 * SECOND, "{calls:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_429_is_waited_out_and_costs_no_attempt() {
    let stage = Stage::new().await.set("DRAIN_ENABLED", "false");
    let wait = Duration::from_secs(37);
    let mut told = 0;
    stage.answer(move |call| match number(call) {
        1 if told < 10 => {
            told += 1;
            let limited = Verdict::RetryAfter(wait, failure(FailureKind::RateLimited));
            (Duration::ZERO, Some(limited))
        }
        _ => (Duration::ZERO, Some(Verdict::Delivered)),
    });
    stage.publish(SOURCE, &[(1, 0), (2, 1), (3, 2)]).await;
    let running = stage.run().await;
    let calls = stage.wait_for_calls(13).await;
    let outcome = running.stop().await.unwrap();
    assert_eq!(outcome.main.delivered, 3);
    assert_eq!(gaps(&times(&calls, 1)), [wait; 10]);
    // Nothing else is sent while the sink wants to be left alone.
    let first = times(&calls, 1);
    for other in [2, 3] {
        let at = times(&calls, other)[0];
        assert!(at <= first[0] || at >= first[10], "{calls:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_rate_holds_whatever_waits() {
    let stage = Stage::new().await.set("TELEGRAM_RATE", "20/1m");
    let payments: Vec<_> = (0..60)
        .map(|n| (n, i32::try_from(n).unwrap() % 3))
        .collect();
    stage.publish(SOURCE, &payments).await;
    let running = stage.run().await;
    let calls = stage.wait_for_calls(60).await;
    running.stop().await.unwrap();
    for (first, later) in calls.iter().zip(&calls[40..]) {
        assert!(later.at - first.at >= 60 * SECOND, "{first:?} {later:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_revoked_token_stops_the_line_until_a_probe_succeeds() {
    let stage = Stage::new().await.set("DRAIN_ENABLED", "false");
    let revoked = || failure(FailureKind::Unauthorized);
    stage.answer(move |_| (Duration::ZERO, Some(Verdict::SinkDown(revoked()))));
    stage.usable(Err(revoked()));
    stage.publish(SOURCE, &[(1, 0), (2, 1)]).await;
    let running = stage.run().await;
    stage.wait_for_calls(1).await;
    // Hours of it cost no attempt and no membership.
    tokio::time::sleep(3600 * SECOND).await;
    assert_eq!(stage.calls().len(), 1);
    let probes = stage.probes();
    assert!(
        gaps(&probes).iter().all(|gap| *gap == gaps(&probes)[0]),
        "{probes:?}"
    );
    assert!(probes.len() > 10, "{probes:?}");
    assert_eq!(stage.committed(0), None);
    stage.answer(|_| (Duration::ZERO, Some(Verdict::Delivered)));
    stage.usable(Ok(()));
    let calls = stage.wait_for_calls(3).await;
    let outcome = running.stop().await.unwrap();
    assert_eq!(outcome.main.delivered, 2);
    assert!(calls.iter().all(|call| retry(call).is_none()));
    let generation = stage.broker.group("telegram-notification");
    assert_eq!(generation.map(|group| group.members.len()), Some(0));
}
