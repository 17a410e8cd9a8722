//! Logs, on the standard error: for people, or JSON for machines.

use std::io::{IsTerminal, stderr};

use clap::{Args, ValueEnum};
use tracing::Subscriber;
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;

/// What is logged, and how.
#[derive(Args)]
#[command(next_help_heading = "Logging")]
pub struct LogArgs {
    /// The form of the log, on the standard error
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
    /// error, warn, info, debug or trace, or a filter such as `info,payment_notifier=debug`;
    /// without it RUST_LOG, else info (error in a demo)
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

/// Sets the process's log up, from the arguments and the environment; where neither names a
/// level, it is `default`.
///
/// # Errors
///
/// What is wrong with `RUST_LOG`; or that a log is there already.
pub fn init(args: &LogArgs, default: &str) -> Result<(), String> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let level = args.log_level.clone().or_else(|| set("RUST_LOG"));
    let filter = filter(level.as_deref().unwrap_or(default))
        .map_err(|error| format!("RUST_LOG: {error}"))?;
    // https://no-color.org
    let ansi = stderr().is_terminal() && set("NO_COLOR").is_none();
    let log = subscriber(args.log_format, filter, ansi, stderr);
    tracing::subscriber::set_global_default(log).map_err(|error| error.to_string())
}

/// Levels by target; there are no spans here to be chosen by.
fn filter(text: &str) -> Result<Targets, ParseError> {
    text.parse()
}

fn filter_text(text: &str) -> Result<String, ParseError> {
    filter(text).map(|_| text.to_owned())
}

fn subscriber<W>(
    format: LogFormat,
    filter: Targets,
    ansi: bool,
    writer: W,
) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let log = registry().with(filter);
    let lines = fmt::layer().with_writer(writer);
    match format {
        LogFormat::Text => Box::new(log.with(lines.with_ansi(ansi))),
        LogFormat::Json => Box::new(log.with(lines.json().flatten_event(true))),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, level: &str, ansi: bool) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let log = subscriber(format, filter(level).unwrap(), ansi, move || writer.clone());
        tracing::subscriber::with_default(log, || {
            tracing::info!(partition = 3, "joined");
            tracing::debug!("fetched");
        });
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn text_is_a_line_with_its_fields() {
        let text = logged(LogFormat::Text, "info", false);
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(
            text.contains("INFO") && text.contains("joined partition=3"),
            "{text}"
        );
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn text_is_coloured_where_it_may_be() {
        assert!(logged(LogFormat::Text, "info", true).contains('\u{1b}'));
        assert!(!logged(LogFormat::Json, "info", true).contains('\u{1b}'));
    }

    #[test]
    fn json_is_an_object_a_line() {
        let text = logged(LogFormat::Json, "debug", false);
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert_eq!(lines[0]["message"], "joined");
        assert_eq!(lines[0]["partition"], 3);
        assert_eq!(lines[1]["level"], "DEBUG");
    }

    #[test]
    fn the_level_filters() {
        assert_eq!(logged(LogFormat::Text, "warn", false), "");
        assert_eq!(
            logged(LogFormat::Text, "warn,payment_notifier=debug", false)
                .lines()
                .count(),
            2
        );
        assert!(filter("a=b=c").is_err());
    }
}
