//! When a person is told of what keeps a member out of its group: that the coordinator can't be
//! reached, or that another has its instance id.

use std::time::{Duration, Instant};

use super::{Answer, GroupDriver};
use crate::group::membership::RequestError;
use crate::wire::ErrorCode;

/// What passes sooner is told to nobody: coordinators move, and new clusters have none at first.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often it is told that it lasts.
const EVERY: Duration = Duration::from_secs(60);

/// A trouble from its beginning to its end.
#[derive(Debug, Default)]
pub(super) struct Trouble(Option<Lasting>);

#[derive(Debug)]
struct Lasting {
    since: Instant,
    tell_at: Instant,
    told: bool,
}

impl Trouble {
    /// Perhaps it begins here.
    pub(super) fn begin(&mut self, now: Instant) {
        self.0.get_or_insert(Lasting {
            since: now,
            tell_at: now + PATIENCE,
            told: false,
        });
    }

    /// It is there still: how long it has lasted, each time this is due to be told.
    pub(super) fn tell(&mut self, now: Instant) -> Option<Duration> {
        let lasting = self.0.as_mut().filter(|it| now >= it.tell_at)?;
        lasting.tell_at = now + EVERY;
        lasting.told = true;
        Some(now - lasting.since)
    }

    /// It is over; true where it had been told.
    pub(super) fn end(&mut self) -> bool {
        self.0.take().is_some_and(|lasting| lasting.told)
    }
}

impl GroupDriver {
    /// Tells a person of a coordinator that is out of reach, and of an instance id that is not
    /// released, as both are waited for without an end.
    pub(super) fn watch(&mut self, answer: &Answer, now: Instant) {
        self.watch_instance(answer, now);
        let group = &self.group;
        match health(answer) {
            Some(Err(error)) => {
                if let Some(lasting) = self.trouble.tell(now) {
                    tracing::warn!(%group, error, ?lasting, "the group's coordinator is out of reach; trying again");
                }
            }
            Some(Ok(())) if self.trouble.end() => {
                tracing::info!(%group, "the group's coordinator is back");
            }
            _ => {}
        }
    }
}

impl GroupDriver {
    fn watch_instance(&mut self, answer: &Answer, now: Instant) {
        let Answer::ConsumerHeartbeat(_, answer) = answer else {
            return;
        };
        let code = answer.as_ref().err().and_then(RequestError::code);
        if code != Some(ErrorCode::UNRELEASED_INSTANCE_ID) {
            self.unreleased.end();
            return;
        }
        self.unreleased.begin(now);
        if let Some(lasting) = self.unreleased.tell(now) {
            tracing::warn!(group = %self.group, ?lasting, "the group.instance.id is another member's; waiting for it to leave, or for its session to end");
        }
    }
}

/// Whether the coordinator is at work, as far as an answer tells.
fn health(answer: &Answer) -> Option<Result<(), String>> {
    use RequestError::{Disconnected, Timeout};
    match answer {
        Answer::Join(_, Ok(_))
        | Answer::Sync(_, Ok(_))
        | Answer::Heartbeat(_, Ok(()))
        | Answer::Leave(_, Ok(()))
        | Answer::ConsumerHeartbeat(_, Ok(_)) => Some(Ok(())),
        Answer::Coordinator(_, Err(error)) => Some(Err(error.to_string())),
        Answer::Join(_, Err(error @ (Disconnected | Timeout)))
        | Answer::Sync(_, Err(error @ (Disconnected | Timeout)))
        | Answer::Heartbeat(_, Err(error @ (Disconnected | Timeout)))
        | Answer::Leave(_, Err(error @ (Disconnected | Timeout)))
        | Answer::ConsumerHeartbeat(_, Err(error @ (Disconnected | Timeout))) => {
            Some(Err(error.to_string()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn it_is_told_after_a_while_and_then_once_a_minute() {
        let start = Instant::now();
        let mut trouble = Trouble::default();
        assert_eq!(trouble.tell(start), None, "there is none");
        trouble.begin(start);
        let told: Vec<_> = (0..=140)
            .filter_map(|second| {
                trouble.begin(start + second * SECOND);
                trouble.tell(start + second * SECOND)
            })
            .collect();
        assert_eq!(told, [10 * SECOND, 70 * SECOND, 130 * SECOND]);
        assert!(trouble.end());
        assert!(!trouble.end());
    }

    #[test]
    fn what_passes_soon_is_not_told() {
        let start = Instant::now();
        let mut trouble = Trouble::default();
        trouble.begin(start);
        assert_eq!(trouble.tell(start + 9 * SECOND), None);
        assert!(!trouble.end());
        trouble.begin(start + 60 * SECOND);
        assert_eq!(trouble.tell(start + 61 * SECOND), None, "another one");
    }
}
