//! Topics that are made, changed and deleted, without a tool that would need Java.

use std::io;

use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteRecordsRequest, DeleteTopicsRequest,
    IncrementalAlterConfigsRequest,
};
use kafka_protocol::protocol::StrBytes;

use super::cluster::Cluster;
use super::connection::{Connection, ask_any, metadata, topic_name};
use super::records::{accepted, leaders, patiently};

const CREATE_TOPICS: i16 = 5;
const DELETE_TOPICS: i16 = 4;
const CREATE_PARTITIONS: i16 = 2;
const INCREMENTAL_ALTER_CONFIGS: i16 = 1;
const DELETE_RECORDS: i16 = 2;

const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
const TOPIC_ALREADY_EXISTS: i16 = 36;

const TIMEOUT_MS: i32 = 10_000;
/// What a setting is of.
const TOPIC: i8 = 2;

impl Cluster {
    /// Creates a topic, with the cluster's number of replicas and settings such as
    /// `("max.message.bytes", "1000")`, and waits until the cluster knows it.
    pub(crate) async fn create_topic(
        &self,
        name: &str,
        partitions: i32,
        settings: &[(&str, &str)],
    ) {
        let settings = settings.iter().map(|(key, value)| {
            CreatableTopicConfig::default()
                .with_name(text(key))
                .with_value(Some(text(value)))
        });
        let topic = CreatableTopic::default()
            .with_name(topic_name(name))
            .with_num_partitions(partitions)
            .with_replication_factor(-1)
            .with_configs(settings.collect());
        let request = CreateTopicsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(TIMEOUT_MS);
        let asked = ask_any(self, CREATE_TOPICS, &request).await;
        let answer = asked.expect("a node answers");
        let topic = &answer.topics[0];
        let created = matches!(topic.error_code, 0 | TOPIC_ALREADY_EXISTS);
        assert!(created, "creating {name}: {topic:?}");
        patiently(name, async || {
            match metadata(self, name).await?.topics[0].error_code {
                UNKNOWN_TOPIC_OR_PARTITION => Err(io::Error::other("it is not there yet")),
                _ => Ok(()),
            }
        })
        .await;
    }

    /// Deletes a topic, and waits until the cluster has forgotten it.
    pub(crate) async fn delete_topic(&self, name: &str) {
        let request = DeleteTopicsRequest::default()
            .with_topic_names(vec![topic_name(name)])
            .with_timeout_ms(TIMEOUT_MS);
        let asked = ask_any(self, DELETE_TOPICS, &request).await;
        let answer = asked.expect("a node answers");
        assert_eq!(answer.responses[0].error_code, 0, "{answer:?}");
        patiently(name, async || {
            match metadata(self, name).await?.topics[0].error_code {
                UNKNOWN_TOPIC_OR_PARTITION => Ok(()),
                _ => Err(io::Error::other("it is still there")),
            }
        })
        .await;
    }

    /// Has a topic grow to this many partitions.
    pub(crate) async fn grow_topic(&self, name: &str, partitions: i32) {
        let topic = CreatePartitionsTopic::default()
            .with_name(topic_name(name))
            .with_count(partitions)
            .with_assignments(None);
        let request = CreatePartitionsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(TIMEOUT_MS);
        let asked = ask_any(self, CREATE_PARTITIONS, &request).await;
        let answer = asked.expect("a node answers");
        assert_eq!(answer.results[0].error_code, 0, "{answer:?}");
    }

    /// Changes a setting of a topic.
    pub(crate) async fn configure_topic(&self, name: &str, setting: &str, value: &str) {
        let setting = AlterableConfig::default()
            .with_name(text(setting))
            .with_value(Some(text(value)));
        let topic = AlterConfigsResource::default()
            .with_resource_type(TOPIC)
            .with_resource_name(text(name))
            .with_configs(vec![setting]);
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![topic]);
        let asked = ask_any(self, INCREMENTAL_ALTER_CONFIGS, &request).await;
        let answer = asked.expect("a node answers");
        assert_eq!(answer.responses[0].error_code, 0, "{answer:?}");
    }

    /// Deletes what is before an offset of a partition.
    pub(crate) async fn delete_records(&self, topic: &str, partition: i32, before: i64) {
        let wanted = DeleteRecordsPartition::default()
            .with_partition_index(partition)
            .with_offset(before);
        let wanted = DeleteRecordsTopic::default()
            .with_name(topic_name(topic))
            .with_partitions(vec![wanted]);
        let request = DeleteRecordsRequest::default()
            .with_topics(vec![wanted])
            .with_timeout_ms(TIMEOUT_MS);
        patiently(topic, async || {
            let leaders = leaders(self, topic).await?;
            let leader = leaders.iter().find(|(led, _)| *led == partition);
            let (_, address) = leader.ok_or(io::ErrorKind::NotFound)?;
            let mut broker = Connection::open(address).await?;
            let answer = broker.call(DELETE_RECORDS, &request).await?;
            accepted(answer.topics[0].partitions[0].error_code)
        })
        .await;
    }

    /// The replicas of each partition of a topic, once a broker knows of this many partitions:
    /// it hears of them a moment after the controller has answered.
    pub(crate) async fn replicas(&self, topic: &str, partitions: usize) -> Vec<Vec<i32>> {
        patiently(topic, async || {
            let answer = metadata(self, topic).await?;
            accepted(answer.topics[0].error_code)?;
            let told = answer.topics[0].partitions.len();
            if told < partitions {
                return Err(io::Error::other(format!("only {told} partitions")));
            }
            let partitions = answer.topics[0].partitions.iter();
            let ids = partitions.map(|it| it.replica_nodes.iter().map(|id| id.0).collect());
            Ok(ids.collect())
        })
        .await
    }
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}
