//! Questions that any broker can answer.

use std::time::Duration;

use kafka_protocol::protocol::Request;
use tokio::time::Instant;

use crate::cluster::pool::{Channel, Node};
use crate::{Error, ErrorKind};

/// How long the first broker may take to answer. Brokers answer such questions from memory.
const PATIENCE: Duration = Duration::from_secs(3);

/// Asks any broker, and another one where it does not answer: one that is frozen keeps its
/// connections open, and would use up the whole time. What is asked must bear being asked twice.
///
/// The patience doubles each time, so that a cluster whose brokers are all slow is heard too.
pub(super) async fn ask_any<R: Request>(
    channel: &Channel,
    request: &R,
    deadline: Instant,
) -> Result<R::Response, Error> {
    let mut patience = PATIENCE;
    loop {
        let until = deadline.min(Instant::now() + patience);
        let error = match channel.connection(Node::Any, until).await {
            Ok(connection) => match connection.call(request, until).await {
                // Late or lost, the connection is closed: the next may be to any broker.
                Err(error) if is_silence(&error) => error,
                answer => return answer,
            },
            Err(error) if error.kind() == ErrorKind::Timeout => error,
            // All of them were tried.
            Err(error) => return Err(error),
        };
        if until == deadline {
            return Err(error);
        }
        tracing::debug!(%error, "asking another broker");
        patience *= 2;
    }
}

fn is_silence(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Connection)
}
