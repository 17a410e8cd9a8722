//! What systemd asks of a service with `Type=notify`: to be told when it is ready and when it
//! stops, and to be shown in between that it still turns (`WatchdogSec`).
//!
//! The messages are those of `sd_notify(3)`. Where nobody asks, nothing is sent.
//!
//! # Invariants
//!
//! - Telling never blocks and never fails the service.
//! - The signs of life come from the engine's own task: where that hangs, they end.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use tokio::time::interval;

/// Whoever started this process and wants to be told.
#[derive(Debug)]
pub(super) struct Supervisor {
    socket: Option<UnixDatagram>,
    /// Without a sign of life for so long, it ends the process.
    patience: Option<Duration>,
}

impl Supervisor {
    /// Finds out from the environment whether there is one.
    pub(super) fn of_environment() -> Self {
        Self::of(|name| std::env::var_os(name), std::process::id())
    }

    fn of(variable: impl Fn(&str) -> Option<OsString>, pid: u32) -> Self {
        let socket = variable("NOTIFY_SOCKET").and_then(|address| {
            connect(&address)
                .inspect_err(|error| tracing::warn!(%error, "NOTIFY_SOCKET can't be used"))
                .ok()
        });
        let number = |name| variable(name)?.to_str()?.parse::<u64>().ok();
        // A process that inherited the variables is not the one that is watched.
        let is_watched = number("WATCHDOG_PID").is_none_or(|watched| watched == u64::from(pid));
        let patience = number("WATCHDOG_USEC").filter(|micros| is_watched && *micros > 0);
        Self {
            socket,
            patience: patience.map(Duration::from_micros),
        }
    }

    /// Tells that the service has what it needs: Kafka answers and the topics are there. Whether
    /// it has partitions is not waited for: a group may have more members than partitions.
    pub(super) fn ready(&self) {
        self.tell("READY=1");
    }

    /// Tells that it was asked to stop and does so.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// Gives signs of life for as long as it is polled.
    ///
    /// # Cancel safety
    ///
    /// Can be dropped at any time; then there are no more of them.
    pub(super) async fn show_life(&self) -> ! {
        // As sd_watchdog_enabled(3) advises.
        let mut ticks = self.patience.map(|patience| interval(patience / 2));
        loop {
            match &mut ticks {
                Some(ticks) => ticks.tick().await,
                None => std::future::pending().await,
            };
            self.tell("WATCHDOG=1");
        }
    }

    fn tell(&self, message: &str) {
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(message.as_bytes())
        {
            tracing::warn!(%error, message, "the supervisor can't be told");
        }
    }
}

fn connect(address: &OsString) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    match address.as_bytes().strip_prefix(b"@") {
        Some(name) => connect_abstract(&socket, name)?,
        None => socket.connect(address)?,
    }
    Ok(socket)
}

#[cfg(target_os = "linux")]
fn connect_abstract(socket: &UnixDatagram, name: &[u8]) -> io::Result<()> {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;

    socket.connect_addr(&SocketAddr::from_abstract_name(name)?)
}

#[cfg(not(target_os = "linux"))]
fn connect_abstract(_: &UnixDatagram, _: &[u8]) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;

    use super::*;

    const PID: u32 = 7;

    fn supervisor(variables: &[(&str, &str)]) -> Supervisor {
        let value = |name: &str| {
            let found = variables.iter().find(|(set, _)| *set == name);
            found.map(|(_, value)| OsString::from(value))
        };
        Supervisor::of(value, PID)
    }

    fn heard(socket: &UnixDatagram) -> String {
        let mut message = [0; 64];
        let length = socket.recv(&mut message).unwrap();
        String::from_utf8_lossy(&message[..length]).into_owned()
    }

    #[test]
    fn it_is_told_at_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let supervisor = supervisor(&[("NOTIFY_SOCKET", path.to_str().unwrap())]);
        supervisor.ready();
        supervisor.stopping();
        assert_eq!(heard(&socket), "READY=1");
        assert_eq!(heard(&socket), "STOPPING=1");
    }

    #[test]
    fn it_is_told_at_an_abstract_name() {
        let name = format!("payment-notifier-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        supervisor(&[("NOTIFY_SOCKET", &format!("@{name}"))]).ready();
        assert_eq!(heard(&socket), "READY=1");
    }

    #[test]
    fn one_that_is_not_there_is_no_failure() {
        supervisor(&[]).ready();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        supervisor(&[("NOTIFY_SOCKET", path.to_str().unwrap())]).ready();
    }

    #[test]
    fn only_the_process_that_is_meant_is_watched() {
        let patience = |variables: &[_]| supervisor(variables).patience;
        let second = Some(Duration::from_secs(1));
        assert_eq!(patience(&[]), None);
        assert_eq!(patience(&[("WATCHDOG_USEC", "1000000")]), second);
        let own = [("WATCHDOG_USEC", "1000000"), ("WATCHDOG_PID", "7")];
        assert_eq!(patience(&own), second);
        let other = [("WATCHDOG_USEC", "1000000"), ("WATCHDOG_PID", "8")];
        assert_eq!(patience(&other), None);
        assert_eq!(patience(&[("WATCHDOG_USEC", "0")]), None);
        assert_eq!(patience(&[("WATCHDOG_USEC", "soon")]), None);
    }

    #[tokio::test(start_paused = true)]
    async fn signs_of_life_come_twice_within_its_patience() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        let address = path.to_str().unwrap();
        let watching = [("NOTIFY_SOCKET", address), ("WATCHDOG_USEC", "10000000")];
        let supervisor = supervisor(&watching);
        let time = Duration::from_secs(12);
        assert!(
            tokio::time::timeout(time, supervisor.show_life())
                .await
                .is_err()
        );
        for _ in ["at once", "after 5 s", "after 10 s"] {
            assert_eq!(heard(&socket), "WATCHDOG=1");
        }
        assert!(socket.recv(&mut [0; 64]).is_err());
    }
}
