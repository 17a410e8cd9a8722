//! Checks what the members of a group tell of themselves, in the JSON of the verifiable clients:
//! Java's, librdkafka's and ours alike.
//!
//! # Invariants
//!
//! What the checks hold the group to, for a topic without transactions or compaction:
//!
//! - Each partition has one owner at most; only its owner consumes it and commits for it.
//! - Each batch begins where the member's last one of that partition ended; its first one begins
//!   at the group's committed offset, or, where a commit is in doubt, between that offset and the
//!   end of what was told.
//! - A commit never goes beyond what was told as consumed, and never back.
//! - When a partition is given up, all that was consumed of it is committed.
//! - A member that has left owns nothing, and tells nothing more.

use std::collections::BTreeMap;

use serde_json::Value;

/// The name that stands for the end of a member that could not tell of it.
pub(crate) const KILLED: &str = "killed";

/// A partition: its topic and number.
pub(crate) type Partition = (String, i64);

/// What is known of a group.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    members: BTreeMap<String, Member>,
    partitions: BTreeMap<Partition, Progress>,
}

#[derive(Debug, Default)]
struct Member {
    /// What it owns, each with the next offset where that is known.
    owned: BTreeMap<Partition, Option<i64>>,
    left: bool,
}

/// How far the group is with a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The committed offset.
    pub(crate) committed: i64,
    /// The offset after the last record that was consumed by anyone.
    pub(crate) consumed_to: i64,
    /// A commit may have been made of which nobody told.
    in_doubt: bool,
}

/// Replays what the members told, each under its name, in the order of their timestamps.
///
/// # Panics
///
/// Where something does not hold.
pub(crate) fn replay(stories: &[(&str, Vec<Value>)]) -> Audit {
    let mut audit = Audit::default();
    for (member, event) in in_order(stories) {
        if let Err(wrong) = audit.handle(member, event) {
            panic!("{member}: {wrong}, as it told {event}\n{}", told(stories));
        }
    }
    audit
}

impl Audit {
    /// Checks one event of a member.
    ///
    /// # Errors
    ///
    /// What does not hold.
    pub(crate) fn handle(&mut self, member: &str, event: &Value) -> Result<(), String> {
        if !self.members.contains_key(member) {
            self.members.insert(member.to_owned(), Member::default());
        }
        if self.members[member].left {
            return Err("it has left already".to_owned());
        }
        match text(event, "name") {
            "partitions_assigned" => self.assigned(member, event),
            "partitions_revoked" => self.revoked(member, event),
            "records_consumed" => self.consumed(member, event),
            "offsets_committed" => self.committed(member, event),
            "shutdown_complete" => self.shut_down(member),
            KILLED => self.killed(member),
            _ => Ok(()),
        }
    }

    /// How far the group is with each partition.
    pub(crate) fn progress(&self) -> &BTreeMap<Partition, Progress> {
        &self.partitions
    }

    fn assigned(&mut self, member: &str, event: &Value) -> Result<(), String> {
        for (partition, _) in entries(event, "partitions") {
            let owner = self
                .members
                .iter()
                .find(|(_, it)| it.owned.contains_key(&partition));
            if let Some((owner, _)) = owner {
                return Err(format!("{owner} owns {partition:?}"));
            }
            self.member(member).owned.insert(partition, None);
        }
        Ok(())
    }

    fn revoked(&mut self, member: &str, event: &Value) -> Result<(), String> {
        for (partition, _) in entries(event, "partitions") {
            let Some(position) = self.member(member).owned.remove(&partition) else {
                return Err(format!("{partition:?} is not its own"));
            };
            let progress = self.partition(&partition);
            if position.is_some_and(|it| it != progress.committed) && !progress.in_doubt {
                return Err(format!("{partition:?} goes uncommitted: {progress:?}"));
            }
        }
        Ok(())
    }

    fn consumed(&mut self, member: &str, event: &Value) -> Result<(), String> {
        let mut total = 0;
        for (partition, span) in entries(event, "partitions") {
            let [count, first, last] =
                ["count", "minOffset", "maxOffset"].map(|name| number(span, name));
            total += count;
            if count != last - first + 1 {
                return Err(format!("{partition:?} has a hole"));
            }
            let progress = self.partition(&partition);
            let (committed, consumed_to) = (progress.committed, progress.consumed_to);
            let latest = if progress.in_doubt {
                consumed_to
            } else {
                committed
            };
            let Some(position) = self.member(member).owned.get_mut(&partition) else {
                return Err(format!("{partition:?} is not its own"));
            };
            let allowed = match *position {
                Some(position) => position..=position,
                None => committed..=latest.max(committed),
            };
            if !allowed.contains(&first) {
                return Err(format!("{partition:?} begins at {first}, not {allowed:?}"));
            }
            *position = Some(last + 1);
            let progress = self.partition(&partition);
            progress.consumed_to = consumed_to.max(last + 1);
        }
        let told = number(event, "count");
        (total == told)
            .then_some(())
            .ok_or_else(|| format!("its partitions add up to {total}"))
    }

    fn committed(&mut self, member: &str, event: &Value) -> Result<(), String> {
        let success = event["success"] == true;
        for (partition, entry) in entries(event, "offsets") {
            let offset = number(entry, "offset");
            match self.member(member).owned.get(&partition) {
                _ if !success => self.partition(&partition).in_doubt = true,
                None => return Err(format!("{partition:?} is not its own")),
                Some(Some(position)) if offset <= *position => {
                    let progress = self.partition(&partition);
                    if offset < progress.committed {
                        return Err(format!("{offset} of {partition:?} goes back: {progress:?}"));
                    }
                    progress.committed = offset;
                    progress.in_doubt = false;
                }
                Some(position) => {
                    return Err(format!("{offset} is beyond {position:?} of {partition:?}"));
                }
            }
        }
        Ok(())
    }

    fn shut_down(&mut self, member: &str) -> Result<(), String> {
        let member = self.member(member);
        member.left = true;
        if member.owned.is_empty() {
            return Ok(());
        }
        Err(format!("it still owns {:?}", member.owned))
    }

    fn killed(&mut self, member: &str) -> Result<(), String> {
        let member = self.member(member);
        member.left = true;
        for partition in std::mem::take(&mut member.owned).into_keys() {
            self.partition(&partition).in_doubt = true;
        }
        Ok(())
    }

    fn member(&mut self, name: &str) -> &mut Member {
        self.members
            .get_mut(name)
            .expect("it was made when it first told something")
    }

    fn partition(&mut self, partition: &Partition) -> &mut Progress {
        self.partitions.entry(partition.clone()).or_default()
    }
}

/// Merges the stories by time. Within a millisecond what a member gives up comes before what
/// another one gets.
fn in_order<'a>(stories: &'a [(&str, Vec<Value>)]) -> Vec<(&'a str, &'a Value)> {
    let mut rests: Vec<_> = stories
        .iter()
        .map(|(member, story)| (*member, story.as_slice()))
        .collect();
    let mut merged = Vec::new();
    loop {
        let first = rests
            .iter_mut()
            .filter(|(_, rest)| !rest.is_empty())
            .min_by_key(|(_, rest)| {
                (
                    number(&rest[0], "timestamp"),
                    rest[0]["name"] == "partitions_assigned",
                )
            });
        let Some((member, rest)) = first else {
            return merged;
        };
        merged.push((*member, &rest[0]));
        *rest = &rest[1..];
    }
}

/// Everything that was told, for a person.
fn told(stories: &[(&str, Vec<Value>)]) -> String {
    let lines = in_order(stories).into_iter();
    lines
        .map(|(member, event)| format!("{member}: {event}\n"))
        .collect()
}

/// The partitions in a list of an event, each with its entry.
fn entries<'a>(
    event: &'a Value,
    list: &str,
) -> impl Iterator<Item = (Partition, &'a Value)> + use<'a> {
    let entries = event[list].as_array().into_iter().flatten();
    entries.map(|entry| {
        let partition = (text(entry, "topic").to_owned(), number(entry, "partition"));
        (partition, entry)
    })
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    let text = value[name].as_str();
    text.unwrap_or_else(|| panic!("no text `{name}` in {value}"))
}

fn number(value: &Value, name: &str) -> i64 {
    let number = value[name].as_i64();
    number.unwrap_or_else(|| panic!("no number `{name}` in {value}"))
}
