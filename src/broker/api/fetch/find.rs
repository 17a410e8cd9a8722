//! What there is to read.

use super::Call;
use crate::broker::api::led::led;
use crate::broker::log::{Aborted, Isolation, Slice};
use crate::broker::sessions::{Topic, Wanted};
use crate::broker::state::State;
use crate::broker::topics::Partition;
use crate::wire::ErrorCode;

/// What there is of a partition.
pub(super) struct Found {
    pub(super) slice: Slice,
    pub(super) high_watermark: i64,
    pub(super) last_stable: i64,
    /// The aborted transactions that the batches are part of, for a reader that leaves them out.
    pub(super) aborted: Option<Vec<Aborted>>,
    pub(super) log_start: i64,
    /// An epoch and its end, where the client has records that are not in the log.
    pub(super) diverging: Option<(i32, i64)>,
}

pub(super) type Finding = Result<Found, ErrorCode>;

/// Looks at all partitions, within the limits of the answer.
pub(super) fn all(
    call: &Call<'_>,
    state: &mut State,
    wanted: &[Wanted],
    max_bytes: usize,
    isolation: Isolation,
) -> Vec<Finding> {
    let mut left = max_bytes;
    let mut is_first = true;
    let find = |wanted| {
        let limits = (left, is_first);
        let found = one(call, state, wanted, limits, isolation);
        let bytes = found.as_ref().map_or(0, |found| found.slice.size_bytes());
        left = left.saturating_sub(bytes);
        is_first &= bytes == 0;
        found
    };
    wanted.iter().map(find).collect()
}

fn one(
    call: &Call<'_>,
    state: &mut State,
    wanted: &Wanted,
    (max_bytes, at_least_one): (usize, bool),
    isolation: Isolation,
) -> Finding {
    let name = wanted.name.as_ref().ok_or(ErrorCode::UNKNOWN_TOPIC_ID)?;
    let id = state.topics.get(name).map(|topic| topic.id);
    let epoch = wanted.current_leader_epoch;
    let (partition, _) = led(call, state, name, wanted.key.partition, epoch)?;
    if let Topic::Id(wanted) = wanted.key.topic
        && id != Some(wanted)
    {
        return Err(ErrorCode::INCONSISTENT_TOPIC_ID);
    }
    let log = &partition.log;
    let diverging = diverging(partition, wanted)?;
    let slice = match diverging {
        Some(_) => Slice::default(),
        None => {
            let own = usize::try_from(wanted.max_bytes).unwrap_or(0);
            log.read(wanted.offset, own.min(max_bytes), at_least_one, isolation)?
        }
    };
    let leaves_out = isolation == Isolation::Committed;
    Ok(Found {
        aborted: leaves_out.then(|| log.aborted(&slice, wanted.offset)),
        slice,
        high_watermark: log.end(),
        last_stable: log.last_stable(),
        log_start: log.start(),
        diverging,
    })
}

fn diverging(partition: &Partition, wanted: &Wanted) -> Result<Option<(i32, i64)>, ErrorCode> {
    let fetched = wanted.last_fetched_epoch;
    if fetched < 0 {
        return Ok(None);
    }
    let end = partition.log.end_of_epoch(fetched, partition.leader_epoch);
    let (epoch, end) = end.ok_or(ErrorCode::OFFSET_OUT_OF_RANGE)?;
    if wanted.offset < partition.log.start() {
        return Err(ErrorCode::OFFSET_OUT_OF_RANGE);
    }
    let diverges = epoch < fetched || end < wanted.offset;
    Ok(diverges.then_some((epoch, end)))
}

/// True for a partition of a topic that is not there: what waits for others goes on waiting.
pub(super) fn is_missing(found: &Finding) -> bool {
    matches!(
        found,
        Err(ErrorCode::UNKNOWN_TOPIC_ID | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
    )
}

/// True where there is nothing to wait for.
pub(super) fn is_enough(found: &[Finding], missing: &[bool], min_bytes: usize) -> bool {
    if missing.iter().all(|missing| *missing) {
        return true;
    }
    let mut bytes = 0;
    for (found, missing) in found.iter().zip(missing) {
        match found {
            Ok(found) if found.diverging.is_some() => return true,
            Ok(found) => bytes += found.slice.available_bytes(),
            Err(_) if *missing => {}
            Err(_) => return true,
        }
    }
    bytes >= min_bytes
}
