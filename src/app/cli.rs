//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use super::config::{Flag, Sources};
use super::logging::LogArgs;

#[cfg(test)]
mod tests;

/// The version, and what it was built from.
const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (",
    env!("PAYMENT_NOTIFIER_BUILD"),
    ")"
);

/// Sends a Telegram message for every payment that Kafka brings; loses none.
///
/// A message that can't be sent is tried again, then becomes a dead letter, which a timer drains,
/// and ends in the permanent topic when nothing helps.
#[derive(Parser)]
#[command(
    name = "payment-notifier",
    version = VERSION,
    after_help = "\
Examples:
  payment-notifier demo
  payment-notifier config --example > payment-notifier.toml
  payment-notifier run --config payment-notifier.toml

Exit codes: 0 done, or stopped in order; 1 failed; 2 wrong usage or configuration."
)]
pub struct Cli {
    /// What is logged, and how.
    #[command(flatten)]
    pub log: LogArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Watch it work: no Kafka, no token, nothing to set up
    ///
    /// Starts a Kafka in memory and a stand-in for Telegram, publishes payments of which some
    /// have trouble, runs the service of `run` with short intervals, and shows each step. Ends by
    /// itself with an account of where every payment went; exits with 1 where one is missing.
    #[command(after_help = "\
Examples:
  payment-notifier demo
  payment-notifier demo --keep
  payment-notifier demo --fast --json | jq -c 'select(.payment == 7)'")]
    Demo(DemoArgs),
    /// Run the service: consume, send, retry, and drain by the timer
    ///
    /// Missing topics are created. SIGTERM or SIGINT stops it in order: the messages being sent
    /// finish, offsets are committed, the group is left. A second signal ends it at once.
    #[command(after_help = "\
Examples:
  payment-notifier run --config payment-notifier.toml
  NOTIFIER_TELEGRAM_TOKEN=… NOTIFIER_TELEGRAM_CHAT_ID=@payments payment-notifier run
  payment-notifier run --bootstrap-servers kafka:9092 --set drain.interval=1m --log-format json")]
    Run(RunArgs),
    /// Drain the dead letters once, then exit
    ///
    /// Sends every dead letter again as the service's timer would, and prints what came of it.
    #[command(after_help = "\
Examples:
  payment-notifier drain --config payment-notifier.toml
  payment-notifier drain --config payment-notifier.toml --json | jq .")]
    Drain(DrainArgs),
    /// Publish payment events, given as JSON lines
    ///
    /// Each is acknowledged by all replicas. A line that is no payment event is told with its
    /// number, and then nothing of the file is published: wrong usage. Needs no token.
    #[command(after_help = "\
Examples:
  payment-notifier publish --file payments.jsonl --key mail
  zcat payments.jsonl.gz | payment-notifier publish --skip-invalid
  payment-notifier publish --sample 100 --seed 7 --bootstrap-servers kafka:9092")]
    Publish(PublishArgs),
    /// Check the configuration and print it
    ///
    /// Prints every value that holds and where it came from, secrets hidden. Connects to nothing.
    #[command(after_help = "\
Examples:
  payment-notifier config --config payment-notifier.toml
  payment-notifier config --example > payment-notifier.toml")]
    Config(ConfigArgs),
    /// Print a script for a shell that completes what is typed
    ///
    /// For who installs the program, not for daily use.
    #[command(
        hide = true,
        after_help = "\
Examples:
  payment-notifier completions bash > /usr/share/bash-completion/completions/payment-notifier
  payment-notifier completions --help"
    )]
    Completions(CompletionsArgs),
    /// Print the manual page of the program, or of one of its commands
    ///
    /// For who installs the program: --help says the same.
    #[command(
        hide = true,
        after_help = "\
Examples:
  payment-notifier man > /usr/share/man/man1/payment-notifier.1
  payment-notifier man --command run > /usr/share/man/man1/payment-notifier-run.1"
    )]
    Man(ManArgs),
}

/// The arguments of `demo`.
#[derive(Args)]
pub struct DemoArgs {
    /// How many payments there are
    #[arg(long, value_name = "N", default_value = "24", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub payments: u32,
    /// Another seed makes other payments, and other ones have trouble
    #[arg(long, value_name = "SEED", default_value = "7")]
    pub seed: u64,
    /// Take about three seconds
    #[arg(long)]
    pub fast: bool,
    /// Stay up until Ctrl-C, to be looked at with kcat and to be sent payments
    #[arg(long)]
    pub keep: bool,
    /// Print a JSON object a line: the events, then the account
    #[arg(long)]
    pub json: bool,
}

/// Where the configuration comes from.
#[derive(Args)]
#[command(next_help_heading = "Configuration")]
pub struct SourceArgs {
    /// A TOML file; without it, the environment and the flags are all there is
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Set a key, over the file and the environment; may be repeated
    #[arg(long, value_name = "TABLE.KEY=VALUE")]
    pub set: Vec<String>,
    /// Kafka's brokers, separated by commas: kafka.bootstrap.servers
    #[arg(long, value_name = "HOST:PORT")]
    pub bootstrap_servers: Option<String>,
    /// The consumer group: consumer.group_id
    #[arg(long, value_name = "GROUP")]
    pub group_id: Option<String>,
}

/// The arguments of `run`.
#[derive(Args)]
pub struct RunArgs {
    /// Where the configuration comes from.
    #[command(flatten)]
    pub source: SourceArgs,
}

/// The arguments of `drain`.
#[derive(Args)]
pub struct DrainArgs {
    /// Print what was done as one JSON object
    #[arg(long)]
    pub json: bool,
    /// Where the configuration comes from.
    #[command(flatten)]
    pub source: SourceArgs,
}

/// The arguments of `publish`.
#[derive(Args)]
pub struct PublishArgs {
    /// The file to publish; `-` is the standard input
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub file: PathBuf,
    /// The field whose value becomes the record's key; without it records have none
    #[arg(long, value_name = "FIELD")]
    pub key: Option<String>,
    /// Publish the good lines even where others are bad
    #[arg(long, conflicts_with = "sample")]
    pub skip_invalid: bool,
    /// Publish this many made-up payments instead of a file
    #[arg(long, value_name = "N", conflicts_with = "file", value_parser = clap::value_parser!(u64).range(1..))]
    pub sample: Option<u64>,
    /// Make the same payments again with the same seed
    #[arg(long, value_name = "SEED", requires = "sample")]
    pub seed: Option<u64>,
    /// Where the configuration comes from.
    #[command(flatten)]
    pub source: SourceArgs,
}

/// The arguments of `config`.
#[derive(Args)]
pub struct ConfigArgs {
    /// Print an example file instead: every key, explained, at its default
    #[arg(long, conflicts_with_all = ["config", "set", "bootstrap_servers", "group_id"])]
    pub example: bool,
    /// Where the configuration comes from.
    #[command(flatten)]
    pub source: SourceArgs,
}

/// The arguments of `completions`.
#[derive(Args)]
pub struct CompletionsArgs {
    /// Whose form the script has
    pub shell: Shell,
}

/// The arguments of `man`.
#[derive(Args)]
pub struct ManArgs {
    /// The command that the page is about; without it, the program
    #[arg(long, value_name = "COMMAND")]
    pub command: Option<String>,
}

impl SourceArgs {
    /// Reads the file, the process's environment and the flags.
    pub fn gather(&self) -> Sources {
        Sources::gather(self.config.as_deref(), std::env::vars_os(), self.flags())
    }

    fn flags(&self) -> Vec<Flag> {
        let set = self.set.iter().map(|text| {
            let (key, value) = text.split_once('=').unzip();
            Flag {
                flag: "--set",
                key: key.map(|key| key.trim().to_owned()),
                value: value.unwrap_or_default().to_owned(),
            }
        });
        let named = [
            (
                "--bootstrap-servers",
                "kafka.bootstrap.servers",
                &self.bootstrap_servers,
            ),
            ("--group-id", "consumer.group_id", &self.group_id),
        ];
        let named = named.into_iter().filter_map(|(flag, key, value)| {
            let (key, value) = (Some(key.to_owned()), value.clone()?);
            Some(Flag { flag, key, value })
        });
        set.chain(named).collect()
    }
}
