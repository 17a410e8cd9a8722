//! What both verifiable clients need: the arguments that name a cluster and a topic, a Java
//! properties file, events on standard output, and an end in order.

mod properties;

use std::future::Future;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use payment_notifier::ClientConfig;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

pub(crate) use properties::Properties;

/// Whatever ends a client early; a person reads it on standard error.
pub(crate) type Failure = Box<dyn std::error::Error>;

/// Where the records are.
#[derive(Debug, clap::Args)]
pub(crate) struct Place {
    /// Brokers to ask first, separated by commas.
    #[arg(
        long,
        value_name = "HOST:PORT,…",
        value_delimiter = ',',
        required = true
    )]
    bootstrap_server: Vec<String>,
    /// The topic.
    #[arg(long)]
    pub(crate) topic: String,
}

impl Place {
    /// How to connect, with what a properties file says of it.
    pub(crate) fn client(&self, properties: &mut Properties) -> Result<ClientConfig, Failure> {
        let mut config = ClientConfig::default();
        properties.apply("client.id", &mut config.client_id)?;
        properties.apply("receive.message.max.bytes", &mut config.max_frame_bytes)?;
        for (key, setting) in [
            ("request.timeout.ms", &mut config.request_timeout),
            (
                "socket.connection.setup.timeout.ms",
                &mut config.connection_setup_timeout,
            ),
            ("reconnect.backoff.ms", &mut config.reconnect_backoff),
            (
                "reconnect.backoff.max.ms",
                &mut config.reconnect_backoff_max,
            ),
            ("retry.backoff.ms", &mut config.retry_backoff),
            ("retry.backoff.max.ms", &mut config.retry_backoff_max),
            ("metadata.max.age.ms", &mut config.metadata_max_age),
            ("connections.max.idle.ms", &mut config.connections_max_idle),
        ] {
            properties.apply_millis(key, setting)?;
        }
        // The command line has the last word, as with Java's clients.
        properties.take::<String>("bootstrap.servers")?;
        config.bootstrap_servers.clone_from(&self.bootstrap_server);
        Ok(config)
    }
}

/// Tells a person how it ended.
pub(crate) fn exit_code(ended: Result<(), Failure>) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Where standard error is gone, the exit code is left.
            let _ = note(failure);
            ExitCode::FAILURE
        }
    }
}

/// Tells an event: one JSON object on a line of its own, at once.
pub(crate) fn tell(name: &str, facts: impl Serialize) -> io::Result<()> {
    #[derive(Serialize)]
    struct Event<'a, F> {
        timestamp: u64,
        name: &'a str,
        #[serde(flatten)]
        facts: F,
    }
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let event = Event {
        timestamp: u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX),
        name,
        facts,
    };
    let mut line = serde_json::to_vec(&event)?;
    line.push(b'\n');
    // In one piece: whoever kills this process finds whole lines.
    let mut stdout = io::stdout().lock();
    stdout.write_all(&line)?;
    stdout.flush()
}

/// Notes something for a person on standard error, where no harness looks for events.
pub(crate) fn note(text: impl std::fmt::Display) -> io::Result<()> {
    writeln!(io::stderr(), "{text}")
}

/// Resolves at SIGINT or SIGTERM, which do not end the process any more.
pub(crate) fn signals() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
