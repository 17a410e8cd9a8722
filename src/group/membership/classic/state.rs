//! The states of a member.

/// Where a member stands, in the words of Kafka's own clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Not a member: not started, or removed, or the session has run out.
    Unjoined,
    /// About to join, or a JoinGroup waits at the coordinator.
    PreparingRebalance,
    /// Joined the new generation; the leader assigns, or a SyncGroup waits at the coordinator.
    CompletingRebalance,
    /// A member with an assignment, some of which the application is giving up before the next
    /// JoinGroup.
    Reconciling,
    /// A member with its assignment.
    Stable,
    /// Leaving: the application is giving up its partitions, or a LeaveGroup is under way.
    Leaving,
    /// Left as asked. Final.
    Left,
    /// Failed for good; only [`State::Left`] follows.
    Fatal,
}

impl State {
    /// Every state.
    pub const ALL: [State; 8] = [
        State::Unjoined,
        State::PreparingRebalance,
        State::CompletingRebalance,
        State::Reconciling,
        State::Stable,
        State::Leaving,
        State::Left,
        State::Fatal,
    ];

    /// The states that may come directly before this one.
    pub fn predecessors(self) -> &'static [State] {
        use State::*;
        match self {
            Unjoined => &[PreparingRebalance, CompletingRebalance, Reconciling, Stable],
            PreparingRebalance => &[Unjoined, CompletingRebalance, Reconciling, Stable],
            CompletingRebalance => &[PreparingRebalance],
            Reconciling => &[CompletingRebalance, Stable],
            Stable => &[CompletingRebalance],
            Leaving => &[
                Unjoined,
                PreparingRebalance,
                CompletingRebalance,
                Reconciling,
                Stable,
            ],
            Left => &[Leaving, Fatal],
            Fatal => &[
                Unjoined,
                PreparingRebalance,
                CompletingRebalance,
                Reconciling,
                Stable,
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_the_end_and_every_other_state_goes_on() {
        for state in State::ALL {
            let goes_on = State::ALL
                .iter()
                .any(|it| it.predecessors().contains(&state));
            assert_eq!(goes_on, state != State::Left, "{state:?}");
        }
    }

    #[test]
    fn every_state_but_the_end_can_come_to_leave_in_order() {
        for state in State::ALL {
            let ends = [State::Leaving, State::Left, State::Fatal].contains(&state);
            assert_eq!(
                State::Leaving.predecessors().contains(&state),
                !ends,
                "{state:?}"
            );
        }
    }
}
