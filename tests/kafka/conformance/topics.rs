//! Topics: made, changed, told of, deleted.

use std::time::Duration;

use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, DescribeConfigsRequest,
    IncrementalAlterConfigsRequest, MetadataRequest,
};
use payment_notifier::wire::ErrorCode;
use uuid::Uuid;

use super::{Node, Table, new_topic, text};
use crate::support::cluster::Cluster;
use crate::support::connection::topic_name;

/// How often, and how long after the time before, it is looked for what a broker is to learn.
const BROKERS_LEARN: usize = 100;
const LOOK_AGAIN: Duration = Duration::from_millis(100);

const CREATE_TOPICS: i16 = 5;
const DELETE_TOPICS: i16 = 4;
const CREATE_PARTITIONS: i16 = 2;
const DESCRIBE_CONFIGS: i16 = 2;
const INCREMENTAL_ALTER_CONFIGS: i16 = 1;
const METADATA: i16 = 9;
/// Topics may be asked for by their ids.
const METADATA_BY_ID: i16 = 12;

/// What a setting is of, and what is done to it.
const TOPIC: i8 = 2;
const SET: i8 = 0;
const UNSET: i8 = 1;

fn topic(name: &str) -> CreatableTopic {
    CreatableTopic::default()
        .with_name(topic_name(name))
        .with_num_partitions(1)
        .with_replication_factor(1)
}

fn create(topics: Vec<CreatableTopic>) -> CreateTopicsRequest {
    CreateTopicsRequest::default()
        .with_topics(topics)
        .with_timeout_ms(5_000)
}

pub(super) async fn topics_are_checked() {
    let cluster = Cluster::shared().await;
    let mut table = Table::default();
    let mut node = Node::of(cluster).await;
    let [made, never] = &["made", "never"].map(|name| cluster.unique(name));
    let setting = |name: &str, value: &str| {
        let setting = CreatableTopicConfig::default()
            .with_name(text(name))
            .with_value(Some(text(value)));
        topic(never).with_configs(vec![setting])
    };
    let on = |node: i32| {
        let assigned = CreatableReplicaAssignment::default()
            .with_partition_index(0)
            .with_broker_ids(vec![node.into()]);
        topic(never).with_assignments(vec![assigned])
    };
    let assigned =
        |topic: CreatableTopic| topic.with_num_partitions(-1).with_replication_factor(-1);
    let invalid = ErrorCode::INVALID_TOPIC_EXCEPTION;
    let cases = [
        ("a topic", topic(made), ErrorCode::NONE),
        (
            "the same again",
            topic(made),
            ErrorCode::TOPIC_ALREADY_EXISTS,
        ),
        ("no name", topic(""), invalid),
        ("a dot", topic("."), invalid),
        ("two dots", topic(".."), invalid),
        ("a name with a slash", topic("a/b"), invalid),
        ("a name too long", topic(&"a".repeat(250)), invalid),
        (
            "no partitions",
            topic(never).with_num_partitions(0),
            ErrorCode::INVALID_PARTITIONS,
        ),
        (
            "too many replicas",
            topic(never).with_replication_factor(2),
            ErrorCode::INVALID_REPLICATION_FACTOR,
        ),
        (
            "no replicas",
            topic(never).with_replication_factor(0),
            ErrorCode::INVALID_REPLICATION_FACTOR,
        ),
        (
            "an unknown setting",
            setting("no.such.setting", "1"),
            ErrorCode::INVALID_CONFIG,
        ),
        (
            "a value that can't be",
            setting("retention.ms", "a day"),
            ErrorCode::INVALID_CONFIG,
        ),
        (
            "a number and an assignment",
            on(1),
            ErrorCode::INVALID_REQUEST,
        ),
        (
            "an unknown node",
            assigned(on(77)),
            ErrorCode::INVALID_REPLICA_ASSIGNMENT,
        ),
    ];
    for (what, topic, expected) in cases {
        let answer = node.ask(CREATE_TOPICS, &create(vec![topic])).await;
        table.code(what, answer.topics[0].error_code, expected);
    }
    let twice = node
        .ask(CREATE_TOPICS, &create(vec![topic(never), topic(never)]))
        .await;
    let codes = twice.topics.iter().map(|topic| topic.error_code);
    table.case(
        "twice in a request",
        codes.collect(),
        vec![ErrorCode::INVALID_REQUEST.0],
    );
    let tried = create(vec![topic(never)]).with_validate_only(true);
    let tried = node.ask(CREATE_TOPICS, &tried).await.topics[0].error_code;
    table.code("only tried", tried, ErrorCode::NONE);

    let really = assigned(on(1));
    let really = node.ask(CREATE_TOPICS, &create(vec![really])).await;
    table.code(
        "none of these made it",
        really.topics[0].error_code,
        ErrorCode::NONE,
    );
    let told = (
        really.topics[0].num_partitions,
        really.topics[0].replication_factor,
    );
    table.case("what was made", told, (1, 1));
    table.end();
}

pub(super) async fn topics_are_grown_and_deleted() {
    let cluster = Cluster::shared().await;
    let mut table = Table::default();
    let mut node = Node::of(cluster).await;
    let name = &new_topic(cluster, 2, &[]).await;
    let grow = |name: &str, count| {
        let topic = CreatePartitionsTopic::default()
            .with_name(topic_name(name))
            .with_count(count)
            .with_assignments(None);
        CreatePartitionsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(5_000)
    };
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    let cases = [
        ("fewer", grow(name, 1), ErrorCode::INVALID_PARTITIONS),
        ("as many", grow(name, 2), ErrorCode::INVALID_PARTITIONS),
        (
            "more, only tried",
            grow(name, 5).with_validate_only(true),
            ErrorCode::NONE,
        ),
        ("more", grow(name, 3), ErrorCode::NONE),
        ("of an unknown topic", grow("no-such-topic", 3), unknown),
    ];
    for (what, request, expected) in cases {
        let answer = node.ask(CREATE_PARTITIONS, &request).await;
        table.code(what, answer.results[0].error_code, expected);
    }
    let grown = cluster.replicas(name, 3).await;
    table.case("in the end", grown, vec![vec![1]; 3]);

    let delete = DeleteTopicsRequest::default()
        .with_topic_names(vec![topic_name(name)])
        .with_timeout_ms(5_000);
    let cases = [("deleted", ErrorCode::NONE), ("deleted again", unknown)];
    for (what, expected) in cases {
        let answer = node.ask(DELETE_TOPICS, &delete).await;
        table.code(what, answer.responses[0].error_code, expected);
    }
    table.end();
}

pub(super) async fn settings_are_told() {
    let cluster = Cluster::shared().await;
    let mut table = Table::default();
    let mut node = Node::of(cluster).await;
    let name = &new_topic(cluster, 1, &[("retention.ms", "7000")]).await;
    let change = |name: &str, operation, setting: &str, value: Option<&str>| {
        let setting = AlterableConfig::default()
            .with_name(text(setting))
            .with_config_operation(operation)
            .with_value(value.map(text));
        let topic = AlterConfigsResource::default()
            .with_resource_type(TOPIC)
            .with_resource_name(text(name))
            .with_configs(vec![setting]);
        IncrementalAlterConfigsRequest::default().with_resources(vec![topic])
    };
    let size = "max.message.bytes";
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    let cases = [
        (
            "set",
            change(name, SET, size, Some("2000")),
            ErrorCode::NONE,
        ),
        (
            "set back",
            change(name, UNSET, "retention.ms", None),
            ErrorCode::NONE,
        ),
        (
            "not a number",
            change(name, SET, size, Some("many")),
            ErrorCode::INVALID_CONFIG,
        ),
        (
            "no value",
            change(name, SET, size, None),
            ErrorCode::INVALID_REQUEST,
        ),
        (
            "no such setting",
            change(name, SET, "no.such", Some("1")),
            ErrorCode::INVALID_CONFIG,
        ),
        (
            "of an unknown topic",
            change("no-such-topic", SET, size, Some("1")),
            unknown,
        ),
    ];
    for (what, request, expected) in cases {
        let answer = node.ask(INCREMENTAL_ALTER_CONFIGS, &request).await;
        table.code(what, answer.responses[0].error_code, expected);
    }

    let describe = |name: &str, keys: &[&str]| {
        let topic = DescribeConfigsResource::default()
            .with_resource_type(TOPIC)
            .with_resource_name(text(name))
            .with_configuration_keys(Some(keys.iter().map(|key| text(key)).collect()));
        DescribeConfigsRequest::default().with_resources(vec![topic])
    };
    let both = describe(name, &[size, "retention.ms"]);
    let expected = vec![(size.to_owned(), true), ("retention.ms".to_owned(), false)];
    let mut told = Vec::new();
    // A broker hears of it a moment after the controller.
    for _ in 0..BROKERS_LEARN {
        let answer = node.ask(DESCRIBE_CONFIGS, &both).await;
        let configs = answer.results[0].configs.iter();
        told = configs
            .map(|it| (it.name.to_string(), it.config_source == 1))
            .collect();
        told.sort_unstable();
        if told == expected {
            break;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    table.case("which are the topic's own", told, expected);
    let of_nothing = node
        .ask(DESCRIBE_CONFIGS, &describe("no-such-topic", &[]))
        .await;
    table.code(
        "those of an unknown topic",
        of_nothing.results[0].error_code,
        unknown,
    );
    table.end();
}

pub(super) async fn unknown_topics() {
    let cluster = Cluster::shared().await;
    let mut table = Table::default();
    let mut node = Node::of(cluster).await;
    let named = |name: &str| MetadataRequestTopic::default().with_name(Some(topic_name(name)));
    let wanted = |topic| {
        MetadataRequest::default()
            .with_topics(Some(vec![topic]))
            .with_allow_auto_topic_creation(false)
    };
    let unknown = wanted(named("no-such-topic"));
    let invalid = wanted(named("a/b"));
    let by_id = MetadataRequestTopic::default()
        .with_name(None)
        .with_topic_id(Uuid::from_u128(77));
    let cases = [
        (
            "an unknown name",
            METADATA,
            unknown,
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ),
        (
            "an invalid name",
            METADATA,
            invalid,
            ErrorCode::INVALID_TOPIC_EXCEPTION,
        ),
        (
            "an unknown id",
            METADATA_BY_ID,
            wanted(by_id),
            ErrorCode::UNKNOWN_TOPIC_ID,
        ),
    ];
    for (what, version, request, expected) in cases {
        let answer = node.ask(version, &request).await;
        table.code(what, answer.topics[0].error_code, expected);
        table.case(what, answer.topics[0].partitions.len(), 0);
    }
    let none = MetadataRequest::default().with_topics(Some(Vec::new()));
    table.case("no topics", node.ask(METADATA, &none).await.topics.len(), 0);
    table.end();
}
