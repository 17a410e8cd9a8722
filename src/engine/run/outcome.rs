//! What an engine has done when it ends, and what it has left undone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::engine::{Awaited, DrainSummary, Path, Place, Report, Totals};
use crate::wire::TopicPartition;
use crate::{Error, ErrorKind};

/// What an engine has done when it ends.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The main path's sums.
    pub main: Totals,
    /// The drain's sums.
    pub drain: Totals,
    /// The last pass of the drain.
    pub last_pass: Option<DrainSummary>,
    /// The dead-letter partitions that were this member's at any time.
    pub drained: BTreeSet<TopicPartition>,
    /// What was done and is not known to be committed, each with the offset that was to be. Where
    /// a late commit did not arrive all the same, the partition's next owner handles it again.
    pub uncommitted: BTreeMap<Place, i64>,
    /// What a one-shot drain waited for in vain, and how long.
    pub silence: Option<(Awaited, Duration)>,
}

impl Outcome {
    /// Why this is no end in order, where it is none.
    pub fn failure(&self) -> Option<Error> {
        let silence = self.silence.map(|(awaited, waited)| {
            format!("nothing came from Kafka for {waited:.0?}: waited for {awaited}")
        });
        let uncommitted = (!self.uncommitted.is_empty()).then(|| {
            let places = self
                .uncommitted
                .iter()
                .map(|(Place { path, tp }, next)| format!("{tp} before offset {next} ({path})"));
            let places: Vec<_> = places.collect();
            let places = places.join(", ");
            format!("not known to be committed, and may be delivered again: {places}")
        });
        let texts: Vec<_> = silence.into_iter().chain(uncommitted).collect();
        (!texts.is_empty()).then(|| Error::new(ErrorKind::Timeout, texts.join("; ")))
    }

    /// The group has given out its partitions anew: what could not be committed before has an
    /// owner, who goes on with it.
    pub(super) fn assigned(&mut self, path: Path, partitions: &[TopicPartition]) {
        self.uncommitted.retain(|place, _| place.path != path);
        if path == Path::Drain {
            self.drained.extend(partitions.iter().cloned());
        }
    }

    /// A partition begins anew: of what was not committed before nothing is left, or it comes
    /// again.
    pub(super) fn reset(&mut self, path: Path, tp: &TopicPartition) {
        self.uncommitted
            .retain(|place, _| place.path != path || place.tp != *tp);
    }

    pub(super) fn note(&mut self, report: &Report) {
        match report {
            Report::DrainFinished(summary) => self.last_pass = Some(*summary),
            Report::Uncommitted { place, next_offset } => {
                self.uncommitted.insert(place.clone(), *next_offset);
            }
            Report::KafkaSilent { awaited, waited } => self.silence = Some((*awaited, *waited)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uncommitted(path: Path, partition: i32, next_offset: i64) -> Report {
        let tp = TopicPartition::new("pay", partition);
        let place = Place { path, tp };
        Report::Uncommitted { place, next_offset }
    }

    #[test]
    fn what_is_not_committed_is_named() {
        let mut outcome = Outcome::default();
        assert!(outcome.failure().is_none());
        outcome.note(&uncommitted(Path::Main, 0, 7));
        outcome.note(&uncommitted(Path::Drain, 2, 9));
        assert_eq!(
            outcome.failure().unwrap().to_string(),
            "not known to be committed, and may be delivered again: \
             pay-0 before offset 7 (main), pay-2 before offset 9 (drain)"
        );
    }

    #[test]
    fn what_was_awaited_is_named_before_what_that_left_undone() {
        let mut outcome = Outcome::default();
        outcome.note(&Report::KafkaSilent {
            awaited: Awaited::Commit,
            waited: Duration::from_millis(60_004),
        });
        let told = |outcome: &Outcome| outcome.failure().unwrap().to_string();
        let silence = "nothing came from Kafka for 60s: waited for the acknowledgement of a commit";
        assert_eq!(told(&outcome), silence);
        outcome.note(&uncommitted(Path::Drain, 2, 9));
        assert!(told(&outcome).starts_with(&format!("{silence}; not known")));
    }

    #[test]
    fn what_began_anew_is_not_missed() {
        let mut outcome = Outcome::default();
        outcome.note(&uncommitted(Path::Main, 0, 7));
        outcome.reset(Path::Main, &TopicPartition::new("pay", 1));
        outcome.reset(Path::Drain, &TopicPartition::new("pay", 0));
        assert!(outcome.failure().is_some(), "those are others");
        outcome.reset(Path::Main, &TopicPartition::new("pay", 0));
        assert!(outcome.failure().is_none());
    }

    #[test]
    fn what_was_given_out_anew_is_another_owners() {
        let mut outcome = Outcome::default();
        outcome.note(&uncommitted(Path::Main, 0, 7));
        outcome.assigned(Path::Drain, &[]);
        assert!(outcome.failure().is_some(), "it is another group");
        outcome.assigned(Path::Main, &[]);
        assert!(outcome.failure().is_none());
    }
}
