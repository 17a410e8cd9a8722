//! `payment-notifier demo`, as a person or a script starts it: it needs nothing but the program.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_payment-notifier");

fn demo(arguments: &str) -> Command {
    let mut command = Command::new(PROGRAM);
    command.arg("demo").args(arguments.split_whitespace());
    command.env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

fn run(arguments: &str) -> Output {
    demo(arguments).output().expect("the program starts")
}

fn parsed(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// What becomes of each payment by the events alone, under the names that the account has.
fn ends(events: &[Value]) -> BTreeMap<u64, &'static str> {
    let mut ends = BTreeMap::new();
    let mut tried = BTreeSet::new();
    for event in events {
        let Some(payment) = event["payment"].as_u64() else {
            continue;
        };
        match (event["event"].as_str(), event["outcome"].as_str()) {
            (Some("published"), _) => {
                assert_eq!(
                    ends.insert(payment, "open"),
                    None,
                    "published twice: {event}"
                );
            }
            (Some("attempt"), Some("delivered")) => {
                let end = match event["path"].as_str() {
                    Some("drain") => "delivered_from_dead_letters",
                    _ if tried.contains(&payment) => "delivered_after_retry",
                    _ => "delivered_first_time",
                };
                assert_eq!(ends.insert(payment, end), Some("open"), "{event}");
            }
            (Some("permanent"), _) => {
                let before = ends.insert(payment, "permanent");
                assert_eq!(before, Some("open"), "{event}");
            }
            _ => {}
        }
        if event["event"] == "attempt" {
            tried.insert(payment);
        }
    }
    ends
}

#[test]
fn its_account_is_that_of_its_events() {
    let output = run("--fast --json --seed 7");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let mut events: Vec<Value> = text.lines().map(parsed).collect();
    let account = events.pop().unwrap();
    assert_eq!(
        (&account["event"], &account["adds_up"]),
        (&"account".into(), &true.into())
    );
    let ends = ends(&events);
    assert_eq!(account["published"], 24);
    for end in [
        "delivered_first_time",
        "delivered_after_retry",
        "delivered_from_dead_letters",
        "permanent",
        "open",
    ] {
        let count = ends.values().filter(|of| **of == end).count();
        assert_eq!(account[end], count, "{end}: {text}");
    }
    for row in account["others"].as_array().unwrap() {
        let payment = row["payment"].as_u64().unwrap();
        assert_eq!(row["end"], ends[&payment], "{row}");
        let letters = events
            .iter()
            .filter(|event| event["event"] == "dead_letter");
        let letters = letters.filter(|event| event["payment"] == payment);
        assert_eq!(row["dead_letters"], letters.count(), "{row}");
    }
    let is_there = |name: &str| events.iter().any(|event| event["event"] == name);
    assert!(
        is_there("drain_started") && is_there("drain_finished"),
        "{text}"
    );
}

#[test]
fn without_a_terminal_it_is_plain_text_and_the_same_seed_has_the_same_table() {
    let table = || {
        let output = run("--fast --payments 5 --seed 3");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.success() && !text.contains('\u{1b}'),
            "{text}"
        );
        let begins = text.find("\n      5  published\n");
        text[begins.unwrap_or_else(|| panic!("{text}"))..].to_owned()
    };
    let first = table();
    assert!(first.contains("All 5 are accounted for"), "{first}");
    assert_eq!(first, table());
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_told_and_is_no_success() {
    let full = std::fs::File::create("/dev/full").unwrap();
    let mut demo = demo("--fast --payments 1");
    let output = demo.stdout(full).stderr(Stdio::piped()).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("the output can't be written"), "{told}");
}

/// The event lines of a demo that stays up; it is killed where a test fails before its end.
struct Stay {
    demo: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Stay {
    fn start() -> Self {
        let mut command = demo("--fast --keep --json --payments 3");
        let mut demo = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let stdout = demo.stdout.take().expect("it is piped");
        let lines = BufReader::new(stdout).lines();
        Self { demo, lines }
    }

    fn wait_for(&mut self, condition: impl Fn(&Value) -> bool) -> Value {
        let lines = self.lines.by_ref();
        let mut events = lines.map(|line| parsed(&line.expect("it is text")));
        events.find(condition).expect("the event comes")
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        let _ = self.demo.kill();
        let _ = self.demo.wait();
    }
}

#[test]
fn a_demo_that_stays_shows_the_payments_of_others_until_it_is_stopped() {
    let mut stay = Stay::start();
    let staying = stay.wait_for(|event| event["event"] == "staying");
    let mut publish = Command::new(PROGRAM)
        .args(["publish", "--bootstrap-servers"])
        .arg(staying["bootstrap_servers"].as_str().unwrap())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mine = br#"{"mail":"me@example.com","concertTitle":"Mine","startDt":"2026-12-24T19:00","confirmDt":"2026-11-22T10:15","amount":1}"#;
    publish.stdin.take().unwrap().write_all(mine).unwrap();
    assert!(publish.wait().unwrap().success());
    let published = stay.wait_for(|event| event["event"] == "published");
    assert_eq!(
        (&published["payment"], &published["summary"]),
        (&4.into(), &"me@example.com, 1 won".into())
    );
    let attempt = stay.wait_for(|event| event["event"] == "attempt");
    assert_eq!(
        (&attempt["payment"], &attempt["outcome"]),
        (&4.into(), &"delivered".into())
    );
    let pid = Pid::from_child(&stay.demo);
    kill_process(pid, Signal::INT).unwrap();
    let account = stay.wait_for(|event| event["event"] == "account");
    assert_eq!(
        (&account["published"], &account["adds_up"]),
        (&4.into(), &true.into())
    );
    assert!(stay.demo.wait().unwrap().success());
}
