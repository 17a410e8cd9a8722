//! What goes wrong on purpose: errors, delays, lost connections, damaged answers.
//!
//! Every request is held against the rules in the order in which they were made. All delays that
//! apply are waited for; of the rest, the first that applies is done.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kafka_protocol::messages::ApiKey;
use tokio::sync::watch;

use crate::wire::ErrorCode;

/// A request, as far as a rule can look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is asked for.
    pub api: ApiKey,
    /// In which version.
    pub version: i16,
    /// Which node was asked.
    pub node: i32,
    /// The `client.id` of whoever asks.
    pub client_id: String,
}

/// What is done to a request besides a delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Answered with this code wherever the answer has room for one; nothing else happens.
    Error(ErrorCode),
    /// The connection is closed; nothing else happens.
    DropBefore,
    /// All is done, and the connection is closed in place of the answer.
    DropAfter,
    /// All is done, and the connection is closed after so many bytes of the answer.
    Cut(usize),
    /// All is done, and one bit of this byte of the answer's body is the wrong one.
    Corrupt(usize),
}

/// What all rules together do to one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fate {
    pub(super) delay: Duration,
    pub(super) action: Option<Action>,
}

#[derive(Clone, Copy, Debug)]
enum Effect {
    Delay(Duration),
    Action(Action),
}

type Condition = Box<dyn Fn(&Request) -> bool + Send>;

struct Rule {
    api: ApiKey,
    condition: Option<Condition>,
    skip: u64,
    times: u64,
    effect: Effect,
}

/// All rules, and the count of what was asked.
#[derive(Default)]
pub(super) struct Faults {
    rules: Mutex<Vec<Rule>>,
    asked: watch::Sender<BTreeMap<i16, u64>>,
}

/// A rule in the making: which requests of an API it is for, then what happens to them.
///
/// Without more said it is for the next request alone.
#[must_use = "a rule is made by what it does: `error`, `delay`, …"]
pub struct Control<'a> {
    faults: &'a Faults,
    api: ApiKey,
    condition: Option<Condition>,
    skip: u64,
    times: u64,
}

impl Control<'_> {
    /// For this many requests.
    pub fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// For all requests from now on, until [`Broker::clear_faults`](super::Broker::clear_faults).
    pub fn always(self) -> Self {
        self.times(u64::MAX)
    }

    /// Lets this many requests pass first.
    pub fn skip(mut self, requests: u64) -> Self {
        self.skip = requests;
        self
    }

    /// For requests that satisfy a condition; the others are neither counted nor touched. The
    /// condition is asked while the rules are locked: it must not make or clear any.
    pub fn when(mut self, condition: impl Fn(&Request) -> bool + Send + 'static) -> Self {
        self.condition = Some(Box::new(condition));
        self
    }

    /// For requests to this node.
    pub fn at(self, node: i32) -> Self {
        self.when(move |request| request.node == node)
    }

    /// Answers with this code, for each topic, partition or group asked for; nothing else is done.
    pub fn error(self, code: ErrorCode) {
        self.make(Effect::Action(Action::Error(code)));
    }

    /// Handles the request after this time on the broker's clock; what comes behind it on the
    /// same connection waits too, as with Kafka.
    pub fn delay(self, by: Duration) {
        self.make(Effect::Delay(by));
    }

    /// Closes the connection in place of handling the request.
    pub fn drop_before(self) {
        self.make(Effect::Action(Action::DropBefore));
    }

    /// Handles the request and closes the connection in place of answering it.
    pub fn drop_after(self) {
        self.make(Effect::Action(Action::DropAfter));
    }

    /// Handles the request, and closes the connection after this many bytes of the answer, its
    /// length among them.
    pub fn cut(self, after_bytes: usize) {
        self.make(Effect::Action(Action::Cut(after_bytes)));
    }

    /// Handles the request, and sends one wrong bit in this byte of the answer, counted from
    /// after its correlation id (around and around where the answer is shorter).
    pub fn corrupt(self, at_byte: usize) {
        self.make(Effect::Action(Action::Corrupt(at_byte)));
    }

    fn make(self, effect: Effect) {
        self.faults.rules().push(Rule {
            api: self.api,
            condition: self.condition,
            skip: self.skip,
            times: self.times,
            effect,
        });
    }
}

impl Faults {
    pub(super) fn control(&self, api: ApiKey) -> Control<'_> {
        Control {
            faults: self,
            api,
            condition: None,
            skip: 0,
            times: 1,
        }
    }

    pub(super) fn clear(&self) {
        self.rules().clear();
    }

    /// Counts a request, and says what is to happen to it.
    pub(super) fn fate(&self, request: &Request) -> Fate {
        let mut fate = Fate::default();
        let mut rules = self.rules();
        for rule in rules.iter_mut().filter(|rule| rule.is_for(request)) {
            if let Effect::Action(_) = rule.effect
                && fate.action.is_some()
            {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            rule.times -= 1;
            match rule.effect {
                Effect::Delay(by) => fate.delay += by,
                Effect::Action(action) => fate.action = Some(action),
            }
        }
        rules.retain(|rule| rule.times > 0);
        drop(rules);
        self.asked
            .send_modify(|asked| *asked.entry(request.api as i16).or_default() += 1);
        fate
    }

    /// How many requests of each API there were.
    pub(super) fn asked(&self) -> watch::Receiver<BTreeMap<i16, u64>> {
        self.asked.subscribe()
    }

    fn rules(&self) -> MutexGuard<'_, Vec<Rule>> {
        // A condition that panics leaves the list whole.
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rule {
    fn is_for(&self, request: &Request) -> bool {
        self.api == request.api
            && self.times > 0
            && self.condition.as_ref().is_none_or(|holds| holds(request))
    }
}

impl std::fmt::Debug for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Faults")
            .field("rules", &self.rules().len())
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Control<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control")
            .field("api", &self.api)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(api: ApiKey, node: i32) -> Request {
        Request {
            api,
            version: 3,
            node,
            client_id: String::new(),
        }
    }

    fn actions(faults: &Faults, api: ApiKey, count: usize) -> Vec<Option<Action>> {
        let fate = || faults.fate(&request(api, 1)).action;
        (0..count).map(|_| fate()).collect()
    }

    #[test]
    fn a_rule_is_for_so_many_requests_of_its_api() {
        let faults = Faults::default();
        faults.control(ApiKey::Fetch).skip(1).times(2).drop_after();
        let done = Some(Action::DropAfter);
        assert_eq!(actions(&faults, ApiKey::Produce, 1), [None]);
        assert_eq!(actions(&faults, ApiKey::Fetch, 4), [None, done, done, None]);
        assert_eq!(faults.asked().borrow()[&(ApiKey::Fetch as i16)], 4);
    }

    #[test]
    fn a_rule_behind_another_waits_for_its_turn_and_delays_add_up() {
        let faults = Faults::default();
        let second = Duration::from_secs(1);
        faults.control(ApiKey::Fetch).drop_before();
        faults.control(ApiKey::Fetch).always().cut(9);
        faults.control(ApiKey::Fetch).delay(second);
        faults.control(ApiKey::Fetch).delay(second);
        let first = faults.fate(&request(ApiKey::Fetch, 1));
        assert_eq!(first.delay, 2 * second);
        assert_eq!(first.action, Some(Action::DropBefore));
        let cut = Some(Action::Cut(9));
        assert_eq!(actions(&faults, ApiKey::Fetch, 2), [cut, cut]);
        faults.clear();
        assert_eq!(actions(&faults, ApiKey::Fetch, 1), [None]);
    }

    #[test]
    fn who_does_not_satisfy_the_condition_is_not_counted() {
        let faults = Faults::default();
        faults.control(ApiKey::Fetch).at(2).drop_before();
        assert_eq!(actions(&faults, ApiKey::Fetch, 1), [None]);
        let at_two = faults.fate(&request(ApiKey::Fetch, 2));
        assert_eq!(at_two.action, Some(Action::DropBefore));
    }
}
