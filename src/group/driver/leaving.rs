//! The end of a membership, told as it was.

use std::time::Duration;

use super::{GroupDriver, GroupEvent};
use crate::clock::now;
use crate::group::membership::{Ending, RequestError};
use crate::{Error, ErrorKind};

/// How long leaving may take, the last commits included: the session's end does the same later.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);

impl GroupDriver {
    /// Leaves, once the commits made before are done. Who leaves is done with what was to be
    /// revoked.
    ///
    /// # Errors
    ///
    /// Why the group keeps this member until its session ends, where it is not a static one.
    pub(crate) async fn leave(mut self) -> Result<(), Error> {
        self.machine.handle_leave(now());
        if let Some((_, left)) = &mut self.revoking {
            left.clear();
        }
        let ending = match tokio::time::timeout(LEAVE_TIMEOUT, self.ended()).await {
            Ok(ending) => ending,
            Err(_) => {
                self.machine.handle_leave_timeout();
                self.ended().await
            }
        };
        self.tell(ending)
    }

    async fn ended(&mut self) -> Ending {
        loop {
            match self.next().await {
                GroupEvent::Left(ending) => return ending,
                GroupEvent::Revoke(partitions) => self.revoked(&partitions),
                _ => {}
            }
        }
    }

    fn tell(&self, ending: Ending) -> Result<(), Error> {
        let group = &self.group;
        match ending {
            Ending::Left => tracing::info!(%group, "group left"),
            Ending::Stays => tracing::info!(%group, "static member stays until its session ends"),
            Ending::NoMember => tracing::info!(%group, "no member of the group: nothing to leave"),
            Ending::NotLeft(error) => {
                let error = not_left(group, &error);
                tracing::warn!(%group, "{error}");
                return Err(error);
            }
        }
        Ok(())
    }
}

fn not_left(group: &str, error: &RequestError) -> Error {
    let text =
        |why: &str| format!("group {group} not left: {why}; it waits for the session to end");
    match error {
        RequestError::Timeout => {
            let why = format!("no answer from the coordinator within {LEAVE_TIMEOUT:?}");
            Error::new(ErrorKind::Timeout, text(&why))
        }
        RequestError::Code(code) | RequestError::Told(code, _) => {
            Error::coded(*code, text(&code.to_string()))
        }
        RequestError::Disconnected | RequestError::MemberIdRequired(_) => Error::new(
            ErrorKind::Connection,
            text("its coordinator is out of reach"),
        ),
    }
}
