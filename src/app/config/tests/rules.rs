//! What each key takes, and the rules between keys.

use std::time::Duration;

use super::super::{
    Assignor, AutoOffsetReset, DrainMode, FinalTopic, PublishConfig, Rate, Sources,
};
use super::{file, needed};
use crate::consumer::GroupProtocol;

/// Each row: a line of TOML under a table, and what its problem must say.
#[test]
fn wrong_values_are_told_with_what_to_do() {
    for (text, expected) in [
        (
            "kafka.request.timeout.ms = \"30s\"",
            "write 30000, in milliseconds",
        ),
        ("kafka.request.timeout.ms = 1.5", "a fraction"),
        ("kafka.request.timeout.ms = 0", "too small: at least 1"),
        (
            "kafka.request.timeout.ms = 2147483648",
            "too large: at most 2147483647",
        ),
        (
            "kafka.request.timeout.ms = 99999999999999999999",
            "beyond 64 bits",
        ),
        ("kafka.client.id = \"\"", "is empty"),
        (
            "kafka.client.id = \"a\\u001bb\"",
            "without control characters",
        ),
        ("kafka.client.id = 7", "write text in quotes"),
        ("kafka.bootstrap.servers = []", "at least 1 is needed"),
        ("kafka.bootstrap.servers = \"\"", "at least 1 is needed"),
        ("kafka.bootstrap.servers = 7", "write an array"),
        ("kafka.bootstrap.servers = \"a:1,,b:2\"", "is empty"),
        ("kafka.bootstrap.servers = \"kafka\"", "write `kafka:9092`"),
        ("kafka.bootstrap.servers = \"[::1]\"", "write `[::1]:9092`"),
        ("kafka.bootstrap.servers = \"::1:9092\"", "in brackets"),
        (
            "kafka.bootstrap.servers = \"[::g]:9092\"",
            "not an IPv6 address",
        ),
        (
            "kafka.bootstrap.servers = \"PLAINTEXT://a:1\"",
            "write `a:1`",
        ),
        ("kafka.bootstrap.servers = \"a b:1\"", "no legal host"),
        ("kafka.bootstrap.servers = \":1\"", "no legal host"),
        ("kafka.bootstrap.servers = \"a:0\"", "from 1 to 65535"),
        ("kafka.bootstrap.servers = \"a:65536\"", "from 1 to 65535"),
        (
            "kafka.group.instance.id = \"a b\"",
            "can't be an instance id",
        ),
        (
            "kafka.partition.assignment.strategy = \"sticky\"",
            "`range` or `cooperative-sticky`",
        ),
        ("topics.source = \"a/b\"", "can't be a topic's name"),
        ("topics.source = \"..\"", "can't be a topic's name"),
        ("topics.partitions = 0", "at least 1"),
        ("topics.partitions = \"3\"", "write 3 without quotes"),
        ("topics.replication_factor = 0", "at least 1"),
        ("topics.create = \"yes\"", "true or false"),
        ("consumer.concurrency = 0", "at least 1"),
        ("consumer.concurrency = 1001", "at most 1000"),
        (
            "consumer.auto_offset_reset = \"first\"",
            "`earliest` or `latest` or `none`",
        ),
        ("consumer.group_id = \" \"", "is empty"),
        ("retry.backoff = 5", "`5` has no unit: write `5s`"),
        ("retry.backoff = \"5\"", "`5` has no unit: write `5s`"),
        ("retry.backoff = \"5min\"", "not a duration"),
        ("retry.max_retries = -1", "at least 0"),
        ("retry.final = \"dlq\"", "`permanent` or `dead-letter`"),
        ("drain.interval = \"0s\"", "0s is too short: at least 1ms"),
        ("drain.mode = \"once\"", "`until-empty` or `snapshot`"),
        ("drain.delays = [\"1s\", 2]", "`2` has no unit"),
        ("telegram.base_url = \"ftp://a\"", "neither http nor https"),
        ("telegram.base_url = \"api.telegram.org\"", "is not a URL"),
        (
            "telegram.base_url = \"https://bücher.example\"",
            "in ASCII (`xn--…`)",
        ),
        ("telegram.base_url = \"http://u:p@a\"", "leave them out"),
        (
            "telegram.base_url = \"http://a/bot1:abc\"",
            "leave out `/bot…`",
        ),
        ("telegram.base_url = \"http://a/?b\"", "leave out"),
        ("telegram.rate = \"30\"", "messages/duration"),
        ("telegram.rate = \"0/1s\"", "send nothing"),
        ("telegram.rate = \"1/0s\"", "send nothing"),
        (
            "http.listen = \"localhost:9464\"",
            "an IP address and a port",
        ),
        ("http.listen = \"9464\"", "or `[::1]:9464`, or nothing"),
        ("http.listen = 9464", "write text in quotes"),
        ("http.max_connections = 0", "at least 1"),
        ("http.timeout = \"0s\"", "at least 1ms"),
        ("health.stuck_after = 300", "has no unit"),
    ] {
        let problems = file(text).problems();
        let key = text.split(" = ").next().unwrap();
        assert_eq!(problems.len(), 1, "{text}: {problems:#?}");
        assert!(
            problems[0].starts_with(&format!("test.toml:1: {key}: ")),
            "{problems:#?}"
        );
        assert!(problems[0].contains(expected), "{text}: {problems:#?}");
    }
}

#[test]
fn hosts_with_other_letters_are_written_in_ascii() {
    let config = needed()
        .set("telegram.base_url", "https://xn--bcher-kva.example")
        .config();
    assert_eq!(config.telegram.base_url, "https://xn--bcher-kva.example");
}

#[test]
fn names_that_are_too_long_are_refused() {
    let long = "a".repeat(250);
    assert!(needed().set("topics.source", &long).problems()[0].contains("at most 249"));
    // The default of another key may become too long by it; setting that one helps.
    let fits = &long[..240];
    let problems = needed().set("topics.source", fits).problems();
    assert!(
        problems[0].starts_with("topics.permanent: has 250 bytes"),
        "{problems:#?}"
    );
    needed()
        .set("topics.source", fits)
        .set("topics.permanent", "p")
        .config();
}

#[test]
fn words_of_variables_are_read_by_their_key() {
    let config = needed()
        .variable("NOTIFIER_TOPICS_CREATE", "false")
        .variable("NOTIFIER_TOPICS_PARTITIONS", "12")
        .variable("NOTIFIER_CONSUMER_AUTO_OFFSET_RESET", "none")
        .variable("NOTIFIER_RETRY_FINAL", "dead-letter")
        .variable("NOTIFIER_DRAIN_MODE", "snapshot")
        .variable("NOTIFIER_DRAIN_DELAYS", "1s, 2m")
        .variable("NOTIFIER_TELEGRAM_RATE", "30/1s")
        .variable(
            "NOTIFIER_KAFKA_PARTITION_ASSIGNMENT_STRATEGY",
            "cooperative-sticky",
        )
        .config();
    assert!(!config.topics.create);
    assert_eq!(config.topics.partitions, 12);
    assert_eq!(config.consumer.auto_offset_reset, AutoOffsetReset::None);
    assert_eq!(config.retry.final_topic, FinalTopic::DeadLetter);
    assert_eq!(config.drain.mode, DrainMode::Snapshot);
    assert_eq!(
        config.drain.delays,
        [Duration::from_secs(1), Duration::from_secs(120)]
    );
    let per = Duration::from_secs(1);
    assert_eq!(config.telegram.rate, Some(Rate { messages: 30, per }));
    assert_eq!(
        config.kafka.partition_assignment_strategy,
        [Assignor::CooperativeSticky]
    );
    for (name, value) in [
        ("NOTIFIER_TOPICS_CREATE", "yes"),
        ("NOTIFIER_TOPICS_PARTITIONS", "three"),
        ("NOTIFIER_TOPICS_SOURCE", ""),
    ] {
        let problems = needed().variable(name, value).problems();
        assert!(
            problems[0].starts_with(&format!("{name}: ")),
            "{problems:#?}"
        );
    }
}

/// Each row: the keys set, and the one that is told.
#[test]
fn rules_between_keys_hold() {
    for (set, told) in [
        (
            &["kafka.heartbeat.interval.ms=45000"][..],
            "kafka.heartbeat.interval.ms",
        ),
        (
            &["kafka.session.timeout.ms=3000"],
            "kafka.session.timeout.ms",
        ),
        (
            &["kafka.reconnect.backoff.ms=1001"],
            "kafka.reconnect.backoff.ms",
        ),
        (
            &["kafka.retry.backoff.max.ms=99"],
            "kafka.retry.backoff.max.ms",
        ),
        (
            &["kafka.fetch.max.wait.ms=30000"],
            "kafka.fetch.max.wait.ms",
        ),
        (&["kafka.fetch.min.bytes=8388609"], "kafka.fetch.min.bytes"),
        (&["kafka.fetch.max.bytes=99999489"], "kafka.fetch.max.bytes"),
        (&["kafka.batch.size=1048577"], "kafka.batch.size"),
        (
            &["kafka.delivery.timeout.ms=30004"],
            "kafka.delivery.timeout.ms",
        ),
        (
            &["topics.dead_letter=payment-notification"],
            "topics.dead_letter",
        ),
        (
            &["topics.permanent=payment-notification"],
            "topics.permanent",
        ),
        (
            &["topics.permanent=x", "topics.dead_letter=x"],
            "topics.permanent",
        ),
        (&["drain.group_id=telegram-notification"], "drain.group_id"),
        (
            &["consumer.group_id=x", "drain.group_id=x"],
            "drain.group_id",
        ),
        (&["telegram.timeout=285s"], "telegram.timeout"),
        (&["http.timeout=5s"], "http.timeout"),
        (&["health.answer_within=10s"], "health.answer_within"),
        (
            &["kafka.group.remote.assignor=range"],
            "kafka.group.remote.assignor",
        ),
        (
            &[
                "kafka.group.protocol=consumer",
                "kafka.session.timeout.ms=45000",
            ],
            "kafka.session.timeout.ms",
        ),
        (
            &[
                "kafka.group.protocol=consumer",
                "kafka.heartbeat.interval.ms=3000",
            ],
            "kafka.heartbeat.interval.ms",
        ),
        (
            &[
                "kafka.group.protocol=consumer",
                "kafka.partition.assignment.strategy=range",
            ],
            "kafka.partition.assignment.strategy",
        ),
        (
            &["kafka.max.poll.interval.ms=45000"],
            "kafka.max.poll.interval.ms",
        ),
    ] {
        let sources = set.iter().fold(needed(), |sources, text| {
            let (key, value) = text.split_once('=').unwrap();
            sources.set(key, value)
        });
        let problems = sources.problems();
        assert_eq!(problems.len(), 1, "{set:?}: {problems:#?}");
        assert!(
            problems[0].starts_with(&format!("--set {told}: ")),
            "{problems:#?}"
        );
    }
}

#[test]
fn where_to_listen_is_loopback_unless_said_and_may_be_nowhere() {
    let listen = |sources: Sources| sources.config().http.listen;
    assert!(listen(needed()).unwrap().ip().is_loopback());
    assert_eq!(listen(needed().set("http.listen", "")), None);
    assert_eq!(listen(needed().variable("NOTIFIER_HTTP_LISTEN", "")), None);
    assert_eq!(listen(file("http.listen = \"\"")), None);
    for address in ["0.0.0.0:0", "[::1]:1"] {
        let set = needed().set("http.listen", address);
        assert_eq!(listen(set), Some(address.parse().unwrap()));
    }
    let shown = needed().set("http.listen", " ").load().unwrap().effective();
    assert!(shown.contains("\nlisten = \"\" "), "{shown}");
    assert_eq!(listen(file(&shown)), None);
}

#[test]
fn values_at_the_edge_of_a_rule_are_taken() {
    needed()
        .set("kafka.heartbeat.interval.ms", "44999")
        .set("kafka.fetch.max.bytes", "99999488")
        .set("kafka.delivery.timeout.ms", "30005")
        .set("kafka.reconnect.backoff.ms", "1000")
        .set("kafka.max.poll.interval.ms", "45001")
        .config();
    let config = needed()
        .set("kafka.group.protocol", "consumer")
        .set("kafka.group.remote.assignor", "range")
        .config();
    assert_eq!(config.kafka.group_protocol, GroupProtocol::Consumer);
}

#[test]
fn a_send_must_end_before_a_rebalance_where_there_are_sends() {
    let sources = needed().set("kafka.max.poll.interval.ms", "45000");
    let problem = &sources.problems()[0];
    assert!(problem.contains(": telegram.timeout must be"), "{problem}");
    let sources = needed().set("telegram.timeout", "1h");
    let problem = &sources.problems()[0];
    assert!(
        problem.contains("shorter than kafka.max.poll.interval.ms"),
        "{problem}"
    );
    let sources = sources.set("kafka.max.poll.interval.ms", "1");
    assert!(PublishConfig::load(&sources).is_ok());
}

#[test]
fn a_rule_is_silent_about_values_that_were_refused() {
    let problems = needed()
        .set("kafka.session.timeout.ms", "1m")
        .set("topics.source", "a/b")
        .set("telegram.chat_id", "?")
        .problems();
    assert_eq!(problems.len(), 3, "{problems:#?}");
}
