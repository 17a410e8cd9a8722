//! What goes over a client's connections, counted.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::ErrorKind;
use crate::wire::ErrorCode;

/// Sums since the client was made. Requests are told apart by their API's key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrafficSums {
    /// Bytes that came from brokers, TLS taken off.
    pub incoming_bytes: u64,
    /// Bytes that went to brokers, TLS not yet put on.
    pub outgoing_bytes: u64,
    /// Connections that were made; a login may still have failed on them.
    pub connections_opened: u64,
    /// Those of them that are no more.
    pub connections_closed: u64,
    /// Connections that could not be made, or on which a login failed.
    pub connection_failures: u64,
    /// Requests begun, those of logins among them.
    pub requests: BTreeMap<i16, u64>,
    /// Requests that no answer came to, or none that could be read.
    pub request_failures: BTreeMap<(i16, ErrorKind), u64>,
    /// Errors in answers by Kafka's names, each time that one is told of a part or of the whole.
    pub errors: BTreeMap<(i16, &'static str), u64>,
    /// The time for which brokers wanted to be left alone (KIP-219).
    pub throttled: Duration,
}

/// The sums, shared by the connections. They are changed a few times a request: a lock that
/// nobody holds for long is no more than the counters would be.
#[derive(Debug, Default)]
pub struct Traffic(Mutex<TrafficSums>);

impl Traffic {
    /// The sums of this moment.
    pub fn sums(&self) -> TrafficSums {
        self.lock().clone()
    }

    pub(super) fn received(&self, bytes: usize) {
        self.lock().incoming_bytes += bytes as u64;
    }

    pub(super) fn sent(&self, bytes: usize) {
        self.lock().outgoing_bytes += bytes as u64;
    }

    pub(super) fn opened(&self) {
        self.lock().connections_opened += 1;
    }

    pub(super) fn closed(&self) {
        self.lock().connections_closed += 1;
    }

    pub(crate) fn not_connected(&self) {
        self.lock().connection_failures += 1;
    }

    pub(super) fn asked(&self, api: i16) {
        *self.lock().requests.entry(api).or_default() += 1;
    }

    pub(super) fn unanswered(&self, api: i16, why: ErrorKind) {
        let mut sums = self.lock();
        *sums.request_failures.entry((api, why)).or_default() += 1;
    }

    pub(super) fn refused(&self, api: i16, codes: &[ErrorCode]) {
        if codes.is_empty() {
            return;
        }
        let mut sums = self.lock();
        for code in codes {
            // By name: a broker could make up any number of codes, and has but one name for them.
            *sums.errors.entry((api, code.name())).or_default() += 1;
        }
    }

    pub(super) fn throttled(&self, pause: Duration) {
        let mut sums = self.lock();
        sums.throttled = sums.throttled.saturating_add(pause);
    }

    fn lock(&self) -> MutexGuard<'_, TrafficSums> {
        // A sum is never left half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
