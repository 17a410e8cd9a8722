//! The suite on two kinds of cluster: most tests run on a real Apache Kafka (`kafka::…`) and on the
//! broker in memory (`memory::…`), by the same code, so that the two can't drift apart.
//!
//! What needs Java, Maven, Python or kcat is listed as ignored where they are missing, each test
//! with the reason; with `REQUIRE_KAFKA=1` it fails instead. In memory most tests need none of them.

#![allow(
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "clippy sees no tests here: libtest-mimic, not an attribute, makes them"
)]

mod bad_input;
mod cli;
mod clients;
mod codecs;
mod conformance;
mod drain;
mod exactly_once;
mod faults;
mod fetching;
mod flights;
mod groups;
mod isolation;
mod older;
mod peers;
mod replicas;
mod scenarios;
mod security;
mod sink_trouble;
mod smoke;
mod spring;
mod startup;
mod stopping;
mod supervision;
mod support;
mod takeover;
mod topics;
mod transactions;
mod verifiable;

use std::process::ExitCode;

fn main() -> ExitCode {
    support::runner::run(&[
        smoke::TESTS,
        conformance::TESTS,
        verifiable::TESTS,
        scenarios::TESTS,
        bad_input::TESTS,
        cli::TESTS,
        drain::TESTS,
        sink_trouble::TESTS,
        spring::TESTS,
        startup::TESTS,
        stopping::TESTS,
        supervision::TESTS,
        groups::TESTS,
        takeover::TESTS,
        takeover::consumer_protocol::TESTS,
        faults::TESTS,
        flights::TESTS,
        exactly_once::TESTS,
        topics::TESTS,
        transactions::TESTS,
        transactions::faults::TESTS,
        fetching::TESTS,
        isolation::TESTS,
        peers::TESTS,
        clients::TESTS,
        security::TESTS,
        security::openssl::TESTS,
        security::refusals::TESTS,
        security::renewal::TESTS,
        security::rights::TESTS,
        security::tokens::TESTS,
        codecs::TESTS,
        older::TESTS,
        replicas::TESTS,
    ])
}
