//! Membership: commits, revocations, leaving.

use kafka_protocol::messages::{
    ApiKey, FindCoordinatorResponse, LeaveGroupResponse, OffsetCommitResponse,
};

use super::broker::{Brokers, commit_answer, committed_in};
use super::*;
use crate::ErrorKind;
use crate::consumer::CommitOffset;
use crate::net::testing;
use crate::wire::ErrorCode;

fn offset(partition: i32, next: i64) -> Vec<CommitOffset> {
    vec![CommitOffset::new(tp(partition), next)]
}

async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, what)
        .await
        .expect("not done in time")
}

#[tokio::test]
async fn commits_arrive_in_order_and_a_passing_refusal_does_not_reorder_them() {
    let brokers = Brokers::start(1, 1).await;
    let consumer = joined(&brokers, config()).await;
    let mut refusals = 2;
    brokers.hook(move |call| {
        let refuse = call.api == ApiKey::OffsetCommit && refusals > 0;
        refusals -= i32::from(refuse);
        let refusal = || commit_answer(call, ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
        refuse.then(|| call.answer(&refusal()))
    });
    let commits = [1, 2, 3].map(|next| consumer.commit(offset(0, next)));
    for commit in commits {
        in_time(commit).await.unwrap();
    }
    assert_eq!(brokers.state().commits, [(0, 1), (0, 2), (0, 3)]);
    assert_eq!(brokers.count(ApiKey::OffsetCommit), 5);
    in_time(consumer.close()).await.unwrap();
}

#[tokio::test]
async fn a_commit_that_is_refused_for_good_is_told() {
    let brokers = Brokers::start(1, 1).await;
    let consumer = joined(&brokers, config()).await;
    brokers.hook(|call| {
        let refused = call.api == ApiKey::OffsetCommit;
        let refusal = || commit_answer(call, ErrorCode::OFFSET_METADATA_TOO_LARGE);
        refused.then(|| call.answer(&refusal()))
    });
    let error = in_time(consumer.commit(offset(0, 1))).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::OFFSET_METADATA_TOO_LARGE));
    assert!(error.to_string().contains("group g"), "{error}");
}

#[tokio::test]
async fn a_commit_that_is_not_answered_in_full_is_not_taken_for_done() {
    let brokers = Brokers::start(1, 1).await;
    let consumer = joined(&brokers, config()).await;
    brokers.hook(|call| {
        let empty = OffsetCommitResponse::default();
        (call.api == ApiKey::OffsetCommit).then(|| call.answer(&empty))
    });
    let error = in_time(consumer.commit(offset(0, 1))).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_SERVER_ERROR));
}

#[tokio::test]
async fn a_commit_of_a_partition_that_is_not_owned_is_refused_unsent() {
    let brokers = Brokers::start(1, 1).await;
    let consumer = joined(&brokers, config()).await;
    let error = in_time(consumer.commit(offset(7, 1))).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::ILLEGAL_GENERATION));
    assert_eq!(brokers.count(ApiKey::OffsetCommit), 0);
}

#[tokio::test]
async fn offsets_are_stamped_where_they_could_be_committed() {
    let brokers = Brokers::start(1, 1).await;
    let consumer = joined(&brokers, config()).await;
    let stamped = in_time(consumer.stamped(offset(0, 1))).await.unwrap();
    assert_eq!((&*stamped.group, stamped.stamp.generation), ("g", 1));
    assert!(!stamped.stamp.member_id.is_empty());
    assert_eq!(stamped.offsets, offset(0, 1));
    let error = in_time(consumer.stamped(offset(7, 1))).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::ILLEGAL_GENERATION));
    assert_eq!(brokers.count(ApiKey::OffsetCommit), 0);
}

#[tokio::test]
async fn a_coordinator_that_never_answers_a_commit_costs_one_request_timeout() {
    let brokers = Brokers::start(1, 1).await;
    let client = Client::connect(ClientConfig {
        request_timeout: Duration::from_secs(2),
        ..client_config(&brokers)
    });
    let client = client.await.unwrap();
    let mut consumer = Consumer::join(&client, config()).unwrap();
    until(&mut consumer, |event| matches!(event, Event::Assigned(_))).await;
    let mut silent = false;
    brokers.hook(move |call| {
        silent |= call.api == ApiKey::OffsetCommit;
        let held_up = matches!(call.api, ApiKey::OffsetCommit | ApiKey::Heartbeat);
        (silent && held_up).then_some(testing::Reply::Nothing)
    });
    let started = std::time::Instant::now();
    let error = in_time(consumer.commit(offset(0, 1))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
}

/// Gives up what is revoked right after committing, and waits for neither.
#[tokio::test]
async fn a_revocation_waits_for_the_commits_before_it() {
    let brokers = Brokers::start(1, 1).await;
    let mut consumer = joined(&brokers, config()).await;
    let mut refusals = 2;
    brokers.hook(move |call| {
        let refuse = call.api == ApiKey::OffsetCommit && refusals > 0;
        refusals -= i32::from(refuse);
        let refusal = || commit_answer(call, ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
        refuse.then(|| call.answer(&refusal()))
    });
    brokers.state().heartbeat = ErrorCode::REBALANCE_IN_PROGRESS.0;
    let revoking = until(&mut consumer, |event| matches!(event, Event::Revoking(_))).await;
    let Event::Revoking(partitions) = revoking else {
        unreachable!()
    };
    let joins = brokers.count(ApiKey::JoinGroup);
    let commits = [1, 2].map(|next| consumer.commit(offset(0, next)));
    consumer.revoked(&partitions);
    for commit in commits {
        in_time(commit).await.unwrap();
    }
    until(&mut consumer, |event| matches!(event, Event::Assigned(_))).await;
    assert_eq!(brokers.count(ApiKey::JoinGroup), joins + 1);
    let calls = brokers.state().calls.clone();
    let last = |api| calls.iter().rposition(|it| *it == api);
    assert!(last(ApiKey::OffsetCommit) < last(ApiKey::JoinGroup));
    assert_eq!(brokers.state().committed[&0], 2);
}

#[tokio::test]
async fn no_one_joins_again_before_the_application_has_given_up_all_partitions() {
    let brokers = Brokers::start(1, 2).await;
    let mut consumer = joined(&brokers, config()).await;
    let joins = brokers.count(ApiKey::JoinGroup);
    brokers.state().heartbeat = ErrorCode::REBALANCE_IN_PROGRESS.0;
    until(&mut consumer, |event| matches!(event, Event::Revoking(_))).await;
    consumer.revoked(&[tp(0)]);
    // Heartbeats go on meanwhile.
    let beats = brokers.count(ApiKey::Heartbeat);
    testing::until(|| brokers.count(ApiKey::Heartbeat) >= beats + 5).await;
    assert_eq!(brokers.count(ApiKey::JoinGroup), joins);
    consumer.revoked(&[tp(1)]);
    until(&mut consumer, |event| matches!(event, Event::Assigned(_))).await;
}

#[tokio::test]
async fn closing_with_a_revocation_unanswered_leaves_at_once() {
    let brokers = Brokers::start(1, 1).await;
    let mut consumer = joined(&brokers, config()).await;
    brokers.state().heartbeat = ErrorCode::REBALANCE_IN_PROGRESS.0;
    until(&mut consumer, |event| matches!(event, Event::Revoking(_))).await;
    let closing = tokio::time::timeout(Duration::from_secs(3), consumer.close());
    closing.await.expect("held up by the revocation").unwrap();
    assert_eq!(brokers.count(ApiKey::LeaveGroup), 1);
}

#[tokio::test]
async fn closing_tells_that_the_coordinator_did_not_answer() {
    let brokers = Brokers::start(1, 1).await;
    let consumer = joined(&brokers, config()).await;
    brokers.hook(|call| (call.api == ApiKey::LeaveGroup).then_some(testing::Reply::Nothing));
    // Nothing but time passes from here on.
    tokio::time::pause();
    let error = in_time(consumer.close()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let told = error.to_string();
    assert!(told.contains("group g not left"), "{told}");
    assert!(told.contains("within 5s"), "{told}");
}

#[tokio::test]
async fn closing_tells_that_the_coordinator_refused() {
    let brokers = Brokers::start(1, 1).await;
    let consumer = joined(&brokers, config()).await;
    brokers.hook(|call| {
        let refusal = LeaveGroupResponse::default();
        let refusal = refusal.with_error_code(ErrorCode::NOT_COORDINATOR.0);
        (call.api == ApiKey::LeaveGroup).then(|| call.answer(&refusal))
    });
    let error = in_time(consumer.close()).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::NOT_COORDINATOR));
}

#[tokio::test]
async fn a_static_member_closes_and_stays() {
    let brokers = Brokers::start(1, 1).await;
    let member = ConsumerConfig {
        group_instance_id: Some("i".into()),
        ..config()
    };
    let consumer = joined(&brokers, member).await;
    in_time(consumer.close()).await.unwrap();
    assert_eq!(brokers.count(ApiKey::LeaveGroup), 0);
}

#[tokio::test]
async fn closing_with_a_revocation_unanswered_commits_what_was_asked_for_before() {
    let brokers = Brokers::start(1, 1).await;
    let mut consumer = joined(&brokers, config()).await;
    brokers.state().heartbeat = ErrorCode::REBALANCE_IN_PROGRESS.0;
    until(&mut consumer, |event| matches!(event, Event::Revoking(_))).await;
    let commits = [1, 2, 3].map(|next| consumer.commit(offset(0, next)));
    in_time(consumer.close()).await.unwrap();
    for commit in commits {
        in_time(commit).await.unwrap();
    }
    assert_eq!(brokers.state().committed[&0], 3);
    assert_eq!(brokers.count(ApiKey::LeaveGroup), 1);
}

/// The driver may see first that nobody takes its events, and only then the command.
#[tokio::test]
async fn closing_returns_when_the_group_is_left_whatever_waits() {
    for round in 0..20 {
        let brokers = Brokers::start(1, 1).await;
        brokers.state().ends[0] = 5;
        let consumer = joined(&brokers, config()).await;
        testing::until(|| brokers.count(ApiKey::Fetch) > 1).await;
        drop(consumer.commit(offset(0, 1)));
        in_time(consumer.close()).await.unwrap();
        assert_eq!(brokers.count(ApiKey::LeaveGroup), 1, "round {round}");
        assert_eq!(brokers.state().committed.get(&0), Some(&1), "round {round}");
    }
}

#[tokio::test]
async fn a_dropped_consumer_commits_what_it_was_told_to_and_leaves() {
    for _ in 0..20 {
        let brokers = Brokers::start(1, 1).await;
        brokers.state().ends[0] = 5;
        let consumer = joined(&brokers, config()).await;
        testing::until(|| brokers.count(ApiKey::Fetch) > 1).await;
        drop(consumer.commit(offset(0, 1)));
        drop(consumer);
        in_time(testing::until(|| brokers.count(ApiKey::LeaveGroup) == 1)).await;
        assert_eq!(brokers.state().committed.get(&0), Some(&1));
    }
}

#[tokio::test]
async fn a_failure_is_told_again_and_again_and_what_is_owned_can_still_be_committed() {
    let brokers = Brokers::start(1, 1).await;
    brokers.state().ends[0] = 3;
    let mut consumer = joined(&brokers, config()).await;
    read_to_end(&mut consumer, &[0]).await;
    let refusal = [ErrorCode::TOPIC_AUTHORIZATION_FAILED].into();
    brokers.state().fetch_codes.insert(0, refusal);
    let error = next(&mut consumer).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED));
    assert!(error.to_string().contains("t-0"), "{error}");
    let again = next(&mut consumer).await.unwrap_err();
    assert_eq!(again.code(), error.code());
    in_time(consumer.commit(offset(0, 3))).await.unwrap();
    assert_eq!(brokers.state().committed[&0], 3);
    in_time(consumer.close()).await.unwrap();
    assert_eq!(brokers.count(ApiKey::LeaveGroup), 1);
}

#[tokio::test]
async fn a_forbidden_group_ends_it_by_name_and_closing_returns() {
    let brokers = Brokers::start(1, 1).await;
    brokers.hook(|call| {
        let answer = FindCoordinatorResponse::default();
        let answer = answer.with_error_code(ErrorCode::GROUP_AUTHORIZATION_FAILED.0);
        (call.api == ApiKey::FindCoordinator).then(|| call.answer(&answer))
    });
    let mut consumer = join(&brokers, config()).await;
    let error = next(&mut consumer).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::GROUP_AUTHORIZATION_FAILED));
    assert!(error.to_string().contains('g'), "{error}");
    let refused = in_time(consumer.commit(offset(0, 1))).await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::ILLEGAL_GENERATION));
    in_time(consumer.close()).await.unwrap();
}

#[tokio::test]
async fn a_forbidden_topic_ends_it_by_name() {
    let brokers = Brokers::start(1, 1).await;
    let mut consumer = joined(&brokers, config()).await;
    let address = brokers.peers[0].address;
    brokers.hook(move |call| {
        let mut answer = testing::metadata(&[(1, address)], &[("t", &[])]);
        answer.topics[0].error_code = ErrorCode::TOPIC_AUTHORIZATION_FAILED.0;
        match call.api {
            ApiKey::Metadata => Some(call.answer(&answer)),
            // Has the metadata asked for.
            ApiKey::Fetch => Some(testing::Reply::Close),
            _ => None,
        }
    });
    let error = loop {
        if let Err(error) = next(&mut consumer).await {
            break error;
        }
    };
    assert_eq!(error.code(), Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED));
    assert!(error.to_string().contains("topic t"), "{error}");
}

#[tokio::test]
async fn a_commit_names_what_it_was_given() {
    let brokers = Brokers::start(1, 2).await;
    let consumer = joined(&brokers, config()).await;
    let named = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = named.clone();
    brokers.hook(move |call| {
        if call.api == ApiKey::OffsetCommit {
            seen.lock().unwrap().push(committed_in(call));
        }
        None
    });
    let both = [offset(0, 4), offset(1, 9)].concat();
    in_time(consumer.commit(both)).await.unwrap();
    assert_eq!(*named.lock().unwrap(), [vec![(0, 4), (1, 9)]]);
}
