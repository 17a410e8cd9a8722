//! The states of a transactional producer.

/// Where a transactional producer stands, in the words of Kafka's own client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// No producer id yet, and none asked for.
    Uninitialized,
    /// Asking for a producer id, or for the next epoch of the one it has (KIP-360).
    Initializing,
    /// No transaction is open.
    Ready,
    /// A transaction is open.
    InTransaction,
    /// The transaction is to be committed: what is left of it is being sent, or the coordinator
    /// has been told to commit it.
    Committing,
    /// The transaction is being aborted.
    Aborting,
    /// The transaction met an error: it can only be aborted.
    AbortableError,
    /// The producer met an error that nothing can mend. Final.
    FatalError,
}

impl State {
    /// Every state.
    pub const ALL: [State; 8] = [
        State::Uninitialized,
        State::Initializing,
        State::Ready,
        State::InTransaction,
        State::Committing,
        State::Aborting,
        State::AbortableError,
        State::FatalError,
    ];

    /// The states that may come directly before this one.
    pub fn predecessors(self) -> &'static [State] {
        use State::*;
        match self {
            Uninitialized => &[],
            Initializing => &[Uninitialized, Aborting],
            Ready => &[Initializing, Committing, Aborting],
            InTransaction => &[Ready],
            Committing => &[InTransaction],
            Aborting => &[InTransaction, AbortableError],
            AbortableError => &[InTransaction, Committing],
            FatalError => &[
                Initializing,
                InTransaction,
                Committing,
                Aborting,
                AbortableError,
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_but_the_final_one_goes_on() {
        for state in State::ALL {
            let goes_on = State::ALL
                .iter()
                .any(|it| it.predecessors().contains(&state));
            assert_eq!(goes_on, state != State::FatalError, "{state:?}");
        }
    }

    #[test]
    fn an_open_transaction_is_committed_only_without_an_error() {
        assert_eq!(State::Committing.predecessors(), [State::InTransaction]);
        assert!(!State::Ready.predecessors().contains(&State::AbortableError));
    }
}
