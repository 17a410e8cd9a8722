//! Stopping, and being stopped.

use std::time::Duration;

use kafka_protocol::messages::ApiKey;

use super::stage::{DEAD_LETTER, SOURCE, Stage, busy, number};
use crate::broker::BrokerConfig;
use crate::sink::Verdict;
use crate::wire::ErrorCode;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_send_under_way_is_finished_and_committed() {
    let stage = Stage::new().await;
    stage.answer(|_| (8 * SECOND, Some(Verdict::Delivered)));
    stage.publish(SOURCE, &[(1, 0), (2, 0)]).await;
    let running = stage.run().await;
    stage.wait_for_calls(1).await;
    let asked = stage.elapsed();
    let outcome = running.stop().await.unwrap();
    let took = stage.elapsed() - asked;
    assert!((8 * SECOND..9 * SECOND).contains(&took), "{took:?}");
    assert_eq!((outcome.main.delivered, stage.calls().len()), (1, 1));
    assert_eq!(stage.committed(0), Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_send_that_does_not_end_is_given_up_after_ten_seconds() {
    let stage = Stage::new().await;
    stage.answer(|_| (Duration::ZERO, None));
    stage.publish(SOURCE, &[(1, 0)]).await;
    let running = stage.run().await;
    stage.wait_for_calls(1).await;
    let asked = stage.elapsed();
    let outcome = running.stop().await.unwrap();
    let took = stage.elapsed() - asked;
    assert!((10 * SECOND..11 * SECOND).contains(&took), "{took:?}");
    assert_eq!(outcome.main.delivered, 0);
    assert_eq!(stage.committed(0), None);
}

#[tokio::test(start_paused = true)]
async fn what_a_lost_member_had_is_another_ones_after_the_session() {
    let stage = Stage::new().await.set("DRAIN_ENABLED", "false");
    stage.answer(|call| match number(call) {
        1 => (Duration::ZERO, None),
        _ => (Duration::ZERO, Some(Verdict::Delivered)),
    });
    stage.publish(SOURCE, &[(1, 0)]).await;
    let lost = stage.run_as("lost").await;
    stage.wait_for_calls(1).await;
    stage.cut_off("lost");
    stage.answer(|_| (Duration::ZERO, Some(Verdict::Delivered)));
    let next = stage.run().await;
    let calls = stage.wait_for_calls(2).await;
    assert!(calls[1].at - calls[0].at >= 40 * SECOND, "{calls:?}");
    let outcome = next.stop().await.unwrap();
    assert_eq!(outcome.main.delivered, 1);
    assert_eq!(stage.committed(0), Some(1));
    drop(lost);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_is_away_for_a_day_costs_nothing_but_the_day() {
    let stage = Stage::on(BrokerConfig {
        nodes: 3,
        ..BrokerConfig::default()
    })
    .await;
    stage.publish(SOURCE, &[(1, 0), (2, 1), (3, 2)]).await;
    let running = stage.run().await;
    stage.wait_for_calls(3).await;
    for partition in 0..3 {
        stage.wait_for_committed(partition, 1).await;
    }
    for node in 1..=3 {
        stage.broker.stop_node(node).await;
    }
    tokio::time::sleep(24 * 3600 * SECOND).await;
    for node in 1..=3 {
        stage.broker.start_node(node).await.unwrap();
    }
    stage.publish(SOURCE, &[(4, 0), (5, 1), (6, 2)]).await;
    let calls = stage.wait_for_calls(6).await;
    running.stop().await.unwrap();
    let mut again: Vec<u32> = calls[3..].iter().map(number).collect();
    again.sort_unstable();
    assert_eq!(again, [4, 5, 6]);
    let committed = [0, 1, 2].map(|partition| stage.committed(partition));
    assert_eq!(committed, [Some(2); 3]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_makes_no_second_dead_letter() {
    let stage = Stage::new().await.set("DRAIN_ENABLED", "false");
    stage.answer(|_| (Duration::ZERO, Some(busy())));
    stage.publish(SOURCE, &[(1, 0)]).await;
    stage.broker.control(ApiKey::Produce).times(3).drop_after();
    let running = stage.run().await;
    stage.broker.wait_for_records(DEAD_LETTER, 1).await;
    stage.broker.wait_until_asked(ApiKey::Produce, 5).await;
    let outcome = running.stop().await.unwrap();
    assert_eq!(outcome.main.dead_lettered, 1);
    assert_eq!(stage.broker.records(DEAD_LETTER, 0).len(), 1);
    assert_eq!(stage.committed(0), Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_is_refused_for_a_while_is_made_in_the_end() {
    let stage = Stage::new().await.set("DRAIN_ENABLED", "false");
    let refused = ErrorCode::COORDINATOR_LOAD_IN_PROGRESS;
    stage
        .broker
        .control(ApiKey::OffsetCommit)
        .times(20)
        .error(refused);
    stage.publish(SOURCE, &[(1, 0)]).await;
    let running = stage.run().await;
    stage.wait_for_calls(1).await;
    stage
        .broker
        .wait_until_asked(ApiKey::OffsetCommit, 21)
        .await;
    running.stop().await.unwrap();
    assert_eq!(stage.calls().len(), 1);
    assert_eq!(stage.committed(0), Some(1));
}
