//! Names that are no key's.

use super::{file, needed};

#[test]
fn unknown_names_are_told_with_the_nearest() {
    let problems = file(
        "source = 1\n[kafka]\nbootstrap.server = \"a:1\"\n[telegramm]\n[drain]\ngroup = 1\n\
         [consumer]\nbackoff = \"1s\"\ngroup_id.x = 1\n[retry]\nzzzzzzzzzzzzzzzzz = 1",
    )
    .variable("NOTIFIER_TOPIC_SOURCE", "a")
    .variable("NOTIFIER_GROUP_ID", "a")
    .set("retry.backof", "1s")
    .problems();
    assert_eq!(
        problems,
        [
            "test.toml:1: unknown key `source`: the nearest is `source` in [topics]",
            "test.toml:3: unknown key `kafka.bootstrap.server`: the nearest is `bootstrap.servers` in [kafka]",
            "test.toml:4: unknown table [telegramm]: the nearest is [telegram]",
            "test.toml:6: unknown key `drain.group`: the nearest is `group_id` in [drain]",
            "test.toml:8: unknown key `consumer.backoff`: the nearest is `backoff` in [retry]",
            "test.toml:9: consumer.group_id: is a table: write text in quotes",
            "test.toml:11: unknown key `retry.zzzzzzzzzzzzzzzzz`: `payment-notifier config --example` shows all keys",
            "NOTIFIER_GROUP_ID: unknown variable: the nearest is NOTIFIER_CONSUMER_GROUP_ID",
            "NOTIFIER_TOPIC_SOURCE: unknown variable: the nearest is NOTIFIER_TOPICS_SOURCE",
            "--set: unknown key `retry.backof`: the nearest is `retry.backoff`",
        ]
    );
}

/// The problems of unknown keys, without their places.
fn unknown(text: &str) -> Vec<String> {
    let tell = |line: String| line.split_once(": ").expect("a place").1.to_owned();
    file(text).problems().into_iter().map(tell).collect()
}

#[test]
fn an_unknown_key_is_told_in_full() {
    for text in [
        "[kafka]\nsesion.timeout.ms = 1",
        "kafka.\"sesion.timeout.ms\" = 1",
        "[kafka.sesion]\n\"timeout\" = { ms = 1 }",
    ] {
        let told = [
            "unknown key `kafka.sesion.timeout.ms`: the nearest is `session.timeout.ms` in [kafka]",
        ];
        assert_eq!(unknown(text), told, "{text}");
    }
    assert_eq!(unknown("[kafka.sesion]\na = 1\nb = 2").len(), 2);
    assert_eq!(unknown("[kafka.sesion]").len(), 1);
    let deep = format!("kafka.{} = 1", ["a"; 70].join("."));
    assert_eq!(unknown(&deep).len(), 1);
}

#[test]
fn what_is_far_from_every_name_gets_no_suggestion() {
    for (text, what) in [
        ("kafka.retention.hours = 1", "key `kafka.retention.hours`"),
        ("telegram.zzzz = 1", "key `telegram.zzzz`"),
        ("[zzzz]", "table [zzzz]"),
    ] {
        let told = format!("unknown {what}: `payment-notifier config --example` shows all keys");
        assert_eq!(unknown(text), [told]);
    }
}

#[test]
fn what_java_says_in_other_words_is_explained() {
    for name in [
        "sasl.jaas.config",
        "ssl.truststore.location",
        "ssl.keystore.type",
    ] {
        let told = unknown(&format!("[kafka]\n{name} = 1")).remove(0);
        assert!(told.contains("which properties_file names"), "{told}");
    }
}

/// Each row: a property of Kafka, and what is said of it.
#[test]
fn properties_of_kafka_that_cannot_be_set_are_explained() {
    for (name, why) in [
        ("sasl.kerberos.service.name", "Kerberos is not supported"),
        (
            "ssl.enabled.protocols",
            "TLS 1.2 and 1.3 are used, with safe ciphers alone",
        ),
        ("acks", "it is always `all`"),
        ("enable.idempotence", "it is always `true`"),
        (
            "enable.auto.commit",
            "the service commits the offsets itself",
        ),
        ("group.id", "set `group_id` in [consumer] instead"),
        (
            "auto.offset.reset",
            "set `auto_offset_reset` in [consumer] instead",
        ),
    ] {
        let expected = format!("unknown key `kafka.{name}`: {why}");
        assert_eq!(unknown(&format!("[kafka]\n{name} = 1")), [expected]);
        let variable = name.replace('.', "_").to_ascii_uppercase();
        let variable = format!("NOTIFIER_KAFKA_{variable}");
        let why = match name {
            "group.id" => "set NOTIFIER_CONSUMER_GROUP_ID instead",
            "auto.offset.reset" => "set NOTIFIER_CONSUMER_AUTO_OFFSET_RESET instead",
            _ => why,
        };
        let expected = format!("{variable}: unknown variable: {why}");
        assert_eq!(needed().variable(&variable, "1").problems(), [expected]);
    }
}
