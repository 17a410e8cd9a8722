//! The `payment-notifier` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    payment_notifier::app::main()
}
