//! The states of a member of the consumer protocol.

/// Where a member stands, in the words of Kafka's own clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Not a member: not started, or removed, or fenced, or the session has run out.
    Unjoined,
    /// The heartbeat that joins is under way, or about to be sent again.
    Joining,
    /// The coordinator has assigned something else: the application is giving up what goes, or
    /// topics are not known by name yet.
    Reconciling,
    /// What is owned is what was assigned, and the coordinator is being told so.
    Acknowledging,
    /// A member with its assignment.
    Stable,
    /// Leaving: the application is giving up its partitions, or the last heartbeat is under way.
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
        State::Joining,
        State::Reconciling,
        State::Acknowledging,
        State::Stable,
        State::Leaving,
        State::Left,
        State::Fatal,
    ];

    /// The states that may come directly before this one.
    pub fn predecessors(self) -> &'static [State] {
        use State::*;
        match self {
            Unjoined => &[Joining, Reconciling, Acknowledging, Stable],
            Joining => &[Unjoined],
            Reconciling => &[Joining, Acknowledging, Stable],
            Acknowledging => &[Joining, Reconciling, Stable],
            Stable => &[Joining, Reconciling, Acknowledging],
            Leaving => &[Unjoined, Joining, Reconciling, Acknowledging, Stable],
            Left => &[Leaving, Fatal],
            Fatal => &[Unjoined, Joining, Reconciling, Acknowledging, Stable],
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
