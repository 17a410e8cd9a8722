//! The suite on a real Apache Kafka. Where Java, Maven or Python are missing, its tests are
//! listed as ignored, each with the reason; with `REQUIRE_KAFKA=1` they fail instead.

#![allow(
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "clippy sees no tests here: libtest-mimic, not an attribute, makes them"
)]

mod bad_input;
mod cli;
mod drain;
mod faults;
mod fetching;
mod groups;
mod peers;
mod scenarios;
mod sink_trouble;
mod smoke;
mod spring;
mod startup;
mod stopping;
mod support;
mod takeover;
mod topics;
mod verifiable;

use std::process::ExitCode;

fn main() -> ExitCode {
    support::runner::run(&[
        smoke::TESTS,
        verifiable::TESTS,
        scenarios::TESTS,
        bad_input::TESTS,
        cli::TESTS,
        drain::TESTS,
        sink_trouble::TESTS,
        spring::TESTS,
        startup::TESTS,
        stopping::TESTS,
        groups::TESTS,
        takeover::TESTS,
        faults::TESTS,
        topics::TESTS,
        fetching::TESTS,
        peers::TESTS,
    ])
}
