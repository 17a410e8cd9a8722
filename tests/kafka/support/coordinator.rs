//! What a group's coordinator and the authorizer know, asked for in their own words.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::{
    CreateAclsRequest, DescribeAclsRequest, DescribeGroupsRequest, GroupId, OffsetFetchRequest,
};
use kafka_protocol::protocol::StrBytes;

use super::PATIENCE;
use super::cluster::Cluster;
use super::connection::{ask_any, metadata, topic_name};

const OFFSET_FETCH: i16 = 5;
const DESCRIBE_GROUPS: i16 = 4;
const CREATE_ACLS: i16 = 1;
const DESCRIBE_ACLS: i16 = 1;
/// A coordinator has no way to tell when it knows more.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

const LITERAL: i8 = 3;
const ALLOW: i8 = 3;
const ANY: i8 = 1;

/// What access is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Resource<'a> {
    Topic(&'a str),
    Group(&'a str),
}

/// An operation on a resource, as the protocol numbers them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operation {
    All = 2,
    Describe = 8,
}

/// The requests here go to any node: they are for clusters of one, which is every coordinator.
impl Cluster {
    /// The committed offsets of a group in a topic, by partition; those without are left out.
    pub(crate) async fn committed(&self, group: &str, topic: &str) -> BTreeMap<i32, i64> {
        patiently(&format!("offsets of {group}"), async || {
            let known = metadata(self, topic).await?;
            let partitions = known.topics[0].partitions.iter();
            let wanted = OffsetFetchRequestTopic::default()
                .with_name(topic_name(topic))
                .with_partition_indexes(partitions.map(|known| known.partition_index).collect());
            let request = OffsetFetchRequest::default()
                .with_group_id(group_id(group))
                .with_topics(Some(vec![wanted]));
            let answer = ask_any(self, OFFSET_FETCH, &request).await?;
            accepted(answer.error_code)?;
            let told = answer.topics.iter().flat_map(|topic| &topic.partitions);
            Ok(told
                .filter(|told| told.committed_offset >= 0)
                .map(|told| (told.partition_index, told.committed_offset))
                .collect())
        })
        .await
    }

    /// Waits until a group's committed offsets in a topic are these.
    pub(crate) async fn wait_for_committed(&self, group: &str, topic: &str, wanted: &[(i32, i64)]) {
        let wanted = wanted.iter().copied().collect();
        patiently(&format!("commits of {group}"), async || {
            let found = self.committed(group, topic).await;
            let text = || format!("{found:?}, not {wanted:?}");
            if found == wanted {
                Ok(())
            } else {
                Err(io::Error::other(text()))
            }
        })
        .await;
    }

    /// The ids of a group's members.
    pub(crate) async fn members(&self, group: &str) -> Vec<String> {
        patiently(&format!("members of {group}"), async || {
            let request = DescribeGroupsRequest::default().with_groups(vec![group_id(group)]);
            let answer = ask_any(self, DESCRIBE_GROUPS, &request).await?;
            accepted(answer.groups[0].error_code)?;
            let members = answer.groups[0].members.iter();
            Ok(members.map(|member| member.member_id.to_string()).collect())
        })
        .await
    }

    /// Allows an operation to a user, and by that forbids everything to all who are not named.
    pub(crate) async fn allow(&self, user: &str, operation: Operation, resource: Resource<'_>) {
        let text = |text: &str| StrBytes::from_string(text.to_owned());
        let (kind, name) = match resource {
            Resource::Topic(name) => (2, name),
            Resource::Group(name) => (3, name),
        };
        let principal = text(&format!("User:{user}"));
        let rule = AclCreation::default()
            .with_resource_type(kind)
            .with_resource_name(text(name))
            .with_resource_pattern_type(LITERAL)
            .with_principal(principal.clone())
            .with_host(text("*"))
            .with_operation(operation as i8)
            .with_permission_type(ALLOW);
        let request = CreateAclsRequest::default().with_creations(vec![rule]);
        let answer = ask_any(self, CREATE_ACLS, &request).await;
        let answer = answer.expect("a node answers");
        assert_eq!(answer.results[0].error_code, 0, "{answer:?}");

        // The broker learns of it from the controller.
        let asked = DescribeAclsRequest::default()
            .with_resource_type_filter(kind)
            .with_resource_name_filter(Some(text(name)))
            .with_pattern_type_filter(LITERAL)
            .with_principal_filter(Some(principal))
            .with_operation(operation as i8)
            .with_host_filter(None)
            .with_permission_type(ANY);
        patiently("the rule", async || {
            let answer = ask_any(self, DESCRIBE_ACLS, &asked).await?;
            let known = !answer.resources.is_empty();
            known.then_some(()).ok_or(io::ErrorKind::NotFound.into())
        })
        .await;
    }
}

/// Tries again until it succeeds: a new cluster's coordinator takes a moment to load.
async fn patiently<T>(what: &str, attempt: impl AsyncFn() -> io::Result<T>) -> T {
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        match attempt().await {
            Ok(done) => return done,
            Err(error) if tokio::time::Instant::now() > until => panic!("{what}: {error}"),
            Err(_) => tokio::time::sleep(LOOK_AGAIN).await,
        }
    }
}

fn group_id(group: &str) -> GroupId {
    GroupId(StrBytes::from_string(group.to_owned()))
}

fn accepted(error_code: i16) -> io::Result<()> {
    match error_code {
        0 => Ok(()),
        code => Err(io::Error::other(format!("the broker answers error {code}"))),
    }
}
