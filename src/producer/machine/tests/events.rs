//! What can happen to the machine in its model world.

use proptest::prelude::*;

use super::*;

pub(super) const PARTITIONS: i32 = 3;

/// What becomes of one batch of a request that is answered.
#[derive(Clone, Copy, Debug)]
pub(super) enum Treatment {
    Stored,
    /// Stored, and answered as a batch of long ago.
    StoredLongAgo,
    /// Stored, and answered with a code that hides it.
    StoredBut(ErrorCode),
    Refused(ErrorCode),
    /// Refused, and the blame put on one record.
    Blamed(i32),
    /// Stored, and missing from the answer.
    Omitted,
}

/// What becomes of a request.
#[derive(Clone, Debug)]
pub(super) enum Fate {
    Answered([Treatment; PARTITIONS as usize]),
    /// The broker has it, the answer is lost.
    AnswerLost(RequestFailure),
    RequestLost(RequestFailure),
    /// Given up, and under way to the broker still.
    Delayed,
    NotSent,
}

#[derive(Clone, Debug)]
pub(super) enum Event {
    Send { partition: i32, records: usize },
    Settle { nth: usize, fate: Fate },
    DelayedArrives { nth: usize },
    ProducerId { given: bool },
    Leader { partition: i32, node: Option<i32> },
    Leaders,
    Pass { millis: u64 },
    Alarm,
    Flush,
}

fn treatment() -> impl Strategy<Value = Treatment> {
    let hiding = prop::sample::select(vec![
        ErrorCode::NOT_LEADER_OR_FOLLOWER,
        ErrorCode::REQUEST_TIMED_OUT,
        ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        ErrorCode::UNKNOWN_SERVER_ERROR,
    ]);
    let refusing = prop::sample::select(vec![
        ErrorCode::NOT_LEADER_OR_FOLLOWER,
        ErrorCode::NOT_ENOUGH_REPLICAS,
        ErrorCode::MESSAGE_TOO_LARGE,
        ErrorCode::TOPIC_AUTHORIZATION_FAILED,
        ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
        ErrorCode::UNKNOWN_PRODUCER_ID,
        ErrorCode::INVALID_PRODUCER_EPOCH,
        ErrorCode::INVALID_PRODUCER_ID_MAPPING,
    ]);
    prop_oneof![
        6 => Just(Treatment::Stored),
        1 => Just(Treatment::StoredLongAgo),
        2 => hiding.prop_map(Treatment::StoredBut),
        4 => refusing.prop_map(Treatment::Refused),
        1 => (-1..4).prop_map(Treatment::Blamed),
        1 => Just(Treatment::Omitted),
    ]
}

fn fate() -> impl Strategy<Value = Fate> {
    let silence = prop::sample::select(vec![
        RequestFailure::Disconnected,
        RequestFailure::TimedOut,
        RequestFailure::BadAnswer,
    ]);
    prop_oneof![
        6 => [treatment(), treatment(), treatment()].prop_map(Fate::Answered),
        2 => silence.clone().prop_map(Fate::AnswerLost),
        1 => silence.prop_map(Fate::RequestLost),
        2 => Just(Fate::Delayed),
        1 => Just(Fate::NotSent),
    ]
}

pub(super) fn event() -> impl Strategy<Value = Event> {
    let node = prop_oneof![4 => (1..3).prop_map(Some), 1 => Just(None)];
    prop_oneof![
        8 => (0..PARTITIONS, 1..5_usize)
            .prop_map(|(partition, records)| Event::Send { partition, records }),
        8 => (any::<usize>(), fate()).prop_map(|(nth, fate)| Event::Settle { nth, fate }),
        2 => any::<usize>().prop_map(|nth| Event::DelayedArrives { nth }),
        2 => any::<bool>().prop_map(|given| Event::ProducerId { given }),
        1 => (0..PARTITIONS, node).prop_map(|(partition, node)| Event::Leader { partition, node }),
        3 => Just(Event::Leaders),
        2 => (0..1_500_u64).prop_map(|millis| Event::Pass { millis }),
        6 => Just(Event::Alarm),
        1 => Just(Event::Flush),
    ]
}
