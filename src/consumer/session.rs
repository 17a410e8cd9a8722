//! Incremental fetch sessions (KIP-227): the broker remembers what is fetched, and a request
//! names only what has changed.
//!
//! # Invariants
//!
//! - What the broker remembers is what [`FetchSession`] thinks it does; whenever that is in doubt
//!   (an error, a lost connection) the next request is a full one that begins a new session.
//! - A broker fills its answer in the order of the partitions. With a session it lets those that
//!   had records go behind the others; full requests begin with the next one each time.

use std::collections::BTreeMap;

use crate::wire::{ErrorCode, TopicPartition};

/// Where a fetch of one partition begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchPosition {
    /// The topic's id (KIP-516), all zero where it is not known.
    pub topic_id: [u8; 16],
    /// The first offset wanted.
    pub offset: i64,
    /// The leader epoch that the client knows, -1 for none.
    pub leader_epoch: i32,
    /// The leader epoch of the record before `offset`, -1 where it is not known.
    pub last_epoch: i32,
    /// At most about this many bytes of this partition.
    pub max_bytes: i32,
}

/// One broker's fetch session.
#[derive(Debug, Default)]
pub struct FetchSession {
    id: i32,
    epoch: i32,
    known: BTreeMap<TopicPartition, FetchPosition>,
    /// The partition that the last full request began with.
    first: Option<TopicPartition>,
}

/// What of a fetch request depends on the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRequest {
    /// 0 asks for a new session.
    pub session_id: i32,
    /// 0 makes this request a full one.
    pub session_epoch: i32,
    /// The partitions that are new or changed; all of them in a full request.
    pub fetch: Vec<(TopicPartition, FetchPosition)>,
    /// The partitions that are not wanted any more.
    pub forget: Vec<(TopicPartition, FetchPosition)>,
}

impl FetchSession {
    /// The next request, for all of `wanted`. Each request's answer or failure must be handed to
    /// the session before the next is made.
    pub fn next_request(
        &mut self,
        wanted: &BTreeMap<TopicPartition, FetchPosition>,
    ) -> SessionRequest {
        // A topic that was made again is another one to the broker.
        let id = |tp| self.known.get(tp).map(|known| known.topic_id);
        let again =
            |(tp, position): (_, &FetchPosition)| id(tp).is_some_and(|id| id != position.topic_id);
        if wanted.iter().any(again) {
            self.reset();
        }
        if self.epoch == 0 {
            self.known.clear();
        }
        let fetch = wanted
            .iter()
            .filter(|(tp, position)| self.known.get(tp) != Some(position));
        let mut fetch: Vec<_> = fetch
            .map(|(tp, position)| (tp.clone(), *position))
            .collect();
        if self.epoch == 0 {
            let before = |(tp, _): &(_, _)| self.first.as_ref().is_some_and(|first| tp <= first);
            let next = fetch.partition_point(before) % fetch.len().max(1);
            fetch.rotate_left(next);
            self.first = fetch
                .first()
                .map(|(tp, _)| tp.clone())
                .or(self.first.take());
        }
        let forget = self
            .known
            .iter()
            .filter(|(tp, _)| !wanted.contains_key(tp))
            .map(|(tp, position)| (tp.clone(), *position))
            .collect();
        self.known.clone_from(wanted);
        SessionRequest {
            session_id: self.id,
            session_epoch: self.epoch,
            fetch,
            forget,
        }
    }

    /// True where the broker remembers this partition, and so leaves it out of an answer when
    /// there is nothing new to say of it.
    pub fn knows(&self, tp: &TopicPartition) -> bool {
        self.epoch != 0 && self.known.contains_key(tp)
    }

    /// Takes over the answer's session id and error code.
    pub fn handle_response(&mut self, session_id: i32, code: ErrorCode) {
        if !code.is_ok() || session_id == 0 {
            return self.reset();
        }
        self.id = session_id;
        self.epoch = self.epoch.checked_add(1).unwrap_or(1);
    }

    /// Forgets the session: the request failed, or the connection was lost.
    pub fn reset(&mut self) {
        *self = Self {
            first: self.first.take(),
            ..Self::default()
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(offsets: &[(i32, i64)]) -> BTreeMap<TopicPartition, FetchPosition> {
        let position = |offset| FetchPosition {
            topic_id: [1; 16],
            offset,
            leader_epoch: -1,
            last_epoch: -1,
            max_bytes: 1,
        };
        offsets
            .iter()
            .map(|&(p, offset)| (TopicPartition::new("t", p), position(offset)))
            .collect()
    }

    fn partitions(request: &SessionRequest) -> Vec<i32> {
        request.fetch.iter().map(|(tp, _)| tp.partition).collect()
    }

    #[test]
    fn after_a_full_request_only_changes_are_named() {
        let mut session = FetchSession::default();
        let full = session.next_request(&wanted(&[(0, 5), (1, 5)]));
        assert_eq!((full.session_id, full.session_epoch), (0, 0));
        assert_eq!(partitions(&full), [0, 1]);
        session.handle_response(77, ErrorCode::NONE);

        let next = session.next_request(&wanted(&[(0, 5), (1, 9)]));
        assert_eq!((next.session_id, next.session_epoch), (77, 1));
        assert_eq!(partitions(&next), [1]);
        session.handle_response(77, ErrorCode::NONE);

        let third = session.next_request(&wanted(&[(1, 9), (2, 0)]));
        assert_eq!(third.session_epoch, 2);
        assert_eq!(partitions(&third), [2]);
        let forgotten: Vec<_> = third.forget.iter().map(|(tp, _)| tp.partition).collect();
        assert_eq!(forgotten, [0]);
    }

    #[test]
    fn an_error_or_a_lost_connection_begins_a_full_session() {
        for code in [
            ErrorCode::FETCH_SESSION_ID_NOT_FOUND,
            ErrorCode::INVALID_FETCH_SESSION_EPOCH,
        ] {
            let mut session = FetchSession::default();
            session.next_request(&wanted(&[(0, 5)]));
            session.handle_response(77, ErrorCode::NONE);
            session.next_request(&wanted(&[(0, 5)]));
            session.handle_response(0, code);
            let full = session.next_request(&wanted(&[(0, 5)]));
            assert_eq!((full.session_id, full.session_epoch), (0, 0));
            assert_eq!(partitions(&full), [0]);
        }
    }

    #[test]
    fn a_topic_made_again_begins_a_full_session() {
        let mut session = FetchSession::default();
        session.next_request(&wanted(&[(0, 5), (1, 5)]));
        session.handle_response(77, ErrorCode::NONE);
        let mut again = wanted(&[(0, 0), (1, 5)]);
        for position in again.values_mut() {
            position.topic_id = [2; 16];
        }
        let full = session.next_request(&again);
        assert_eq!((full.session_id, full.session_epoch), (0, 0));
        assert_eq!(partitions(&full), [1, 0]);
        assert_eq!(full.forget, []);
    }

    #[test]
    fn a_broker_without_room_for_sessions_gets_full_requests_that_begin_in_turn() {
        let mut session = FetchSession::default();
        let mut full = |partitions: &[i32]| {
            let offsets: Vec<_> = partitions.iter().map(|partition| (*partition, 5)).collect();
            let request = session.next_request(&wanted(&offsets));
            session.handle_response(0, ErrorCode::NONE);
            assert_eq!(request.session_epoch, 0);
            self::partitions(&request)
        };
        assert_eq!(full(&[0, 1, 2]), [0, 1, 2]);
        assert_eq!(full(&[0, 1, 2]), [1, 2, 0]);
        assert_eq!(
            full(&[0, 3]),
            [3, 0],
            "the one after 1, whichever there are"
        );
        assert!(full(&[]).is_empty());
        assert_eq!(full(&[0, 1, 2]), [0, 1, 2]);
        assert_eq!(full(&[0, 1, 2]), [1, 2, 0]);
    }

    #[test]
    fn the_epoch_wraps_to_one() {
        let mut session = FetchSession {
            id: 7,
            epoch: i32::MAX,
            ..FetchSession::default()
        };
        session.handle_response(7, ErrorCode::NONE);
        assert_eq!(session.next_request(&wanted(&[])).session_epoch, 1);
    }
}
