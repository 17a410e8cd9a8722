//! Logs, on the standard error: for people, or JSON for machines.

use std::io::{IsTerminal, stderr};

use clap::{Args, ValueEnum};
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;

/// What is logged, and how.
#[derive(Args)]
#[command(next_help_heading = "Logging")]
pub struct LogArgs {
    /// The form of the log, on the standard error
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
    /// error, warn, info, debug or trace, or a filter such as `info,payment_notifier=debug`;
    /// without it RUST_LOG, else info
    #[arg(long, global = true, value_name = "LEVEL", value_parser = filter_text)]
    pub log_level: Option<String>,
}

/// The form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people, coloured on a terminal unless NO_COLOR is set
    Text,
    /// A JSON object a line
    Json,
}

/// Sets the process's log up, from the arguments and the environment.
///
/// # Errors
///
/// What is wrong with `RUST_LOG`; or that a log is there already.
pub fn init(args: &LogArgs) -> Result<(), String> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let level = args.log_level.clone().or_else(|| set("RUST_LOG"));
    let filter =
        filter(level.as_deref().unwrap_or("info")).map_err(|error| format!("RUST_LOG: {error}"))?;
    // https://no-color.org
    let ansi = stderr().is_terminal() && set("NO_COLOR").is_none();
    let log = subscriber(args.log_format, filter, ansi, stderr);
    tracing::subscriber::set_global_default(log).map_err(|error| error.to_string())
}

fn filter(text: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::builder().parse(text)
}

fn filter_text(text: &str) -> Result<String, ParseError> {
    filter(text).map(|_| text.to_owned())
}

fn subscriber<W>(
    format: LogFormat,
    filter: EnvFilter,
    ansi: bool,
    writer: W,
) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer);
    match format {
        LogFormat::Text => Box::new(log.with_ansi(ansi).finish()),
        LogFormat::Json => Box::new(log.json().flatten_event(true).finish()),
    }
}
