//! Forwards in transactions, whatever becomes of their requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kafka_protocol::messages::ApiKey;

use super::stage::{DEAD_LETTER, GROUP, PERMANENT, Running, SOURCE, Stage, busy, failure, number};
use crate::broker::{BrokerConfig, GroupView, MemberView, Request, TransactionVersion};
use crate::cluster::NewTopic;
use crate::sink::{FailureKind, Verdict};
use crate::wire::ErrorCode;

const SECOND: Duration = Duration::from_secs(1);

/// What a transaction asks for, on old clusters and on new ones.
const ASKED: [ApiKey; 7] = [
    ApiKey::FindCoordinator,
    ApiKey::InitProducerId,
    ApiKey::AddPartitionsToTxn,
    ApiKey::AddOffsetsToTxn,
    ApiKey::TxnOffsetCommit,
    ApiKey::Produce,
    ApiKey::EndTxn,
];

/// A stage whose records are all refused, so that each goes to the permanent topic.
async fn refusing(version: Option<TransactionVersion>) -> Stage {
    let config = BrokerConfig {
        transaction_version: version,
        ..BrokerConfig::default()
    };
    let stage = Stage::on(config).await.set("DRAIN_ENABLED", "false");
    stage.answer(|_| {
        let refused = Verdict::Rejected(failure(FailureKind::BadRequest));
        (Duration::ZERO, Some(refused))
    });
    stage.publish(SOURCE, &[(1, 0), (2, 0), (3, 1)]).await;
    stage
}

async fn forwards_each_once(stage: &Stage, what: &str) {
    let running = stage.run().await;
    stage.wait_for_committed(0, 2).await;
    stage.wait_for_committed(1, 1).await;
    let outcome = running.stop().await.unwrap();
    assert_eq!(outcome.main.permanent, 3, "{what}");
    assert_eq!(stage.read(PERMANENT).await, [1, 2, 3], "{what}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_moves_no_record_twice() {
    for version in [TransactionVersion::V0, TransactionVersion::V2] {
        for api in ASKED {
            for times in [1, 3] {
                let stage = refusing(Some(version)).await;
                stage.broker.control(api).times(times).drop_after();
                let what = format!("{version:?} {api:?} {times}");
                forwards_each_once(&stage, &what).await;
            }
        }
    }
}

/// Longer than anybody waits for an answer: whether the transaction is committed is then read off
/// the group's offsets.
#[tokio::test(start_paused = true)]
async fn an_end_that_nobody_tells_of_is_found_out() {
    for version in [TransactionVersion::V0, TransactionVersion::V2] {
        for arrives in [true, false] {
            let stage = refusing(Some(version)).await;
            let fault = stage.broker.control(ApiKey::EndTxn).times(200);
            match arrives {
                true => fault.drop_after(),
                false => fault.drop_before(),
            }
            let running = stage.run().await;
            stage.broker.wait_until_asked(ApiKey::EndTxn, 20).await;
            tokio::time::sleep(60 * SECOND).await;
            stage.broker.clear_faults();
            stage.wait_for_committed(0, 2).await;
            stage.wait_for_committed(1, 1).await;
            running.stop().await.unwrap();
            let what = format!("{version:?}, arrives: {arrives}");
            assert_eq!(stage.read(PERMANENT).await, [1, 2, 3], "{what}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_transactions_forwards_are_acknowledged_first() {
    let stage = refusing(None).await;
    forwards_each_once(&stage, "none").await;
    assert_eq!(stage.broker.asked(ApiKey::EndTxn), 0);
    assert!(stage.broker.asked(ApiKey::OffsetCommit) > 0);
}

#[tokio::test(start_paused = true)]
async fn without_the_right_to_transactions_forwards_are_acknowledged_first() {
    let stage = refusing(Some(TransactionVersion::V2)).await;
    let forbidden = ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    let asks_for_an_id = stage.broker.control(ApiKey::InitProducerId);
    // The producer that forwards then asks as nobody in particular.
    asks_for_an_id.times(1).error(forbidden);
    forwards_each_once(&stage, "forbidden").await;
    assert_eq!(stage.broker.asked(ApiKey::EndTxn), 0);
}

/// Nothing waits but what the topic refuses.
#[tokio::test(start_paused = true)]
async fn a_topic_that_takes_nothing_keeps_no_record_of_another() {
    let stage = Stage::new().await.set("DRAIN_ENABLED", "false");
    stage.answer(|call| {
        let refused = Verdict::Rejected(failure(FailureKind::BadRequest));
        let is_first = number(call) == 1;
        let verdict = if is_first { busy() } else { refused };
        (Duration::ZERO, Some(verdict))
    });
    let narrow = NewTopic {
        name: DEAD_LETTER.to_owned(),
        partitions: 3,
        replication_factor: 1,
        configs: vec![("max.message.bytes".to_owned(), "100".to_owned())],
    };
    let admin = stage.client().await.admin();
    admin.create_topic(&narrow, SECOND).await.unwrap();
    let running = stage.run().await;
    stage.publish(SOURCE, &[(1, 0)]).await;
    stage.wait_for_calls(4).await;
    for n in 2..12 {
        stage.publish(SOURCE, &[(n, 1)]).await;
        stage.wait_for_committed(1, i64::from(n) - 1).await;
    }
    assert_eq!(stage.committed(0), None);
    running.stop().await.unwrap();
    assert_eq!(stage.read(DEAD_LETTER).await, [0; 0]);
}

/// The coordinator hears a member that hears nothing of it, and so keeps what the member takes for
/// lost. Of a forward that is under way meanwhile, and of the one that follows it, one counts.
#[tokio::test(start_paused = true)]
async fn a_session_that_ends_at_the_member_alone_moves_no_record_twice() {
    for (protocol, beats) in [
        ("classic", ApiKey::Heartbeat),
        ("consumer", ApiKey::ConsumerGroupHeartbeat),
    ] {
        let stage = refusing(Some(TransactionVersion::V2)).await;
        let stage = stage.set("KAFKA_GROUP_PROTOCOL", protocol);
        let services = [
            joined(&stage, "one", 1).await,
            joined(&stage, "two", 2).await,
        ];
        stage.wait_for_committed(0, 2).await;
        stage.wait_for_committed(1, 1).await;

        let [unheard, waits] = [(); 2].map(|()| Arc::new(AtomicBool::new(true)));
        let answers = stage.broker.control(beats).always();
        answers.when(of_two_while(&unheard)).drop_after();
        let commits = stage.broker.control(ApiKey::TxnOffsetCommit).always();
        let loading = ErrorCode::COORDINATOR_LOAD_IN_PROGRESS;
        commits.when(of_two_while(&waits)).error(loading);

        // A session is 45 s: forwards begin just before its end, and are held until after it. They
        // must be over within transaction.timeout.ms, 10 s.
        tokio::time::sleep(41 * SECOND).await;
        stage.publish(SOURCE, &[(4, 0), (5, 1), (6, 2)]).await;
        tokio::time::sleep(5 * SECOND).await;
        unheard.store(false, Ordering::Relaxed);
        tokio::time::sleep(2 * SECOND).await;
        waits.store(false, Ordering::Relaxed);
        for (partition, end) in [(0, 3), (1, 2), (2, 1)] {
            stage.wait_for_committed(partition, end).await;
        }
        // What is sent twice would come by now.
        tokio::time::sleep(60 * SECOND).await;
        for service in services {
            service.stop().await.unwrap();
        }
        let mut moved = stage.read(PERMANENT).await;
        moved.sort_unstable();
        assert_eq!(moved, [1, 2, 3, 4, 5, 6], "{protocol}");
    }
}

/// A service that has joined, as one of so many members that all have partitions.
async fn joined(stage: &Stage, name: &str, members: usize) -> Running {
    let running = stage.run_as(name).await;
    let has_some = |it: &MemberView| it.assignment.as_ref().is_some_and(|own| !own.is_empty());
    let all_have_some =
        |group: &GroupView| group.members.len() == members && group.members.iter().all(has_some);
    stage.broker.wait_for_group(GROUP, all_have_some).await;
    running
}

/// Requests of the service `two`, as long as this is so.
fn of_two_while(flag: &Arc<AtomicBool>) -> impl Fn(&Request) -> bool + Send + 'static {
    let flag = flag.clone();
    move |request| request.client_id == "two" && flag.load(Ordering::Relaxed)
}
