use std::time::Duration;

use super::remedy::Remedy;
use super::*;
use crate::group::assignor::Assignor;
use crate::wire::ErrorCode;

/// True where a membership is over that was to be ended, or can't be.
pub(super) fn ends(error: &RequestError) -> bool {
    use Remedy::{FindCoordinator, Rejoin, Retry};
    !matches!(error.remedy(), FindCoordinator | Rejoin | Retry)
}

fn consumer() -> Membership {
    Membership::new(Config {
        protocol: GroupProtocol::Consumer,
        group_id: "g".to_owned(),
        member_id: "own".to_owned(),
        instance_id: None,
        session_timeout: Duration::from_secs(45),
        rebalance_timeout: Duration::from_secs(60),
        heartbeat_interval: Duration::from_secs(3),
        retry_backoff: (Duration::from_millis(100), Duration::from_secs(1)),
        assignors: vec![Assignor::Range],
        remote_assignor: None,
        rack: None,
        topics: vec!["t".to_owned()],
        revoke_timeout: Duration::from_secs(50),
        seed: 1,
    })
}

fn find(member: &mut Membership, now: Instant) -> Attempt {
    match member.poll_effect() {
        Some(Effect::FindCoordinator(attempt)) => {
            member.handle_coordinator(attempt, Ok(()), now);
            attempt
        }
        other => panic!("does not seek the coordinator but {other:?}"),
    }
}

#[test]
fn where_the_consumer_protocol_is_not_spoken_a_classic_member_takes_over() {
    let now = Instant::now();
    let mut member = consumer();
    member.handle_start(now);
    let first = find(&mut member, now);
    let Some(Effect::ConsumerHeartbeat(beat)) = member.poll_effect() else {
        panic!("does not join")
    };
    let unsupported = Err(RequestError::Code(ErrorCode::UNSUPPORTED_VERSION));
    member.handle_consumer_heartbeat(beat.attempt, unsupported.clone(), now);
    assert_eq!(member.poll_effect(), Some(Effect::Unsupported));
    member.handle_unsupported(now);
    // Neither of these is its own.
    member.handle_coordinator(first, Ok(()), now);
    member.handle_consumer_heartbeat(beat.attempt, unsupported, now);
    let second = find(&mut member, now);
    assert!(second > beat.attempt);
    assert!(matches!(member.poll_effect(), Some(Effect::Join(_))));
    member.handle_unsupported(now);
    assert_eq!(member.poll_effect(), None, "it is classic already");
}
