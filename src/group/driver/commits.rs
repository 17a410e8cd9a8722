//! Commits: one at a time, oldest first, so that they arrive in order.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Answer, GroupDriver, now};
use crate::cluster::pool::jittered_backoff;
use crate::group::membership::{CommitStamp, RequestError};
use crate::group::{CommitOffset, GroupOffsets};
use crate::wire::ErrorCode;
use crate::{Error, ErrorKind};

/// Commits that may wait for the coordinator; more are refused.
const MAX_COMMITS: usize = 1024;

/// What becomes of offsets once the membership allows it.
enum Purpose {
    Commit(oneshot::Sender<Result<(), Error>>),
    /// A producer commits them with its transaction, as this member (KIP-447).
    Stamp(oneshot::Sender<Result<GroupOffsets, Error>>),
}

impl Purpose {
    fn refuse(self, error: Error) {
        // Whoever asked may have stopped waiting.
        let _ = match self {
            Self::Commit(reply) => reply.send(Err(error)).is_ok(),
            Self::Stamp(reply) => reply.send(Err(error)).is_ok(),
        };
    }
}

/// A commit on its way.
pub(super) struct Commit {
    offsets: Vec<CommitOffset>,
    purpose: Purpose,
    deadline: Instant,
    not_before: Instant,
    failures: u32,
    last_failure: Option<RequestError>,
}

impl Commit {
    /// When it can go on by itself: once the membership allows it or, at the latest, not at all.
    pub(super) fn timeout(&self, allowed: bool) -> Instant {
        if allowed {
            self.not_before.min(self.deadline)
        } else {
            self.deadline
        }
    }
}

impl GroupDriver {
    /// Commits as this member; passing failures are tried again within `request.timeout.ms`.
    pub(crate) fn commit(
        &mut self,
        offsets: Vec<CommitOffset>,
        reply: oneshot::Sender<Result<(), Error>>,
    ) {
        self.push_commit(offsets, Purpose::Commit(reply));
    }

    /// Marks offsets as this member's, where it could commit them and as soon as it could.
    pub(crate) fn stamp(
        &mut self,
        offsets: Vec<CommitOffset>,
        reply: oneshot::Sender<Result<GroupOffsets, Error>>,
    ) {
        self.push_commit(offsets, Purpose::Stamp(reply));
    }

    fn push_commit(&mut self, offsets: Vec<CommitOffset>, purpose: Purpose) {
        if self.commits.len() >= MAX_COMMITS {
            let text = format!("{}: {MAX_COMMITS} wait already", self.committing_what());
            purpose.refuse(Error::new(ErrorKind::Usage, text));
            return;
        }
        let now = Instant::now();
        let deadline = now + self.client.config().request_timeout;
        let commit = Commit {
            offsets,
            purpose,
            deadline,
            not_before: now,
            failures: 0,
            last_failure: None,
        };
        self.commits.push_back(Box::new(commit));
    }

    /// Sends the oldest commit if the membership allows it now. One whose partitions are not all
    /// this member's any more, or whose time is over, is refused.
    pub(super) fn begin_commit(&mut self) {
        while !self.committing
            && let Some(commit) = self.commits.pop_front()
        {
            let now = Instant::now();
            if let Some(error) = self.refusal(&commit, now) {
                commit.purpose.refuse(error);
                continue;
            }
            let stamp = self.machine.commit_stamp();
            match stamp.filter(|_| commit.not_before <= now) {
                Some(stamp) => self.carry_out_commit(commit, stamp),
                None => return self.commits.push_front(commit),
            }
        }
    }

    fn refusal(&self, commit: &Commit, now: Instant) -> Option<Error> {
        let owned = self.machine.assignment();
        let mut partitions = commit.offsets.iter().map(|offset| &offset.partition);
        if !partitions.all(|partition| owned.contains(partition)) {
            let code = ErrorCode::ILLEGAL_GENERATION;
            return Some(Error::broker(code, self.committing_what()));
        }
        if commit.deadline > now {
            return None;
        }
        let why = match &commit.last_failure {
            Some(error) => error.to_string(),
            None => "the group was rebalancing".to_owned(),
        };
        let text = format!("{}: not possible in time: {why}", self.committing_what());
        Some(Error::new(ErrorKind::Timeout, text))
    }

    fn carry_out_commit(&mut self, commit: Box<Commit>, stamp: CommitStamp) {
        match commit.purpose {
            Purpose::Commit(_) => self.send_commit(commit, stamp),
            Purpose::Stamp(reply) => {
                let _ = reply.send(Ok(GroupOffsets {
                    group: Arc::from(self.group.as_str()),
                    stamp,
                    offsets: commit.offsets,
                }));
            }
        }
    }

    fn send_commit(&mut self, commit: Box<Commit>, stamp: CommitStamp) {
        self.committing = true;
        let requests = self.requests(&self.control);
        self.begin(async move {
            let commit_by = commit.deadline;
            let answer = requests.commit(&stamp, &commit.offsets, commit_by).await;
            Answer::Commit(commit, stamp, answer)
        });
    }

    pub(super) fn handle_committed(
        &mut self,
        mut commit: Box<Commit>,
        stamp: &CommitStamp,
        answer: Result<(), RequestError>,
    ) {
        self.committing = false;
        let Err(error) = answer else {
            if let Purpose::Commit(reply) = commit.purpose {
                let _ = reply.send(Ok(()));
            }
            return;
        };
        tracing::debug!(group = %self.group, ?error, "commit failed");
        self.machine.handle_commit_error(stamp, &error, now());
        match error {
            RequestError::Code(code) | RequestError::Told(code, _) if !may_pass(code) => {
                let error = Error::broker(code, self.committing_what());
                commit.purpose.refuse(error);
            }
            _ => {
                commit.failures = commit.failures.saturating_add(1);
                commit.last_failure = Some(error);
                let config = self.client.config();
                let (min, max) = (config.retry_backoff, config.retry_backoff_max);
                commit.not_before = Instant::now() + jittered_backoff(min, max, commit.failures);
                self.commits.push_front(commit);
            }
        }
    }

    fn committing_what(&self) -> String {
        format!("committing offsets of group {}", self.group)
    }
}

/// A rebalance passes, and so does an old epoch; the partitions may still be this member's after
/// it.
fn may_pass(code: ErrorCode) -> bool {
    let passing = [
        ErrorCode::REBALANCE_IN_PROGRESS,
        ErrorCode::STALE_MEMBER_EPOCH,
    ];
    code.is_retriable() || passing.contains(&code)
}
