//! The suite's own tools work: without these, no other test here means anything.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rskafka::chrono::DateTime;
use rskafka::client::ClientBuilder;
use rskafka::client::partition::{Compression, UnknownTopicHandling};
use serde_json::{Value, json};

use crate::support::cluster::Cluster;
use crate::support::notifier::Setup;
use crate::support::records::Record;
use crate::support::runner::{Test, tests};
use crate::support::telegram::{Answer, CHAT_ID, TOKEN, Telegram};

pub(crate) const TESTS: &[Test] = tests![
    telegram_answers_as_scripted,
    telegram_refuses_a_wrong_token,
    the_program_ends(Cluster),
    java_tools_see_our_topics(Cluster, Java),
    records_are_kept_byte_for_byte(Cluster),
    java_shows_the_tests_records(Cluster, Java),
    rskafka_and_the_tests_reader_agree(Cluster),
    java_and_librdkafka_share_a_group(Cluster, Java, ConfluentKafka),
    kcat_reads_what_java_wrote(Cluster, Java, Kcat),
    // Access rules are Apache Kafka's alone.
    an_acl_binds_anonymous_clients(Kafka),
    a_cluster_survives_the_loss_of_a_node(Cluster),
];

async fn telegram_answers_as_scripted() {
    let telegram = Telegram::start().await;
    telegram.answer(|call| call.text.contains("busy"), Answer::retry_after(7));
    telegram.answer(|call| call.text == "drop", Answer::Drop);
    telegram.answer(|call| call.text == "never", Answer::Never);

    assert_eq!(send(&telegram, TOKEN, "hello").await.unwrap(), 200);
    assert_eq!(send(&telegram, TOKEN, "busy").await.unwrap(), 429);
    assert_eq!(
        send(&telegram, TOKEN, &"x".repeat(4097)).await.unwrap(),
        400
    );
    let dropped = send(&telegram, TOKEN, "drop").await.unwrap_err();
    assert!(!dropped.is_timeout(), "{dropped:?}");
    let never = send(&telegram, TOKEN, "never").await.unwrap_err();
    assert!(never.is_timeout(), "{never:?}");
    assert_eq!(send(&telegram, TOKEN, "hello").await.unwrap(), 200);

    let sent = telegram.wait_for(6).await;
    assert_eq!(sent[0].chat_id, CHAT_ID);
    assert_eq!(sent[1].answer, Answer::retry_after(7));
    assert_eq!((sent[5].nth, sent[5].repeats), (5, 1));
}

async fn telegram_refuses_a_wrong_token() {
    let telegram = Telegram::start().await;
    assert_eq!(send(&telegram, "1:wrong", "hello").await.unwrap(), 401);
    telegram.revoke_token(true);
    assert_eq!(send(&telegram, TOKEN, "hello").await.unwrap(), 401);
    telegram.revoke_token(false);
    assert_eq!(send(&telegram, TOKEN, "hello").await.unwrap(), 200);
}

async fn the_program_ends() {
    let telegram = Telegram::start().await;
    let setup = Setup::new(Cluster::shared().await, &telegram);
    let output = setup.call(&["--version"], "").await;
    assert!(output.status.success(), "{output:?}");
}

async fn java_tools_see_our_topics() {
    let cluster = Cluster::shared().await;
    let topic = cluster.unique("listed");
    cluster.create_topic(&topic, 3, &[]).await;
    let told = cluster.tool("kafka-topics", &["--list"]).await;
    assert!(told.lines().any(|line| line == topic), "{told}");
}

async fn records_are_kept_byte_for_byte() {
    let cluster = Cluster::shared().await;
    let topic = cluster.unique("bytes");
    cluster.create_topic(&topic, 2, &[]).await;
    let written = [
        Record::new("first")
            .key([0xff, 0x00])
            .header("h", "1")
            .header("h", "2"),
        Record::tombstone().null_header([0xc3, 0x28]).timestamp(-1),
        Record::new([]).at(1).timestamp(1),
    ];
    cluster.produce(&topic, &written).await;
    cluster.produce(&topic, &[Record::new("last").at(1)]).await;

    let offset = |record: &Record, offset| Record {
        offset,
        ..record.clone()
    };
    let expected = [
        written[0].clone(),
        offset(&written[1], 1),
        written[2].clone(),
        offset(&Record::new("last").at(1), 1),
    ];
    assert_eq!(cluster.wait_for_records(&topic, 4).await, expected);
}

async fn java_shows_the_tests_records() {
    let cluster = Cluster::shared().await;
    let topic = cluster.unique("shown");
    cluster.create_topic(&topic, 1, &[]).await;
    let record = Record::new("first").header("h", "1").header("h", "2");
    cluster.produce(&topic, &[record]).await;
    let mut java = cluster.java_console_consumer(&topic, &["--max-messages", "1"]);
    assert!(java.ended().await.success());
    let line = java.wait_for_line("first").await;
    assert!(line.contains("Partition:0\tOffset:0\th:1,h:2\t"), "{line}");
}

async fn rskafka_and_the_tests_reader_agree() {
    let cluster = Cluster::shared().await;
    let topic = cluster.unique("rskafka");
    cluster.create_topic(&topic, 1, &[]).await;
    let brokers = vec![cluster.bootstrap().to_owned()];
    let client = ClientBuilder::new(brokers).build().await.unwrap();
    let partition = client
        .partition_client(&topic, 0, UnknownTopicHandling::Retry)
        .await
        .unwrap();
    let theirs = rskafka::record::Record {
        key: Some(b"key".to_vec()),
        value: Some(b"theirs".to_vec()),
        headers: BTreeMap::from([("h".to_owned(), b"v".to_vec())]),
        timestamp: DateTime::from_timestamp_millis(1_735_000_000_123).unwrap(),
    };
    let produced = partition.produce(vec![theirs.clone()], Compression::NoCompression);
    produced.await.unwrap();

    let ours = Record::new("theirs")
        .key("key")
        .header("h", "v")
        .timestamp(1_735_000_000_123);
    let ours = [ours];
    assert_eq!(cluster.wait_for_records(&topic, 1).await, ours);
    cluster.produce(&topic, &ours).await;
    let (fetched, _) = partition.fetch_records(1, 1..1 << 20, 1000).await.unwrap();
    assert_eq!(fetched[0].record, theirs);
}

async fn java_and_librdkafka_share_a_group() {
    let cluster = Cluster::shared().await;
    let topic = cluster.unique("mixed");
    cluster.create_topic(&topic, 2, &[]).await;
    let mut java = cluster.java_consumer(&topic, &topic, &[]);
    java.wait_for("partitions_assigned", 1).await;
    let strategy = ["partition.assignment.strategy=range"];
    let mut librdkafka = cluster.librdkafka_consumer(&topic, &topic, &strategy);
    let assigned = librdkafka.wait_for("partitions_assigned", 1).await;
    assert_eq!(assigned["partitions"].as_array().map(Vec::len), Some(1));

    // Keyless records of Java's producer may all go to one partition: these go to both.
    let records: Vec<_> = (0..10)
        .map(|n| Record::new(n.to_string()).at(n % 2))
        .collect();
    cluster.produce(&topic, &records).await;
    java.wait_for_consumed(5).await;
    librdkafka.wait_for_consumed(5).await;
    assert_eq!(
        librdkafka.wait_for("offsets_committed", 1).await["success"],
        true
    );
    assert!(librdkafka.shut_down().await.success());
    librdkafka.wait_for("shutdown_complete", 1).await;
    java.shut_down().await;
    java.wait_for("shutdown_complete", 1).await;
    assert_eq!(java.consumed() + librdkafka.consumed(), 10);
}

async fn kcat_reads_what_java_wrote() {
    let cluster = Cluster::shared().await;
    let topic = cluster.unique("kcat");
    cluster.create_topic(&topic, 1, &[]).await;
    let java = cluster.java_producer(&topic, 3, &[]);
    java.wait_for("shutdown_complete", 1).await;
    assert_eq!(
        cluster.kcat(&["-C", "-t", &topic, "-e", "-q"]).await,
        "0\n1\n2\n"
    );
}

async fn an_acl_binds_anonymous_clients() {
    let cluster = Cluster::shared().await;
    let [open, forbidden] = ["open", "forbidden"].map(|name| cluster.unique(name));
    cluster.create_topic(&open, 1, &[]).await;
    cluster.create_topic(&forbidden, 1, &[]).await;
    let rule = [
        "--add",
        "--allow-principal",
        "User:nobody",
        "--topic",
        &forbidden,
    ];
    cluster.tool("kafka-acls", &rule).await;
    let told = cluster.tool("kafka-topics", &["--list"]).await;
    let listed = |topic: &str| told.lines().any(|line| line == topic);
    assert!(listed(&open) && !listed(&forbidden), "{told}");
}

async fn a_cluster_survives_the_loss_of_a_node() {
    let cluster = Cluster::start(3, &[("broker.session.timeout.ms", "2000")]).await;
    cluster.create_topic("payments", 3, &[]).await;
    let one_each = |from: i32| {
        let records = (0..3).map(|n| Record::new((from + n).to_string()).at(n));
        records.collect::<Vec<_>>()
    };
    cluster.kill(1).await;
    cluster.produce("payments", &one_each(0)).await;
    cluster.restart(1).await;
    cluster.pause(2).await;
    cluster.produce("payments", &one_each(3)).await;
    cluster.resume(2).await;
    // This producer is not idempotent: what it sends again may be there twice.
    let all_there = |records: &[Record]| {
        let values: BTreeSet<_> = records.iter().filter_map(|it| it.value.clone()).collect();
        values.len() == 6
    };
    cluster.wait_until_read("payments", all_there).await;
}

/// Calls `sendMessage` and returns the HTTP status.
async fn send(telegram: &Telegram, token: &str, text: &str) -> reqwest::Result<u16> {
    let provider = rustls_graviola::default_provider().into();
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("graviola has TLS 1.2 and 1.3")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .timeout(Duration::from_secs(1))
        .build()?;
    let url = format!("{}/bot{token}/sendMessage", telegram.url());
    let body: Value = json!({"chat_id": CHAT_ID, "text": text});
    let answer = client.post(url).json(&body).send().await?;
    Ok(answer.status().as_u16())
}
