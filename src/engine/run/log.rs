//! What the engine reports, as lines of the log.

use crate::engine::{DrainSummary, Report, Totals};

/// Tells a person.
pub(super) fn log(report: &Report) {
    match report {
        Report::LineStopped { failure } => {
            tracing::error!(%failure, "the line has stopped: nothing is sent, offsets are kept");
        }
        Report::LineStillStopped {
            failure,
            stopped_for,
        } => {
            tracing::error!(%failure, ?stopped_for, "the line is still stopped");
        }
        Report::LineResumed => tracing::info!("the line goes on"),
        Report::LineHeld { wait, failure } => {
            tracing::warn!(?wait, %failure, "the sink asks to wait");
        }
        Report::DrainStarted => tracing::info!("drain started"),
        Report::DrainFinished(summary) => {
            let Totals {
                sent,
                delivered,
                dead_lettered,
                permanent,
            } = summary.totals;
            let DrainSummary {
                interrupted, stuck, ..
            } = *summary;
            tracing::info!(
                sent,
                delivered,
                requeued = dead_lettered,
                permanent,
                interrupted,
                stuck,
                "drain finished"
            );
        }
        Report::KafkaSilent { awaited, waited } => {
            tracing::warn!(%awaited, ?waited, "nothing comes from Kafka; ending the drain");
        }
        Report::PartitionStuck { place, message } => {
            tracing::error!(path = %place.path, partition = %place.tp, message, "partition stuck; nothing is skipped");
        }
        Report::CommitFailing { path, message } => {
            tracing::warn!(%path, message, "offsets can't be committed; trying again");
        }
        Report::BadRetryCount {
            place,
            offset,
            found,
        } => {
            tracing::warn!(partition = %place.tp, offset, found, "retry-count is not a count; starting at 0");
        }
        Report::GaveUp { place, offset } => {
            tracing::warn!(path = %place.path, partition = %place.tp, offset, "given up in flight; it will be handled again");
        }
        Report::Uncommitted { place, next_offset } => {
            tracing::warn!(path = %place.path, partition = %place.tp, next_offset, "not committed; it will be handled again");
        }
        Report::NoTransactions { message } => {
            tracing::warn!(%message, "no transactions; a crash at the wrong moment can make a second dead letter");
        }
        Report::TooFewPartitions {
            to,
            partitions,
            wanted,
        } => {
            tracing::warn!(topic = %to, partitions, wanted, "too few partitions; forwarding modulo their count");
        }
    }
}
