//! The consumer's arguments, and the settings that they and a properties file make.

use std::time::Duration;

use clap::Parser;
use payment_notifier::consumer::{ConsumerConfig, GroupProtocol, IsolationLevel, OffsetReset};
use payment_notifier::group::Assignor;

use crate::verifiable::{Failure, Place, Properties};

/// Consumes a topic as a member of a group, and tells in JSON what it does.
#[derive(Debug, Parser)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) place: Place,
    /// The group.
    #[arg(long)]
    group_id: String,
    /// Makes this a static member of that name.
    #[arg(long)]
    group_instance_id: Option<String>,
    /// The group protocol: `classic` or `consumer`. Default: `classic`.
    #[arg(long, value_parser = protocol)]
    group_protocol: Option<GroupProtocol>,
    /// With the group protocol `consumer`: how the coordinator shares partitions out.
    #[arg(long)]
    group_remote_assignor: Option<String>,
    /// How many records; -1 for no end.
    #[arg(long, default_value_t = -1, allow_negative_numbers = true)]
    pub(crate) max_messages: i64,
    /// Milliseconds of silence after which the group goes on without this member. Not with the
    /// group protocol `consumer`: the brokers say how many.
    #[arg(long)]
    session_timeout: Option<u64>,
    /// Tells each record by itself too.
    #[arg(long)]
    pub(crate) verbose: bool,
    /// Commits without telling, as clients that commit by themselves do.
    #[arg(long)]
    pub(crate) enable_autocommit: bool,
    /// Where a partition without a committed offset begins: `earliest`, `latest` or `none`.
    #[arg(long, value_parser = reset_policy)]
    reset_policy: Option<OffsetReset>,
    /// How partitions are shared out: `range` or `cooperative-sticky`, or the names of Java's
    /// classes, separated by commas in order of preference. Default: `range`. Not used with the
    /// group protocol `consumer`.
    #[arg(long, value_parser = assignor, value_delimiter = ',')]
    assignment_strategy: Vec<Assignor>,
    /// A Java properties file. Settings that are not known here are named and ignored.
    #[arg(long = "consumer.config", alias = "command-config", value_name = "FILE", value_parser = Properties::read)]
    pub(crate) config: Option<Properties>,
}

impl Arguments {
    /// Kafka's defaults, then the file, then the command line.
    pub(crate) fn settings(&self, properties: &mut Properties) -> Result<ConsumerConfig, Failure> {
        let mut config = ConsumerConfig {
            assignors: vec![Assignor::Range],
            ..ConsumerConfig::default()
        };
        apply_file(properties, &mut config)?;
        config.group_id.clone_from(&self.group_id);
        config.topics = vec![self.place.topic.clone()];
        if let Some(protocol) = self.group_protocol {
            config.group_protocol = protocol;
        }
        if let Some(millis) = self.session_timeout {
            config.session_timeout = Duration::from_millis(millis);
        }
        match config.group_protocol {
            GroupProtocol::Classic => self.apply_classic(&mut config),
            GroupProtocol::Consumer => self.apply_consumer(&mut config),
        }
        if let Some(policy) = self.reset_policy {
            config.auto_offset_reset = policy;
        }
        if let Some(name) = &self.group_instance_id {
            config.group_instance_id = Some(name.clone());
        }
        Ok(config)
    }

    fn apply_classic(&self, config: &mut ConsumerConfig) {
        if !self.assignment_strategy.is_empty() {
            config.assignors.clone_from(&self.assignment_strategy);
        }
    }

    /// As Java's does, leaves the members' assignors out.
    fn apply_consumer(&self, config: &mut ConsumerConfig) {
        if let Some(name) = &self.group_remote_assignor {
            config.remote_assignor = Some(name.clone());
        }
        config.assignors = ConsumerConfig::default().assignors;
    }
}

fn apply_file(file: &mut Properties, config: &mut ConsumerConfig) -> Result<(), Failure> {
    file.apply("group.id", &mut config.group_id)?;
    config.group_instance_id = file.take("group.instance.id")?;
    if let Some(name) = file.take::<String>("group.protocol")? {
        config.group_protocol = protocol(&name)?;
    }
    config.remote_assignor = file.take("group.remote.assignor")?;
    file.apply_millis("session.timeout.ms", &mut config.session_timeout)?;
    file.apply_millis("heartbeat.interval.ms", &mut config.heartbeat_interval)?;
    file.apply_millis("max.poll.interval.ms", &mut config.rebalance_timeout)?;
    file.apply("client.rack", &mut config.client_rack)?;
    file.apply("fetch.min.bytes", &mut config.fetch_min_bytes)?;
    file.apply_millis("fetch.max.wait.ms", &mut config.fetch_max_wait)?;
    file.apply("fetch.max.bytes", &mut config.fetch_max_bytes)?;
    let of_partition = &mut config.max_partition_fetch_bytes;
    file.apply("max.partition.fetch.bytes", of_partition)?;
    file.apply("max.poll.records", &mut config.max_poll_records)?;
    if let Some(name) = file.take::<String>("isolation.level")? {
        config.isolation_level = isolation_level(&name)?;
    }
    if let Some(name) = file.take::<String>("auto.offset.reset")? {
        config.auto_offset_reset = reset_policy(&name)?;
    }
    if let Some(names) = file.take::<String>("partition.assignment.strategy")? {
        config.assignors = names.split(',').map(assignor).collect::<Result<_, _>>()?;
    }
    Ok(())
}

fn protocol(name: &str) -> Result<GroupProtocol, &'static str> {
    match name.to_ascii_lowercase().as_str() {
        "classic" => Ok(GroupProtocol::Classic),
        "consumer" => Ok(GroupProtocol::Consumer),
        _ => Err("one of classic, consumer"),
    }
}

fn reset_policy(name: &str) -> Result<OffsetReset, &'static str> {
    match name {
        "earliest" => Ok(OffsetReset::Earliest),
        "latest" => Ok(OffsetReset::Latest),
        "none" => Ok(OffsetReset::None),
        _ => Err("one of earliest, latest, none"),
    }
}

fn isolation_level(name: &str) -> Result<IsolationLevel, &'static str> {
    match name {
        "read_uncommitted" => Ok(IsolationLevel::ReadUncommitted),
        "read_committed" => Ok(IsolationLevel::ReadCommitted),
        _ => Err("one of read_uncommitted, read_committed"),
    }
}

fn assignor(name: &str) -> Result<Assignor, &'static str> {
    let name = name.trim();
    match name.strip_prefix("org.apache.kafka.clients.consumer.") {
        Some("RangeAssignor") => Some(Assignor::Range),
        Some("CooperativeStickyAssignor") => Some(Assignor::CooperativeSticky),
        _ => Assignor::from_name(name),
    }
    .ok_or("one of range, cooperative-sticky")
}
