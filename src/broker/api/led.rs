//! Finding a partition for a request that only its leader answers.

use super::Call;
use crate::broker::log::Rules;
use crate::broker::state::State;
use crate::broker::topics::Partition;
use crate::wire::ErrorCode;

/// A partition that the node leads, without what is too old, and the rules of its topic. `epoch`
/// is what the client takes for the leader's; -1 for none.
///
/// # Errors
///
/// As [`Topics::led_by`](crate::broker::topics::Topics::led_by).
pub(super) fn led<'a>(
    call: &Call<'_>,
    state: &'a mut State,
    topic: &str,
    partition: i32,
    epoch: i32,
) -> Result<(&'a mut Partition, Rules), ErrorCode> {
    let found = state.topics.get(topic);
    let settings = &found.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?.settings;
    let rules = Rules::new(settings, &call.shared.config);
    let partition = state.topics.led_by(call.node, topic, partition, epoch)?;
    partition
        .log
        .retain_time(call.shared.clock.now_ms(), &rules);
    Ok((partition, rules))
}
