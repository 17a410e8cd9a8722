//! What a supervisor is told of the service.

use std::collections::BTreeMap;
use std::time::Duration;

use hyper::{Method, StatusCode};
use kafka_protocol::messages::ApiKey;
use serde_json::Value;

use super::openmetrics::Metrics;
use super::stage::{DEAD_LETTER, PERMANENT, Running, SOURCE, Stage, busy, failure, number};
use crate::app::http::Site;
use crate::clock::wall_clock_ms;
use crate::producer::{Producer, ProducerConfig, ProducerRecord};
use crate::sink::{FailureKind, Verdict};
use crate::wire::ErrorCode;

const SECOND: Duration = Duration::from_secs(1);

/// Asks for one of the JSON answers.
async fn get(site: &Site, path: &str) -> (StatusCode, Value) {
    let answer = site.answer(&Method::GET, path).await;
    assert_eq!(answer.content_type, "application/json");
    (answer.status, serde_json::from_str(&answer.body).unwrap())
}

async fn metrics(site: &Site) -> Metrics {
    let answer = site.answer(&Method::GET, "/metrics").await;
    assert_eq!(answer.status, StatusCode::OK);
    let kind = answer.content_type;
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    let metrics = Metrics::read(&answer.body);
    let prefixes = ["payment_notifier_", "kafka_", "process_"];
    let is_ours = |name: &&str| prefixes.iter().any(|it| name.starts_with(it));
    assert!(metrics.names().iter().all(is_ours));
    metrics
}

/// Why it is not ready, by name; empty where it is.
async fn failing(site: &Site) -> Vec<String> {
    let (status, json) = get(site, "/readyz").await;
    let failing = json["failing"].as_object().unwrap();
    let ready = failing.is_empty();
    assert_eq!(json["ready"], ready);
    assert_eq!(status == StatusCode::OK, ready, "{json}");
    let reasons = failing.iter();
    let reasons = reasons.map(|(name, why)| format!("{name}: {}", why.as_str().unwrap()));
    reasons.collect()
}

/// Waits until it is not ready for this reason alone, or is ready where there is none; how long
/// that took.
async fn wait_for(site: &Site, reason: &str) -> Duration {
    let began = tokio::time::Instant::now();
    loop {
        let failing = failing(site).await;
        let is_it = match (&failing[..], reason) {
            ([], "") => true,
            ([only], reason) => !reason.is_empty() && only.contains(reason),
            _ => false,
        };
        if is_it {
            return began.elapsed();
        }
        let waited = began.elapsed();
        assert!(waited < 600 * SECOND, "{failing:?} and not {reason:?}");
        tokio::time::sleep(SECOND / 10).await;
    }
}

async fn alive(site: &Site) -> (bool, String) {
    let (status, json) = get(site, "/healthz").await;
    assert_eq!(json["alive"], status == StatusCode::OK);
    (
        status == StatusCode::OK,
        json["phase"].as_str().unwrap().to_owned(),
    )
}

async fn ready(stage: &Stage) -> Running {
    let running = stage.run().await;
    wait_for(&running.site, "").await;
    running
}

#[tokio::test(start_paused = true)]
async fn it_is_ready_once_both_groups_have_given_out_their_partitions() {
    let stage = Stage::new().await;
    let refused = ErrorCode::COORDINATOR_LOAD_IN_PROGRESS;
    stage
        .broker
        .control(ApiKey::JoinGroup)
        .times(4)
        .error(refused);
    let running = stage.run().await;
    let reasons = failing(&running.site).await;
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert!(reasons[0].starts_with("drain_membership: not a member"));
    assert!(reasons[1].starts_with("membership: not a member"));
    assert_eq!(alive(&running.site).await, (true, "running".to_owned()));
    wait_for(&running.site, "").await;
    let metrics = metrics(&running.site).await;
    for path in ["main", "drain"] {
        let of = |name: &str| metrics.get(&format!("{name}{{path=\"{path}\"}}"));
        assert_eq!(of("kafka_consumer_assigned_partitions"), Some(3.0));
        assert_eq!(of("kafka_consumer_group_member"), Some(1.0));
        assert_eq!(of("kafka_consumer_rebalances_total"), Some(1.0));
    }
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_site_without_a_service_is_alive_and_not_ready() {
    let stage = Stage::new().await;
    let site = Site::new(stage.config().health);
    assert_eq!(alive(&site).await, (true, "starting".to_owned()));
    assert_eq!(failing(&site).await, ["phase: starting"]);
    let metrics = metrics(&site).await;
    assert_eq!(metrics.get("payment_notifier_ready"), Some(0.0));
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_does_not_go_round_is_not_alive() {
    let stage = Stage::new().await.set("HEALTH_ANSWER_WITHIN", "3s");
    // It is there, and nobody runs it.
    let (site, service, _, questions) = stage.assemble("a").await;
    let asked = stage.elapsed();
    assert_eq!(alive(&site).await, (false, "silent".to_owned()));
    assert_eq!(stage.elapsed() - asked, 3 * SECOND);
    assert_eq!(failing(&site).await, ["loop: no answer within 3s"]);
    assert_eq!(
        metrics(&site).await.get("payment_notifier_ready"),
        Some(0.0)
    );
    drop((service, questions));
    assert_eq!(alive(&site).await, (true, "stopping".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn it_is_not_ready_while_the_line_is_stopped() {
    let stage = Stage::new().await.set("DRAIN_ENABLED", "false");
    let running = ready(&stage).await;
    let unauthorized = failure(FailureKind::Unauthorized);
    let down = unauthorized.clone();
    stage.answer(move |_| (Duration::ZERO, Some(Verdict::SinkDown(down.clone()))));
    stage.usable(Err(unauthorized));
    stage.publish(SOURCE, &[(1, 0), (2, 0), (3, 1)]).await;
    wait_for(&running.site, "line: the sink can't be used, for 60s").await;
    let told = metrics(&running.site).await;
    let line = |state| format!("payment_notifier_line_state{{state=\"{state}\"}}");
    assert_eq!(told.get(&line("stopped")), Some(1.0));
    assert_eq!(told.get(&line("open")), Some(0.0));
    let lasting = told.get("payment_notifier_line_stopped_seconds").unwrap();
    assert!((60.0..61.0).contains(&lasting), "{lasting}");
    // Nothing is fetched meanwhile, and all the same it is known what waits.
    stage.publish(SOURCE, &[(4, 2)]).await;
    tokio::time::sleep(6 * SECOND).await;
    let told = metrics(&running.site).await;
    assert_eq!(told.sum("kafka_consumer_records_lag", "path=\"main\""), 4.0);
    stage.usable(Ok(()));
    stage.answer(|_| (Duration::ZERO, Some(Verdict::Delivered)));
    assert!(wait_for(&running.site, "").await < 11 * SECOND);
    assert_eq!(metrics(&running.site).await.get(&line("open")), Some(1.0));
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn it_is_not_ready_once_a_partition_is_stuck_for_too_long() {
    let stage = Stage::new().await.set("HEALTH_STUCK_AFTER", "2m");
    let stage = stage.set("DRAIN_ENABLED", "false");
    let running = ready(&stage).await;
    stage.answer(|_| (Duration::ZERO, Some(busy())));
    let refused = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
    stage.publish(SOURCE, &[(1, 1)]).await;
    let faults = stage.broker.control(ApiKey::Produce).always();
    faults.error(refused);
    stage.wait_for_calls(4).await;
    let waited = wait_for(
        &running.site,
        "partitions: stuck: payment-notification-1 (main)",
    )
    .await;
    assert!((119 * SECOND..125 * SECOND).contains(&waited), "{waited:?}");
    let blocked = "payment_notifier_partition_blocked_seconds";
    let told = metrics(&running.site).await;
    let stuck = format!("{blocked}{{partition=\"1\",path=\"main\",topic=\"{SOURCE}\"}}");
    assert!(told.get(&stuck).unwrap() >= 120.0);
    let errors = "kafka_client_errors_total{api=\"Produce\",code=\"TOPIC_AUTHORIZATION_FAILED\"}";
    assert!(told.get(errors).unwrap() > 1.0);
    stage.broker.clear_faults();
    assert!(wait_for(&running.site, "").await < 15 * SECOND);
    assert_eq!(metrics(&running.site).await.sum(blocked, ""), 0.0);
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn it_is_not_ready_once_no_commit_is_acknowledged_for_too_long() {
    let stage = Stage::new().await.set("HEALTH_STUCK_AFTER", "2m");
    let stage = stage.set("DRAIN_ENABLED", "false");
    let running = ready(&stage).await;
    let refused = ErrorCode::COORDINATOR_LOAD_IN_PROGRESS;
    stage
        .broker
        .control(ApiKey::OffsetCommit)
        .always()
        .error(refused);
    stage.publish(SOURCE, &[(1, 1)]).await;
    wait_for(&running.site, "commits: none acknowledged for 120s (main)").await;
    let told = metrics(&running.site).await;
    let failed = "payment_notifier_commits_total{path=\"main\",result=\"failed\"}";
    assert!(told.get(failed).unwrap() > 1.0);
    stage.broker.clear_faults();
    wait_for(&running.site, "").await;
    let told = metrics(&running.site).await;
    let made = "payment_notifier_commits_total{path=\"main\",result=\"acknowledged\"}";
    assert_eq!(told.get(made), Some(1.0));
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_member_that_was_lost_is_not_ready_and_alive() {
    let stage = Stage::new().await.set("DRAIN_ENABLED", "false");
    let running = stage.run_as("lost").await;
    wait_for(&running.site, "").await;
    stage.cut_off("lost");
    let waited = wait_for(&running.site, "membership: not a member of its group").await;
    assert!((40 * SECOND..50 * SECOND).contains(&waited), "{waited:?}");
    assert!(alive(&running.site).await.0);
    let told = metrics(&running.site).await;
    let lag = |metrics: &Metrics| metrics.sum("kafka_consumer_records_lag", "");
    assert_eq!(lag(&told), 0.0);
    assert!(told.sum("kafka_client_request_failures_total", "reason=") > 0.0);
}

#[tokio::test(start_paused = true)]
async fn it_is_not_ready_while_it_stops() {
    let stage = Stage::new().await;
    let running = ready(&stage).await;
    stage.answer(|_| (8 * SECOND, Some(Verdict::Delivered)));
    stage.publish(SOURCE, &[(1, 0), (2, 0)]).await;
    stage.wait_for_calls(1).await;
    let site = running.site.clone();
    let (outcome, ()) = tokio::join!(running.stop(), async {
        tokio::time::sleep(SECOND).await;
        let reasons = failing(&site).await;
        assert!(
            reasons.contains(&"phase: stopping".to_owned()),
            "{reasons:?}"
        );
        assert_eq!(alive(&site).await, (true, "stopping".to_owned()));
        let told = metrics(&site).await;
        assert_eq!(told.sum("payment_notifier_sends_in_flight", "main"), 1.0);
    });
    outcome.unwrap();
    assert_eq!(failing(&site).await, ["phase: stopping"]);
    assert_eq!(alive(&site).await, (true, "stopping".to_owned()));
    metrics(&site).await;
}

/// Payments by number: 1 goes well, 2 at the second attempt, 3 in the drain, 4 never, 5 is refused.
fn verdict(number: u32, attempt: usize) -> Verdict {
    match (number, attempt) {
        (1, _) | (2, 2..) | (3, 5..) => Verdict::Delivered,
        (5, _) => Verdict::Rejected(failure(FailureKind::BadRequest)),
        _ => busy(),
    }
}

#[tokio::test(start_paused = true)]
async fn the_sums_are_those_of_the_ledger() {
    let stage = Stage::new().await;
    let mut attempts = BTreeMap::new();
    stage.answer(move |call| {
        let attempt: &mut usize = attempts.entry(number(call)).or_default();
        *attempt += 1;
        (SECOND / 5, Some(verdict(number(call), *attempt)))
    });
    stage
        .publish(SOURCE, &[(1, 0), (2, 1), (3, 2), (4, 0), (5, 1)])
        .await;
    let running = ready(&stage).await;
    stage.broker.wait_for_records(DEAD_LETTER, 2).await;
    stage.broker.wait_for_records(PERMANENT, 2).await;
    while !stage.is_settled() || stage.delivered().len() < 3 {
        tokio::time::sleep(SECOND).await;
    }
    // The end of the pass is told, and what was looked up is looked up again.
    tokio::time::sleep(10 * SECOND).await;
    let told = metrics(&running.site).await;
    let sum = |name: &str, label: &str| told.sum(&format!("payment_notifier_{name}"), label);
    let sends = stage.calls().len() as f64;
    assert_eq!(sum("sends_total", ""), sends);
    assert_eq!(sum("verdicts_total", ""), sends);
    assert_eq!(sum("send_duration_seconds_count", ""), sends);
    assert_eq!(
        sum("sends_in_flight", "") + sum("forwards_in_flight", ""),
        0.0
    );
    let spent = sum("send_duration_seconds_sum", "");
    assert!((spent - sends / 5.0).abs() < 0.01, "{spent}");
    assert_eq!(sum("verdicts_total", "verdict=\"delivered\""), 3.0);
    let rejected = "failure=\"bad-request\",path=\"main\",verdict=\"rejected\"";
    assert_eq!(sum("verdicts_total", rejected), 1.0);
    assert_eq!(sum("delivered_total", ""), stage.delivered().len() as f64);
    let written = async |topic| stage.read(topic).await.len() as f64;
    assert_eq!(
        sum("forwards_total", "destination=\"dead-letter\""),
        written(DEAD_LETTER).await
    );
    assert_eq!(
        sum("forwards_total", "destination=\"permanent\""),
        written(PERMANENT).await
    );
    assert_eq!(sum("dead_letters_waiting", ""), 0.0);
    assert_eq!(sum("oldest_dead_letter_age_seconds", ""), 0.0);
    assert_eq!(told.sum("kafka_consumer_records_lag", ""), 0.0);
    assert!(sum("drain_passes_total", "complete") >= 1.0);
    assert!(sum("drain_last_pass_timestamp_seconds", "") > 1.7e9);
    let outcome = running.stop().await.unwrap();
    assert_eq!((outcome.main.sent + outcome.drain.sent) as f64, sends);
}

#[tokio::test(start_paused = true)]
async fn dead_letters_that_wait_are_counted_and_the_oldest_has_its_age() {
    let stage = Stage::new().await.set("DRAIN_DELAYS", "2h");
    stage.publish(DEAD_LETTER, &[(1, 0), (2, 1)]).await;
    let client = stage.client().await;
    let producer = Producer::new(&client, ProducerConfig::default());
    let aged = |partition, seconds: i64| ProducerRecord {
        partition: Some(partition),
        timestamp_ms: Some(wall_clock_ms() - seconds * 1000),
        ..ProducerRecord::new(DEAD_LETTER, None, Some(b"{}"))
    };
    for (partition, seconds) in [(2, 1800), (2, 3600), (1, 5400)] {
        let sent = producer.send(&aged(partition, seconds)).await.unwrap();
        sent.await.unwrap();
    }
    let running = ready(&stage).await;
    tokio::time::sleep(6 * SECOND).await;
    let told = metrics(&running.site).await;
    assert_eq!(told.get("payment_notifier_dead_letters_waiting"), Some(5.0));
    // The first of a partition is the one that is looked at: those behind it came later.
    let age = told.get("payment_notifier_oldest_dead_letter_age_seconds");
    assert!((1800.0..1860.0).contains(&age.unwrap()), "{age:?}");
    let lag = |it| {
        format!(
            "kafka_consumer_records_lag{{partition=\"{it}\",path=\"drain\",topic=\"{DEAD_LETTER}\"}}"
        )
    };
    let lags = [0, 1, 2].map(|it| told.get(&lag(it)));
    assert_eq!(lags, [Some(1.0), Some(2.0), Some(2.0)]);
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_not_known_is_not_told() {
    let stage = Stage::new().await;
    let running = ready(&stage).await;
    tokio::time::sleep(6 * SECOND).await;
    let told = [
        "payment_notifier_dead_letters_waiting",
        "payment_notifier_oldest_dead_letter_age_seconds",
    ];
    let known = metrics(&running.site).await;
    assert_eq!(told.map(|name| known.get(name)), [Some(0.0); 2]);
    let refused = ErrorCode::LEADER_NOT_AVAILABLE;
    let faults = stage.broker.control(ApiKey::ListOffsets).always();
    faults.error(refused);
    tokio::time::sleep(6 * SECOND).await;
    let known = metrics(&running.site).await;
    assert_eq!(told.map(|name| known.get(name)), [None; 2]);
    stage.broker.clear_faults();
    tokio::time::sleep(6 * SECOND).await;
    let known = metrics(&running.site).await;
    assert_eq!(told.map(|name| known.get(name)), [Some(0.0); 2]);
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn kafka_is_asked_no_more_often_than_it_is_said() {
    let stage = Stage::new().await.set("DRAIN_DELAYS", "2h");
    stage.publish(DEAD_LETTER, &[(1, 0)]).await;
    let running = ready(&stage).await;
    tokio::time::sleep(6 * SECOND).await;
    let asked = || {
        let of = |api| stage.broker.asked(api);
        (of(ApiKey::ListOffsets), of(ApiKey::Metadata))
    };
    metrics(&running.site).await;
    let before = asked();
    for _ in 0..100 {
        metrics(&running.site).await;
        get(&running.site, "/readyz").await;
    }
    assert_eq!(asked(), before);
    tokio::time::sleep(5 * SECOND).await;
    metrics(&running.site).await;
    assert_eq!(asked().0, before.0 + 1);
    running.stop().await.unwrap();
}
