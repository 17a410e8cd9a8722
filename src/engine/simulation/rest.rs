//! A world whose troubles are over, until all its work is done.

use std::time::Duration;

use super::answers::answer;
use super::chaos::{PATHS, fetch_one, restart, unowned};
use super::world::World;

/// Far more steps than any world takes to come to rest.
const MOST_STEPS: usize = 50_000;

impl World {
    /// Lets all troubles end and all work be done.
    pub(super) fn come_to_rest(&mut self) {
        for _ in 0..MOST_STEPS {
            if self.stopped {
                restart(self);
            }
            for path in PATHS {
                let unowned = unowned(self, path);
                if !unowned.is_empty() {
                    self.assign(path, &unowned);
                }
            }
            if !self.pending.is_empty() {
                answer(self, 0, false);
            } else if !self.fetch_all() {
                if self.is_at_rest() {
                    return;
                }
                self.elapsed = self.next_timeout();
                let now = self.now();
                self.engine.handle_timeout(now);
                self.follow();
            }
        }
        panic!("this world never comes to rest");
    }

    fn next_timeout(&self) -> Duration {
        let now = self.now().at;
        let at = self
            .engine
            .poll_timeout()
            .expect("work is left, and nothing will happen");
        self.elapsed + at.saturating_duration_since(now)
    }

    /// Hands over what every partition has, or that it has no more; true if there was any.
    fn fetch_all(&mut self) -> bool {
        let mut any = false;
        for path in PATHS {
            let partitions: Vec<i32> = self.held[path as usize].keys().copied().collect();
            for partition in partitions {
                let held = self.held[path as usize].get(&partition);
                let Some(held) = held.filter(|held| !held.paused && !held.revoking) else {
                    continue;
                };
                let end = self.log(path)[partition as usize].len() as i64;
                any |= held.position < end;
                fetch_one(self, path, partition);
            }
        }
        any || !self.pending.is_empty()
    }

    fn is_at_rest(&self) -> bool {
        PATHS.iter().all(|path| {
            let log = self.log(*path).iter().enumerate();
            log.map(|(n, log)| (n as i32, log.len() as i64))
                .all(|(n, end)| !self.has_records(*path, n, end))
        })
    }
}
