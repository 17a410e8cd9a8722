//! Sees what the service does: what it is told of, and what is in the topics.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::book::Book;
use super::event::Event;
use super::evidence::{At, Evidence, Progress, Stored, Sums};
use super::screen::Teller;
use super::script::PARTITIONS;
use super::stand_in::StandIn;
use crate::app::config::Config;
use crate::broker::{Broker, StoredRecord};
use crate::engine::{Destination, Report};
use crate::sink::Verdict;

/// Sees what happens, and tells it.
#[derive(Debug)]
pub(super) struct Observer {
    broker: Broker,
    telegram: StandIn,
    names: Names,
    teller: Teller,
    seen: Mutex<Seen>,
}

/// The topics and groups, as the service calls them.
#[derive(Clone, Debug)]
pub(super) struct Names {
    source: String,
    dead_letter: String,
    permanent: String,
    group: String,
    drain_group: String,
}

#[derive(Debug)]
struct Seen {
    book: Book,
    /// What others publish is told, too.
    guests: bool,
    /// The next offset that is new, by partition.
    source: [i64; PARTITIONS as usize],
    dead_letter: [i64; PARTITIONS as usize],
    permanent: [i64; PARTITIONS as usize],
}

impl Names {
    pub(super) fn of(config: &Config) -> Self {
        Self {
            source: config.topics.source.clone(),
            dead_letter: config.topics.dead_letter.clone(),
            permanent: config.topics.permanent.clone(),
            group: config.consumer.group_id.clone(),
            drain_group: config.drain.group_id.clone(),
        }
    }

    /// The source, the dead-letter and the permanent-failure topic.
    pub(super) fn topics(&self) -> [String; 3] {
        [&self.source, &self.dead_letter, &self.permanent].map(Clone::clone)
    }
}

impl Observer {
    pub(super) fn new(
        broker: Broker,
        telegram: StandIn,
        names: Names,
        book: Book,
        teller: Teller,
    ) -> Self {
        let seen = Seen {
            book,
            guests: false,
            source: Default::default(),
            dead_letter: Default::default(),
            permanent: Default::default(),
        };
        Self {
            broker,
            telegram,
            names,
            teller,
            seen: Mutex::new(seen),
        }
    }

    pub(super) fn tell(&self, event: Event) {
        self.teller.tell(event);
    }

    fn tell_all(&self, events: impl IntoIterator<Item = Event>) {
        events.into_iter().for_each(|event| self.tell(event));
    }

    /// A payment was acknowledged.
    pub(super) fn acked(&self, at: At, value: &Bytes) {
        let event = self.seen().book.acked(at, value);
        self.tell_all(event);
    }

    /// A delivery was tried.
    pub(super) fn attempt(&self, value: &Bytes, retry: Option<u32>, verdict: Verdict) {
        let events = self.seen().book.attempt(value, retry, verdict);
        self.tell_all(events);
    }

    /// The engine told a person something.
    pub(super) fn told(&self, report: &Report) {
        let event = self.seen().book.report(report);
        self.tell_all(event);
    }

    /// Tells what others publish from now on, and what they have published so far.
    pub(super) fn welcome_guests(&self) {
        self.seen().guests = true;
    }

    /// Tells what is new in the topics.
    pub(super) fn look(&self) {
        let Seen {
            book,
            guests,
            source,
            dead_letter,
            permanent,
        } = &mut *self.seen();
        let names = &self.names;
        if *guests {
            for stored in self.news(&names.source, source) {
                let value = stored.value.unwrap_or_default();
                self.tell_all(book.found(stored.at, &value));
            }
        }
        for stored in self.news(&names.dead_letter, dead_letter) {
            self.tell(book.forwarded(Destination::DeadLetter, &stored));
        }
        for stored in self.news(&names.permanent, permanent) {
            self.tell(book.forwarded(Destination::Permanent, &stored));
        }
    }

    /// True where both groups have handled and committed all there is: every payment has come to
    /// its end then, as a dead letter is written before the offset of its source is committed.
    pub(super) fn is_settled(&self) -> bool {
        self.progress().iter().all(Progress::is_through)
    }

    /// All that is known without the engine, and what it says itself.
    pub(super) fn evidence(&self, engine: Option<Sums>) -> Evidence {
        let all = |topic: &str| -> Vec<Stored> {
            let partitions = 0..PARTITIONS;
            let records = partitions.flat_map(|partition| self.records(topic, partition));
            records.collect()
        };
        Evidence {
            published: self.seen().book.all_published(),
            source: all(&self.names.source),
            dead_letters: all(&self.names.dead_letter),
            permanent: all(&self.names.permanent),
            progress: self.progress(),
            calls: self.telegram.calls(),
            engine,
        }
    }

    fn progress(&self) -> Vec<Progress> {
        let names = &self.names;
        let read = [
            (&names.group, &names.source),
            (&names.drain_group, &names.dead_letter),
        ];
        let of = |partition: i32, (group, topic): (&String, &String)| Progress {
            group: group.clone(),
            topic: topic.clone(),
            partition,
            committed: self
                .broker
                .committed(group, topic, partition)
                .map_or(0, |committed| committed.offset),
            end: self.end(topic, partition),
        };
        let each = |read| (0..PARTITIONS).map(move |partition| (partition, read));
        let each = read.into_iter().flat_map(each);
        each.map(|(partition, read)| of(partition, read)).collect()
    }

    /// The records from these offsets on, which then are those after them.
    fn news(&self, topic: &str, next: &mut [i64]) -> Vec<Stored> {
        let mut news = Vec::new();
        for (partition, next) in (0..).zip(next) {
            let end = self.end(topic, partition);
            if end > *next {
                let records = self.records(topic, partition);
                news.extend(records.filter(|stored| stored.at.offset >= *next));
                *next = end;
            }
        }
        news
    }

    fn end(&self, topic: &str, partition: i32) -> i64 {
        let range = self.broker.log_range(topic, partition);
        range.map_or(0, |(_, end)| end)
    }

    fn records(&self, topic: &str, partition: i32) -> impl Iterator<Item = Stored> + use<> {
        let records = self.broker.records(topic, partition);
        records
            .into_iter()
            .map(move |record| stored(partition, record))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stored(partition: i32, record: StoredRecord) -> Stored {
    Stored {
        at: At {
            partition,
            offset: record.offset,
        },
        value: record.value,
        headers: record.headers,
    }
}
