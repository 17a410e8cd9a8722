//! File, environment, flags: which holds, and how unknown names are told.

use std::time::Duration;

use proptest::prelude::*;

use super::super::{PublishConfig, Sources, tables};
use super::{NEEDED, file, needed, nothing};

#[test]
fn variables_alone_are_enough() {
    let config = needed()
        .variable("NOTIFIER_KAFKA_BOOTSTRAP_SERVERS", "a:1, [::1]:2")
        .variable("NOTIFIER_TOPICS_SOURCE", "payments")
        .variable("NOTIFIER_TELEGRAM_BASE_URL", "http://127.0.0.1:8080/")
        .variable("NOTIFIER_RETRY_BACKOFF", "10ms")
        .variable("NOTIFIER_DRAIN_INTERVAL", "1m30s")
        .variable("PATH", "/bin")
        .config();
    let servers: Vec<_> = config
        .kafka
        .bootstrap_servers
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(servers, ["a:1", "[::1]:2"]);
    assert_eq!(config.topics.dead_letter, "payments.DLQ");
    assert_eq!(config.telegram.base_url, "http://127.0.0.1:8080");
    assert_eq!(config.retry.backoff, Duration::from_millis(10));
    assert_eq!(config.drain.interval, Duration::from_secs(90));
    assert_eq!(
        (config.bot.token.expose(), &*config.bot.chat_id),
        ("1:abc", "-100")
    );
}

#[test]
fn the_defaults_are_those_of_the_service_to_replace() {
    let config = needed().config();
    assert_eq!(config.topics.source, "payment-notification");
    assert_eq!(config.topics.dead_letter, "payment-notification.DLQ");
    assert_eq!(config.topics.permanent, "payment-notification.permanent");
    assert_eq!(
        (config.topics.partitions, config.topics.replication_factor),
        (3, 1)
    );
    assert_eq!(config.consumer.group_id, "telegram-notification");
    assert_eq!(config.drain.group_id, "telegram-notification-dlq-retry");
    assert_eq!(config.drain.interval, Duration::from_secs(300));
    assert_eq!(
        (config.retry.max_retries, config.retry.backoff),
        (3, Duration::from_secs(1))
    );
    assert_eq!(config.telegram.timeout, Duration::from_secs(30));
}

#[test]
fn a_flag_goes_before_a_variable_before_the_file() {
    let text = "[consumer]\ngroup_id = \"file\"";
    assert_eq!(file(text).config().consumer.group_id, "file");
    let variable = file(text).variable("NOTIFIER_CONSUMER_GROUP_ID", "variable");
    assert_eq!(variable.config().consumer.group_id, "variable");
    let flag = variable.set("consumer.group_id", "flag");
    assert_eq!(flag.config().consumer.group_id, "flag");
    let flag = flag.flag("--group-id", Some("consumer.group_id"), "named");
    assert_eq!(flag.config().drain.group_id, "named-dlq-retry");
}

#[test]
fn kafka_names_may_be_quoted_or_dotted() {
    for text in [
        "[kafka]\n\"fetch.max.wait.ms\" = 7\n\"fetch.max.bytes\" = 1000",
        "[kafka]\nfetch.max.wait.ms = 7\nfetch.max.bytes = 1000",
        "kafka.fetch.max.wait.ms = 7\nkafka.fetch.max.bytes = 1000",
        "[kafka.fetch.max]\nwait.ms = 7\nbytes = 1_000",
        "[kafka.\"fetch.max\"]\n\"wait.ms\" = 0x7\nbytes = 1000",
    ] {
        let kafka = file(text).config().kafka;
        assert_eq!(
            (kafka.fetch_max_wait, kafka.fetch_max_bytes),
            (Duration::from_millis(7), 1000),
            "{text}"
        );
    }
}

#[test]
fn a_key_set_twice_in_the_file_is_refused() {
    let problems = file("[kafka]\n\"client.id\" = \"a\"\nclient.id = \"b\"").problems();
    assert_eq!(
        problems,
        ["test.toml:3: kafka.client.id: is set twice; the other is in file test.toml:2"]
    );
}

#[test]
fn a_table_that_is_none_is_told() {
    assert_eq!(
        file("kafka = 1").problems(),
        ["test.toml:1: kafka is a table: write [kafka]"]
    );
}

#[test]
fn what_kubernetes_sets_is_no_mistake() {
    needed()
        .variable("NOTIFIER_SERVICE_HOST", "10.0.0.1")
        .variable("NOTIFIER_SERVICE_PORT_HTTP", "80")
        .variable("NOTIFIER_PORT", "tcp://10.0.0.1:80")
        .variable("NOTIFIER_PORT_80_TCP_ADDR", "10.0.0.1")
        .config();
    assert_eq!(
        needed()
            .variable("NOTIFIER_KAFKA_PORT", "9092")
            .problems()
            .len(),
        1
    );
}

#[test]
fn what_is_not_toml_is_told_line_by_line_and_nothing_else_of_the_file() {
    let problems = nothing()
        .file("[retry]\nbackoff = \nmax_retries = = 3\n[drain]\nmax = 1\ninterval = 7\n")
        .variable("NOTIFIER_RETRY_BACKOF", "1s")
        .problems();
    assert_eq!(problems.len(), 3, "{problems:#?}");
    assert!(
        problems[0].starts_with("test.toml:2: is not TOML: "),
        "{problems:#?}"
    );
    assert!(
        problems[1].starts_with("test.toml:3: is not TOML: "),
        "{problems:#?}"
    );
    assert!(
        problems[2].starts_with("NOTIFIER_RETRY_BACKOF: unknown variable"),
        "{problems:#?}"
    );
}

#[test]
fn a_file_that_is_not_there_is_told() {
    let missing = std::path::Path::new("/nowhere/payment-notifier.toml");
    let sources = Sources::gather(Some(missing), [], Vec::new());
    let problems = sources.problems();
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert!(problems[0].starts_with("/nowhere/payment-notifier.toml: can't be read: "));
}

#[test]
fn publishing_needs_no_token_and_judges_no_other_table() {
    let sources = nothing().file("[topics]\nsource = \"a\"\n[retry]\nbackoff = 5\n");
    let config = PublishConfig::load(&sources).map(|loaded| loaded.config);
    assert_eq!(config.unwrap().topics.source, "a");
    let unknown = nothing().file("[retry]\nback = 5\n");
    assert!(PublishConfig::load(&unknown).is_err());
}

#[test]
fn the_effective_configuration_tells_where_values_came_from() {
    let loaded = nothing()
        .file(&format!("{NEEDED}[kafka]\nclient.id = \"me\"\n"))
        .variable("NOTIFIER_TOPICS_SOURCE", "payments")
        .set("drain.delays", "1s,2m")
        .load()
        .unwrap();
    let text = loaded.effective();
    let line = |start: &str| {
        let line = text
            .lines()
            .find(|line| line.starts_with(start))
            .expect(start);
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line("client.id"), "client.id = \"me\" # file test.toml:5");
    assert_eq!(
        line("source"),
        "source = \"payments\" # NOTIFIER_TOPICS_SOURCE"
    );
    assert_eq!(
        line("dead_letter"),
        "dead_letter = \"payments.DLQ\" # default"
    );
    assert_eq!(line("delays"), "delays = [\"1s\", \"2m\"] # flag --set");
    assert_eq!(line("linger.ms"), "linger.ms = 5 # default");
    assert_eq!(line("# rate"), "# rate is not set");
}

#[test]
fn the_effective_configuration_is_one_but_for_the_secret() {
    let text = file("[telegram]\nrate = \"20/1m\"\n[kafka]\ngroup.instance.id = \"a-1\"").load();
    let text = text.unwrap().effective();
    let refused = nothing().file(&text).problems();
    assert_eq!(refused.len(), 1, "{refused:#?}");
    let again = nothing()
        .file(&text.replace("***", "1:abc"))
        .load()
        .unwrap()
        .effective();
    let values = |text: &str| -> Vec<String> {
        text.lines()
            .map(|line| line.split(" # ").next().unwrap().trim().to_owned())
            .collect()
    };
    assert_eq!(values(&again), values(&text));
}

proptest! {
    #[test]
    fn any_text_is_answered(text in "([a-z.\"\\[\\]=, 0-9\n-]|kafka|retry|client|backoff|\\[drain\\]\n){0,40}") {
        let _ = file(&text).load();
    }

    #[test]
    fn any_value_is_answered(value in ".{0,20}", key in 0..tables::keys().count()) {
        let key = tables::keys().nth(key).expect("a key").path();
        let _ = needed().set(&key, &value).load();
    }
}
