//! Finding a partition for a request that only its leader answers.

use kafka_protocol::messages::BrokerId;
use kafka_protocol::protocol::StrBytes;

use super::Call;
use crate::broker::log::Rules;
use crate::broker::state::State;
use crate::broker::topics::Partition;
use crate::wire::ErrorCode;
use crate::wire::names::text;

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

/// Who leads a partition, for a client that has asked somebody else (KIP-951).
pub(super) struct Leader {
    /// -1 for nobody.
    pub(super) id: BrokerId,
    pub(super) epoch: i32,
    pub(super) endpoint: Option<(StrBytes, i32)>,
}

/// The leader of a partition; none where there is no such partition.
pub(super) fn leader(
    call: &Call<'_>,
    state: &State,
    topic: Option<&str>,
    partition: i32,
) -> Option<Leader> {
    let partition = state.topics.get(topic?)?.partition(partition)?;
    let address = |id| state.nodes.address(id, call.listener);
    let address = partition.leader.and_then(address);
    Some(Leader {
        id: BrokerId(partition.leader.unwrap_or(-1)),
        epoch: partition.leader_epoch,
        endpoint: address.map(|address| {
            let host = text(&address.ip().to_string());
            (host, i32::from(address.port()))
        }),
    })
}
