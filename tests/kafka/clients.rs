//! Clients that share no code with this crate, on both clusters: what one writes all the others
//! read, byte for byte, and their groups share out and go on where they were.

mod codecs;

use std::io;
use std::ops::Range;

use crate::support::cluster::Cluster;
use crate::support::process::Process;
use crate::support::records::{Record, patiently};
use crate::support::runner::{Test, tests};

use codecs::every_codec_of_every_client_is_read_by_all;

pub(crate) const TESTS: &[Test] = tests![
    every_codec_of_every_client_is_read_by_all(Cluster, Java, Kcat, ConfluentKafka),
    librdkafka_keeps_records_byte_for_byte(Cluster, ConfluentKafka),
    kcat_keeps_headers(Cluster, Kcat),
    java_keeps_headers(Cluster, Java),
    kcats_share_a_group_and_go_on_where_it_was(Cluster, Kcat),
    javas_tools_administer(Cluster, Java),
];

async fn librdkafka_keeps_records_byte_for_byte() {
    let cluster = Cluster::shared().await;
    let [theirs, ours] = ["theirs", "ours"].map(|name| cluster.unique(name));
    let records = [
        Record::new([0, 0xff, 0xfe])
            .key([0xc3, 0x28])
            .header("twice", "1")
            .header("between", [0xff])
            .header("twice", "2")
            .null_header("null")
            .header("결제", ""),
        Record::tombstone().key("").timestamp(1),
        Record::new("").at(1),
    ];
    let at = |offset: i64, record: &Record| Record {
        offset,
        ..record.clone()
    };
    let expected = [at(0, &records[0]), at(1, &records[1]), at(0, &records[2])];
    for topic in [&theirs, &ours] {
        cluster.create_topic(topic, 2, &[]).await;
    }
    cluster.librdkafka_write(&theirs, &records, &[]).await;
    assert_eq!(cluster.read(&theirs).await, expected);
    cluster.produce(&ours, &records).await;
    assert_eq!(cluster.librdkafka_read(&ours, 3).await, expected);
}

async fn kcat_keeps_headers() {
    let cluster = Cluster::shared().await;
    let topic = cluster.unique("kcat-headers");
    cluster.create_topic(&topic, 1, &[]).await;
    let headers = ["-H", "a=1", "-H", "b=", "-H", "a=2"];
    let place = ["-P", "-t", &topic, "-p", "0", "-k", "key"];
    cluster
        .kcat_fed(&[&place[..], &headers[..]].concat(), "value")
        .await;
    let written = &cluster.wait_for_records(&topic, 1).await[0];
    let expected = Record::new("value")
        .key("key")
        .header("a", "1")
        .header("b", "")
        .header("a", "2")
        .timestamp(written.timestamp);
    assert_eq!(*written, expected);

    let ours = Record::new("ours")
        .header("c", "1")
        .null_header("d")
        .header("c", "2");
    cluster.produce(&topic, &[ours]).await;
    let told = cluster
        .kcat(&["-C", "-t", &topic, "-o", "1", "-e", "-q", "-J"])
        .await;
    let told: serde_json::Value = serde_json::from_str(&told).expect("one record, in JSON");
    let headers = serde_json::json!(["c", "1", "d", null, "c", "2"]);
    assert_eq!(told["headers"], headers, "{told}");
    assert_eq!(
        (&told["payload"], &told["ts"]),
        (&"ours".into(), &1_735_000_000_000_i64.into())
    );
}

async fn java_keeps_headers() {
    let cluster = Cluster::shared().await;
    let topic = cluster.unique("java-headers");
    cluster.create_topic(&topic, 1, &[]).await;
    let parsed = [
        ["--reader-property", "parse.headers=true"],
        ["--reader-property", "parse.key=true"],
        ["--reader-property", "null.marker=NULL"],
    ];
    let lines = "a:1,b:NULL,a:2\tkey\tNULL\n";
    cluster
        .java_console_producer(&topic, lines, parsed.as_flattened())
        .await;
    let written = &cluster.wait_for_records(&topic, 1).await[0];
    let expected = Record::tombstone()
        .key("key")
        .header("a", "1")
        .null_header("b")
        .header("a", "2")
        .timestamp(written.timestamp);
    assert_eq!(*written, expected);
    let mut java = cluster.java_console_consumer(&topic, &["--max-messages", "1"]);
    assert!(java.ended().await.success());
    java.wait_for_line("\ta:1,b:null,a:2\tkey\tnull").await;
}

async fn kcats_share_a_group_and_go_on_where_it_was() {
    let cluster = Cluster::shared().await;
    let topic = cluster.unique("kcats");
    cluster.create_topic(&topic, 4, &[]).await;
    let publish = async |numbers: Range<i32>| {
        let records: Vec<_> = numbers
            .map(|n| Record::new(n.to_string()).at(n % 4))
            .collect();
        cluster.produce(&topic, &records).await;
    };
    let settings = ["auto.commit.interval.ms=100"];
    let mut first = cluster.kcat_member(&topic, &topic, &settings);
    cluster.wait_for_members(&topic, 1, 4).await;
    let killed = [
        settings[0],
        "session.timeout.ms=4000",
        "heartbeat.interval.ms=500",
    ];
    let mut second = cluster.kcat_member(&topic, &topic, &killed);
    cluster.wait_for_members(&topic, 2, 4).await;
    publish(0..40).await;
    tokio::join!(has_consumed(&first, 20), has_consumed(&second, 20));
    cluster.wait_for_commits(&topic, &topic, 40).await;
    first.terminate();
    assert!(first.ended().await.success());
    cluster.wait_for_members(&topic, 1, 4).await;
    publish(40..80).await;
    has_consumed(&second, 60).await;
    cluster.wait_for_commits(&topic, &topic, 80).await;
    second.kill();
    second.ended().await;
    // Nobody else tells that it is gone.
    cluster
        .wait_for_group(&topic, |it| it.members.is_empty())
        .await;

    publish(80..100).await;
    let mut third = cluster.kcat_member(&topic, &topic, &settings);
    has_consumed(&third, 20).await;
    third.terminate();
    assert!(third.ended().await.success());
    let mut seen: Vec<_> = [&first, &second, &third]
        .into_iter()
        .flat_map(consumed)
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..100).collect::<Vec<_>>(), "each once");
}

/// The numbers of the records that a `kcat` has told of.
fn consumed(kcat: &Process) -> Vec<i32> {
    let lines = kcat.lines().into_iter();
    let records = lines.filter_map(|line| line.split_once(':')?.1.parse().ok());
    records.collect()
}

async fn has_consumed(kcat: &Process, count: usize) {
    let is_record = |line: &&String| line.starts_with(|it: char| it.is_ascii_digit());
    let what = format!("{count} records");
    kcat.wait_until(&what, |lines| {
        (lines.iter().filter(is_record).count() >= count).then_some(())
    })
    .await;
}

async fn javas_tools_administer() {
    let cluster = Cluster::shared().await;
    let topic = &cluster.unique("administered");
    let topics = async |arguments: &[&str]| {
        let arguments = [&["--topic", topic], arguments].concat();
        cluster.tool("kafka-topics", &arguments).await
    };
    // Longer than the records are old: what is older is deleted within minutes.
    topics(&[
        "--create",
        "--partitions",
        "2",
        "--config",
        "retention.ms=700000000000",
    ])
    .await;
    topics(&["--alter", "--partitions", "3"]).await;
    let entity = ["--entity-type", "topics", "--entity-name", topic];
    let add = ["--alter", "--add-config", "max.message.bytes=2000"];
    cluster
        .tool("kafka-configs", &[&entity[..], &add[..]].concat())
        .await;
    let facts = [
        "PartitionCount: 3",
        "retention.ms=700000000000",
        "max.message.bytes=2000",
    ];
    // A broker hears of it a moment after the controller.
    patiently(topic, async || {
        let told = topics(&["--describe"]).await;
        match facts.iter().find(|fact| !told.contains(**fact)) {
            None => Ok(()),
            Some(fact) => Err(io::Error::other(format!("no {fact}: {told}"))),
        }
    })
    .await;

    let records = [Record::new("a"), Record::new("b"), Record::new("c").at(2)];
    cluster.produce(topic, &records).await;
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let wanted = serde_json::json!({
        "version": 1,
        "partitions": [{"topic": topic, "partition": 0, "offset": 1}],
    });
    std::fs::write(file.path(), wanted.to_string()).expect("a temporary file can be written");
    let path = file.path().to_str().expect("its name is UTF-8");
    cluster
        .tool("kafka-delete-records", &["--offset-json-file", path])
        .await;
    for (time, expected) in [("earliest", [1, 0, 0]), ("latest", [2, 0, 1])] {
        let told = cluster
            .tool("kafka-get-offsets", &["--topic", topic, "--time", time])
            .await;
        let expected = (0..)
            .zip(expected)
            .map(|(n, offset)| format!("{topic}:{n}:{offset}"));
        assert_eq!(lines(&told), expected.collect::<Vec<_>>(), "{time}");
    }
    topics(&["--delete"]).await;
    patiently(topic, async || {
        let listed = cluster.tool("kafka-topics", &["--list"]).await;
        match listed.lines().all(|line| line != topic) {
            true => Ok(()),
            false => Err(io::Error::other(listed)),
        }
    })
    .await;
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}
