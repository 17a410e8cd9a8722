//! The only place that wires: configuration, command line, logging, shutdown.

use std::process::ExitCode;

/// Runs the command line program.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
