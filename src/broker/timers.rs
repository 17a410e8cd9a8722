//! What happens by itself: sessions, rebalances and transactions that take too long.

use std::sync::Arc;

use super::state::Shared;

/// Does what is due, until dropped.
pub(super) async fn run(shared: Arc<Shared>) {
    loop {
        let due = shared.state().poll_timeout();
        tokio::select! {
            () = sleep_until(&shared, due) => {
                let mut state = shared.state();
                state.handle_timeout(shared.clock.now());
                shared.settle_transactions(&mut state);
                shared.settle_groups(&mut state);
            }
            () = shared.timers.notified() => {}
        }
    }
}

/// Waits on the broker's clock; for ever where nothing is due.
async fn sleep_until(shared: &Shared, due: Option<std::time::Instant>) {
    match due {
        Some(due) => shared.clock.sleep_until(due).await,
        None => std::future::pending().await,
    }
}
