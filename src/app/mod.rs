//! The only place that wires: configuration, command line, logging, shutdown.

pub mod cli;
pub mod config;
mod connect;
mod conversation;
mod demo;
mod drain;
mod handler;
mod http;
pub mod logging;
mod manual;
mod progress;
mod publish;
mod run;
#[cfg(test)]
mod scenarios;
mod service;
mod shutdown;
mod supervisor;

use std::fmt;
use std::future::Future;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use self::cli::{Cli, Command, ConfigArgs};
use self::config::{Config, Loaded, Problems, PublishConfig};
use crate::{Error, ErrorKind};

/// Wrong usage or configuration; clap uses the same code.
const USAGE: u8 = 2;

/// Runs the command line program.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // A demo shows what the service does in its own way.
    let level = match cli.command {
        Command::Demo(_) => "error",
        _ => "info",
    };
    if let Err(error) = logging::init(&cli.log, level) {
        return refuse(&error);
    }
    match &cli.command {
        Command::Demo(args) => block_on(demo::execute(args)),
        Command::Config(args) => print_config(args),
        Command::Completions(args) => print(&manual::completions(args)),
        Command::Man(args) => match manual::page(args) {
            Ok(page) => print(&page),
            Err(error) => refuse(&error),
        },
        Command::Run(args) => start(Config::load(&args.source.gather()), |config| {
            run::execute(config, args)
        }),
        Command::Drain(args) => start(Config::load(&args.source.gather()), |config| {
            drain::execute(config, args)
        }),
        Command::Publish(args) => start(PublishConfig::load(&args.source.gather()), |config| {
            publish::execute(config, args)
        }),
    }
}

fn start<C, F>(loaded: Result<Loaded<C>, Problems>, command: impl FnOnce(C) -> F) -> ExitCode
where
    F: Future<Output = Result<ExitCode, Error>>,
{
    match loaded {
        Ok(loaded) => block_on(command(warned(loaded).config)),
        Err(problems) => refuse(&problems),
    }
}

/// Executes a command on one thread: the work is waiting, and order stays plain.
fn block_on(command: impl Future<Output = Result<ExitCode, Error>>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!("the runtime can't start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(command);
    // A blocked read of the standard input would hold up the exit for ever.
    runtime.shutdown_background();
    outcome.unwrap_or_else(|error| {
        tracing::error!("{error}");
        exit_code(&error)
    })
}

/// Wrong usage has its own code, even where only the input or the cluster shows that it is wrong.
fn exit_code(error: &Error) -> ExitCode {
    match error.kind() {
        ErrorKind::Usage => ExitCode::from(USAGE),
        _ => ExitCode::FAILURE,
    }
}

fn print_config(args: &ConfigArgs) -> ExitCode {
    if args.example {
        return print(&Config::example());
    }
    match Config::load(&args.source.gather()) {
        Ok(loaded) => print(&warned(loaded).effective()),
        Err(problems) => refuse(&problems),
    }
}

fn warned<C>(loaded: Loaded<C>) -> Loaded<C> {
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    loaded
}

fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader has seen enough, as `| head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("the output can't be written: {error}");
            ExitCode::FAILURE
        }
    }
}

fn refuse(error: &dyn fmt::Display) -> ExitCode {
    // Nobody is left to tell where even this can't be written.
    let _ = writeln!(io::stderr(), "error: {error}");
    ExitCode::from(USAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_usage_and_failure_have_codes_of_their_own() {
        let code = |kind| exit_code(&Error::new(kind, "why"));
        assert_eq!(code(ErrorKind::Usage), ExitCode::from(2));
        for kind in [ErrorKind::Timeout, ErrorKind::System, ErrorKind::Broker] {
            assert_eq!(code(kind), ExitCode::from(1), "{kind:?}");
        }
    }
}
