//! What a group's coordinator and the authorizer know, asked for in their own words.

use std::io;

use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::{
    CreateAclsRequest, DescribeAclsRequest, DescribeGroupsRequest, GroupId,
};
use kafka_protocol::protocol::StrBytes;

use super::cluster::Cluster;
use super::connection::ask_any;
use super::records::{accepted, patiently};

const DESCRIBE_GROUPS: i16 = 4;
const CREATE_ACLS: i16 = 1;
const DESCRIBE_ACLS: i16 = 1;

const LITERAL: i8 = 3;
const ALLOW: i8 = 3;
const ANY: i8 = 1;

/// What access is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Resource<'a> {
    Topic(&'a str),
    Group(&'a str),
    Cluster,
    TransactionalId(&'a str),
}

/// An operation on a resource, as the protocol numbers them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operation {
    All = 2,
    Read = 3,
    Write = 4,
    Describe = 8,
}

/// The requests here go to any node: they are for clusters of one, which is every coordinator.
impl Cluster {
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

    /// Waits until a group has committed these offsets, or later ones: the markers of transactions
    /// have offsets too.
    pub(crate) async fn wait_until_past(&self, group: &str, topic: &str, wanted: &[(i32, i64)]) {
        patiently(&format!("commits of {group}"), async || {
            let found = self.committed(group, topic).await;
            let is_past =
                |(n, offset): &(i32, i64)| found.get(n).is_some_and(|found| found >= offset);
            match wanted.iter().all(is_past) {
                true => Ok(()),
                false => Err(io::Error::other(format!("{found:?}, not {wanted:?}"))),
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
            Resource::Cluster => (4, "kafka-cluster"),
            Resource::TransactionalId(name) => (5, name),
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

fn group_id(group: &str) -> GroupId {
    GroupId(StrBytes::from_string(group.to_owned()))
}
