//! `range`: of each topic one range for each of its subscribers. Static members come first, by
//! their instances, so that a new id moves nothing.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::Subscriber;
use crate::broker::group::consumer::words::Partitions;

pub(super) fn assign(members: &[Subscriber<'_>], counts: &BTreeMap<Uuid, i32>) -> Vec<Partitions> {
    let mut order: Vec<usize> = (0..members.len()).collect();
    order.sort_by_key(|at| {
        let member = &members[*at];
        (member.instance_id.is_none(), member.instance_id, member.id)
    });
    let mut assigned = vec![Partitions::new(); members.len()];
    for (topic, count) in counts {
        let wants = |at: &usize| members[*at].topics.contains(topic);
        let subscribers: Vec<usize> = order.iter().copied().filter(wants).collect();
        let total = i32::try_from(subscribers.len()).unwrap_or(i32::MAX);
        let mut next = 0;
        for (rank, at) in (0..total).zip(subscribers) {
            let quota = count / total + i32::from(rank < count % total);
            if quota > 0 {
                assigned[at].insert(*topic, (next..next + quota).collect());
            }
            next += quota;
        }
    }
    assigned
}
